//! `/graphql` and its neighbours as HTTP sees them.

use crate::harness::{Hub, tests};

tests! {
    reading: a_seat_is_answered;
}

async fn a_seat_is_answered(hub: Hub) {
    let data = hub.data("aqua-seals/partner_planner", "{ viewer { seat } }").await;
    assert_eq!(data["viewer"]["seat"], "aqua-seals/partner_planner");
}
