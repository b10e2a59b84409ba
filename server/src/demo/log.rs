//! Some lines of the log, among them one of a deputy: it names both persons.

use entities::audit_event;
use serde_json::json;
use uuid::Uuid;

use super::{
    agreements::Agreements,
    cast::Cast,
    seed::{Seed, text},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast, agreements: &Agreements) -> Result<()> {
    let people = &cast.people;
    let mut line = |hours, who: Uuid, organisation, action: &str, object: &str, rows, decision: &str, agreement| {
        audit_event::Model {
            id: seed.id(),
            at: seed.hours(hours),
            principal_id: Some(who),
            organisation_id: Some(organisation),
            on_behalf_of_id: None,
            action: action.into(),
            object_type: object.into(),
            object_id: None,
            fields: Some(json!(["qty"])),
            rows: Some(rows),
            decision: decision.into(),
            policy_version: "demo".into(),
            agreement_id: agreement,
            reason: None,
            prev_hash: None,
        }
    };
    let (a, b) = (Some(agreements.aqua), Some(agreements.bergmann));
    let mut rows = vec![
        line(-50, people.alice, cast.aqua, "read", "DemandBucket", 312, "allow", a),
        line(-30, people.lena, cast.aqua, "read", "InventoryPosition", 4, "allow", a),
        line(-28, people.bea, cast.bergmann, "export", "Customer", 22, "masked", b),
        line(-5, people.denis, cast.dauphin, "read", "Customer", 0, "deny", None),
        line(-4, people.sven, cast.nordwind, "break_glass", "Contact", 1, "allow", None),
    ];
    rows[1].on_behalf_of_id = Some(people.alice);
    rows[4].reason = text("caller in danger, number not readable");
    write::<audit_event::Entity>(load, rows).await
}
