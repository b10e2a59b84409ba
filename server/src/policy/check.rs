//! Does every policy have a SQL form? Each is compiled for askers of every kind, without and with
//! every role, on every type that it speaks of; what a seat meets later has then been met here.

use uuid::Uuid;

use super::{
    Refusal, Rules,
    schema::{KINDS, ROLES},
};
use crate::{access::dry, catalogue::TypeId};

pub fn uncompilable(rules: &Rules) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for kind in KINDS {
        for roles in [&[][..], ROLES] {
            let asker = match dry::Asker::new(rules, Uuid::nil(), kind, roles) {
                Ok(asker) => asker,
                Err(reason) => return vec![Refusal::new(super::Place::file("schema.cedarschema"), reason)],
            };
            let sides = rules.classes.iter().zip(&rules.writes).zip(&rules.exports);
            for (ty, ((classes, writes), export)) in sides.enumerate() {
                let mut done: Vec<&str> = Vec::new();
                for class in classes.iter().chain(writes.all()).chain([export]) {
                    for rule in &class.rules {
                        if done.contains(&rule.id.as_str()) || refusals.iter().any(|r| r.place == rule.place) {
                            continue;
                        }
                        done.push(&rule.id);
                        if let Err(why) = asker.compile(rules, TypeId(ty), class, rule) {
                            refusals.push(why);
                        }
                    }
                }
            }
        }
    }
    refusals
}
