//! Some lines of the log, among them one of a deputy: it names both persons. They are a chain like any other.

use serde_json::json;
use uuid::Uuid;

use super::{
    agreements::Agreements,
    cast::Cast,
    seed::{Seed, text},
};
use crate::{
    access::load::Load,
    audit::{self, Line},
    error::Result,
};

pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast, agreements: &Agreements) -> Result<()> {
    let people = &cast.people;
    let mut line = |hours, who: Uuid, organisation, action: &str, object: &str, rows, decision: &str, agreement| Line {
        id: seed.id(),
        at: seed.hours(hours).0,
        principal: Some(who),
        organisation: Some(organisation),
        on_behalf_of: None,
        action: action.into(),
        object_type: object.into(),
        object_id: None,
        fields: Some(json!(["qty"])),
        rows: Some(rows),
        decision: decision.into(),
        policy_version: "demo".into(),
        agreement,
        reason: None,
    };
    let (a, b) = (Some(agreements.aqua), Some(agreements.bergmann));
    let mut lines = vec![
        line(-50, people.alice, cast.aqua, "read", "DemandBucket", 312, "allow", a),
        line(-30, people.lena, cast.aqua, "read", "InventoryPosition", 4, "allow", a),
        line(-28, people.bea, cast.bergmann, "export", "Customer", 22, "masked", b),
        line(-5, people.denis, cast.dauphin, "read", "Customer", 0, "deny", None),
        line(-4, people.sven, cast.nordwind, "break_glass", "Contact", 1, "allow", None),
    ];
    lines[1].on_behalf_of = Some(people.alice);
    lines[4].reason = text("caller in danger, number not readable");
    audit::append(load, lines).await.map(drop)
}
