//! What `entente policy prove` says.

use std::{fmt::Write, time::Duration};

use serde::Serialize;

use super::{Found, Held, Proof, claim::Claim, idle::Idle};

#[derive(Serialize)]
pub struct Report {
    pub text: String,
    pub invariants: Vec<Claimed>,
    pub idle: Vec<IdleRule>,
    /// What is wrong, in a sentence.
    pub refusal: Option<String>,
}

/// How an invariant fared.
#[derive(Serialize)]
pub struct Claimed {
    pub id: String,
    pub doc: String,
    pub file: String,
    pub line: usize,
    pub fields: usize,
    pub questions: usize,
    /// It holds if there are none.
    pub faults: Vec<String>,
}

/// A policy that decides nothing, or is said to and does.
#[derive(Serialize)]
pub struct IdleRule {
    pub id: String,
    pub file: String,
    pub line: usize,
    /// Why, and what to do.
    pub reason: String,
    /// The policies say that it stays.
    pub kept: bool,
}

impl Proof {
    pub(super) fn report(&self, found: &Found, idle: &[Idle], took: Duration) -> Report {
        let mut text = String::new();
        let none = Held::default();
        let width = self.claims.iter().map(|c| c.rule.id.len()).max().unwrap_or(0);
        let (mut wrong, mut invariants) = (0, Vec::new());
        for (i, claim) in self.claims.iter().enumerate() {
            let held = found.claims.get(&i).unwrap_or(&none);
            let faults = faults(claim, held);
            let word = if faults.is_empty() { "holds" } else { "FAILS" };
            let (id, place) = (&claim.rule.id, &claim.rule.place);
            let _ =
                writeln!(text, "{word} {id:<width$}  {} fields, {} questions ({place})", held.fields, held.questions);
            wrong += usize::from(!faults.is_empty());
            for fault in &faults {
                for (i, line) in fault.lines().enumerate() {
                    let _ = writeln!(text, "{}{line}", if i == 0 { "      " } else { "        " });
                }
            }
            invariants.push(Claimed {
                id: id.clone(),
                doc: claim.rule.doc.clone(),
                file: place.file.clone(),
                line: place.line,
                fields: held.fields,
                questions: held.questions,
                faults,
            });
        }
        if self.claims.is_empty() {
            text.push_str("no invariants are beside the policies\n");
        }
        let (mut useless, mut idle_rules) = (0, Vec::new());
        for rule in &self.rules.all {
            let kept = rule.policy.annotation("idle");
            let why = idle.iter().find(|i| i.rule.id == rule.id).map(|i| i.why.as_str());
            let (word, said) = match (why, kept) {
                (None, None) => continue,
                (Some(why), None) => ("IDLE ", format!("{why}; take it out, or say with @idle why it stays")),
                (Some(why), Some(kept)) => ("kept ", format!("{why}; it stays: {kept}")),
                (None, Some(_)) => ("IDLE ", "it decides something of its own; take @idle off".to_string()),
            };
            useless += usize::from(word == "IDLE ");
            let _ = writeln!(text, "{word} {} ({}): {said}", rule.id, rule.place);
            idle_rules.push(IdleRule {
                id: rule.id.clone(),
                file: rule.place.file.clone(),
                line: rule.place.line,
                reason: said,
                kept: word == "kept ",
            });
        }
        let (claims, policies) = (self.claims.len(), self.rules.all.len());
        let _ = writeln!(
            text,
            "{} of {claims} invariants hold, {} of {policies} policies decide something of their own: \
             {} questions in {:.1} s",
            claims - wrong,
            policies - idle.len(),
            found.questions,
            took.as_secs_f64()
        );
        let mut refusals = Vec::new();
        if wrong > 0 {
            refusals.push(format!("{wrong} of {claims} invariants do not hold"));
        }
        if useless > 0 {
            refusals.push(format!("{useless} of {policies} policies are idle or wrongly called so"));
        }
        let refusal = (!refusals.is_empty()).then(|| refusals.join(", and ") + ", as said above");
        Report { text, invariants, idle: idle_rules, refusal }
    }
}

/// What is wrong with a claim; nothing, if it holds and says something.
fn faults(claim: &Claim, held: &Held) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(world) = &held.world {
        let first = held.broken.first().map(String::as_str).unwrap_or_default();
        let also = match &held.broken[..] {
            [] | [_] => String::new(),
            [_, rest @ ..] => format!("likewise {}\n", rest.join(", ")),
        };
        out.push(format!("{}\n{first} is allowed in this world:\n{world}{also}", claim.rule.doc));
    } else if !held.reached {
        out.push("no request is what it speaks of, so it says nothing".into());
    }
    // an exception may have been needed in the world that breaks the claim
    for exception in claim.exceptions.iter().filter(|e| !held.needed.contains(&e.id)) {
        out.push(format!(
            "its exception {} ({}) is not needed: no policy allows what it excepts; take it out",
            exception.id, exception.place
        ));
    }
    out
}
