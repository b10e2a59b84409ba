//! Invariant files → claims. A forbid there is a sentence about the policies: they never allow what it
//! forbids. A permit with `@except` says where that sentence does not reach, and why.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use cedar_policy::{Effect, Policy};

use crate::{
    error::{Error, Result},
    policy::{Contents, Refusal, Rule, Rules, report, source, valid},
};

#[derive(Debug)]
pub struct Claim {
    pub rule: Arc<Rule>,
    pub exceptions: Vec<Arc<Rule>>,
    /// Only the forbids of this file are taken as given: anything may be permitted beside them.
    pub given: Option<String>,
}

/// The claims beside the policies, in the order of their files.
pub fn read(folder: Option<&Path>, rules: &Rules) -> Result<Vec<Claim>> {
    let files = source::invariants(folder)?;
    let found = valid(&rules.schema, Contents::Invariants, &files).and_then(|found| sort(found, rules));
    found.map_err(|refusals| Error::usage(report(&refusals)))
}

fn sort(found: Vec<Arc<Rule>>, rules: &Rules) -> std::result::Result<Vec<Claim>, Vec<Refusal>> {
    let files: BTreeSet<&str> = rules.all.iter().map(|r| r.place.file.as_str()).collect();
    let mut refusals = Vec::new();
    let mut refuse = |rule: &Rule, reason: String| {
        refusals.push(Refusal::new(rule.place.clone(), format!("invariant `{}`: {reason}", rule.id)));
    };
    let (forbids, permits): (Vec<_>, Vec<_>) = found.into_iter().partition(|r| r.policy.effect() == Effect::Forbid);
    let mut claims = Vec::new();
    for rule in forbids {
        if rule.policy.annotation("except").is_some() {
            refuse(&rule, "a forbid is a claim of its own; write the exception as a permit".into());
        }
        let given = rule.policy.annotation("given").map(String::from);
        if let Some(file) = given.as_deref().filter(|file| !files.contains(file)) {
            refuse(&rule, format!("there is no policy file `{file}` that could be given"));
        }
        claims.push(Claim { rule, exceptions: Vec::new(), given });
    }
    for permit in permits {
        if permit.policy.annotation("given").is_some() {
            refuse(&permit, "@given belongs to the forbid that it is an exception of".into());
        }
        let of = permit.policy.annotation("except");
        match of.map(|of| (of, claims.iter_mut().find(|c| c.rule.id == of))) {
            Some((_, Some(claim))) => claim.exceptions.push(permit),
            Some((of, None)) => refuse(&permit, format!("there is no forbid `{of}` that it could be an exception of")),
            None => refuse(&permit, "a permit is an exception: name the forbid with @except".into()),
        }
    }
    if refusals.is_empty() { Ok(claims) } else { Err(refusals) }
}

/// The same scope and conditions with the other effect: in a set of its own a forbid that is turned
/// allows what it speaks of, and a permit that is turned takes away what it gives.
pub fn turned(policy: &Policy) -> Result<Policy> {
    let failed = |e: &dyn std::fmt::Display| Error::internal(format!("cannot turn policy `{}`: {e}", policy.id()));
    let mut json = policy.to_json().map_err(|e| failed(&e))?;
    json["effect"] = match policy.effect() {
        Effect::Permit => "forbid".into(),
        Effect::Forbid => "permit".into(),
    };
    Policy::from_json(Some(policy.id().clone()), json).map_err(|e| failed(&e))
}

/// Every attribute that the policies take or test.
pub fn attributes<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Result<BTreeSet<String>> {
    fn collect(json: &serde_json::Value, out: &mut BTreeSet<String>) {
        match json {
            serde_json::Value::Array(parts) => parts.iter().for_each(|part| collect(part, out)),
            serde_json::Value::Object(parts) => {
                for (key, part) in parts {
                    if let (true, Some(name)) = ([".", "has"].contains(&key.as_str()), part["attr"].as_str()) {
                        out.insert(name.to_string());
                    }
                    collect(part, out);
                }
            }
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    for policy in policies {
        let json = policy.to_json().map_err(|e| Error::internal(format!("cannot read `{}`: {e}", policy.id())))?;
        collect(&json, &mut out);
    }
    Ok(out)
}
