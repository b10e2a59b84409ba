//! The explanation as people read it.

use std::fmt::Write;

use super::{
    Explanation, PolicyPart,
    agreements::{AgreementPart, day},
};
use crate::policy::deed::Deed;

/// Rules that do not decide are told up to so many.
const BESIDE: usize = 12;

impl Explanation {
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.verdict);
        let (decide, beside): (Vec<_>, Vec<_>) = self.policies.iter().partition(|p| p.decides);
        if !decide.is_empty() {
            out.push_str(if self.row.is_some() { "\ndecided by\n" } else { "\nwhat permits and what forbids it\n" });
            write(&decide, self.to, &mut out);
        }
        let beside: Vec<&PolicyPart> =
            beside.into_iter().filter(|p| self.row.is_some() && p.effect != "forbid" && p.to == self.to).collect();
        if !beside.is_empty() {
            out.push_str("\nnot decisive\n");
            write(&beside[..beside.len().min(BESIDE)], self.to, &mut out);
            if beside.len() > BESIDE {
                let _ = writeln!(out, "  and {} more; --json tells all", beside.len() - BESIDE);
            }
        }
        for (holds, told) in
            [(true, "forbids that hold where nothing is permitted"), (false, "forbids that do not hold here")]
        {
            let silent = self
                .policies
                .iter()
                .filter(|p| p.effect == "forbid" && p.holds == Some(holds) && !p.decides && p.to == self.to);
            let silent: Vec<&str> = silent.map(|p| p.policy.id.as_str()).collect();
            if !silent.is_empty() {
                let _ = writeln!(out, "\n{told}: {}", silent.join(", "));
            }
        }
        if !self.agreements.is_empty() {
            out.push_str("\nagreements\n");
            self.agreements.iter().for_each(|agreement| agreement.write(&mut out));
        }
        if !self.changes.is_empty() {
            out.push_str("\nwhat would change it\n");
            self.changes.iter().for_each(|change| {
                let _ = writeln!(out, "  {change}");
            });
        }
        if !self.for_others.is_empty() {
            let told: Vec<String> =
                self.for_others.iter().map(|rule| format!("{} ({}:{})", rule.id, rule.file, rule.line)).collect();
            let _ = writeln!(out, "\npermitted to others by {}", told.join(", "));
        }
        if !self.seen_by.is_empty() {
            let told: Vec<String> = self.seen_by.iter().map(|by| format!("{} ({})", by.seat, by.shown)).collect();
            let _ = writeln!(out, "\nalso {} by {}", self.to.passive().trim_start_matches("is "), told.join(", "));
        }
        out
    }
}

/// One policy that shows fields in different ways is told once.
fn write(policies: &[&PolicyPart], asked: Deed, out: &mut String) {
    for alike in policies.chunk_by(|a, b| a.policy.id == b.policy.id && a.to == b.to && a.conditions == b.conditions) {
        let policy = alike[0];
        let (named, effect) = (&policy.policy, policy.effect);
        // what is asked about rests on what is read
        let rests = if policy.to == asked { "" } else { ", to read it" };
        let _ = writeln!(out, "  {effect} {}  {}:{}{rests}", named.id, named.file, named.line);
        let _ = writeln!(out, "    “{}”", policy.policy.doc);
        alike.iter().for_each(|policy| policy.write_shown(out));
        policy.write_conditions(out);
    }
}

impl PolicyPart {
    fn write_shown(&self, out: &mut String) {
        let fields = self.fields.join(", ");
        let _ = match (&self.shown, &self.agreement) {
            (Some(shown), Some(agreement)) => {
                writeln!(out, "    shows {fields}: {shown}, under the agreement “{agreement}”")
            }
            (Some(shown), None) => writeln!(out, "    shows {fields}: {shown}"),
            _ if self.fields.len() > 1 => writeln!(out, "    for {fields}"),
            _ => Ok(()),
        };
    }

    fn write_conditions(&self, out: &mut String) {
        for condition in &self.conditions {
            let sign = match condition.holds {
                Some(true) => "yes ",
                Some(false) => "no  ",
                None => "if  ",
            };
            let values: Vec<String> = condition
                .values
                .iter()
                .map(|told| match &told.value {
                    Some(value) => format!("{} is {value}", told.path),
                    None => format!("{} is not set", told.path),
                })
                .collect();
            let values = if values.is_empty() { String::new() } else { format!("   ({})", values.join(", ")) };
            let _ = writeln!(out, "      {sign}{}{values}", condition.text);
        }
    }
}

impl AgreementPart {
    fn write(&self, out: &mut String) {
        let until = self.until.map_or_else(|| "without an end".to_string(), |until| format!("until {}", day(until)));
        let state = match &self.obstacle {
            None => "in force".to_string(),
            Some(why) => format!("not in force, {why}"),
        };
        let _ = writeln!(out, "  “{}”, {} from {}, {until}: {state}", self.title, self.status, day(self.from));
        for scope in &self.scopes {
            let covers = match (scope.covers, scope.in_force && self.in_force) {
                (Some(true), true) => "covers this row",
                (Some(true), false) => "would cover this row",
                _ if scope.in_force => "scope",
                _ => "scope not in force",
            };
            let _ = writeln!(out, "    {covers}: {}", scope.text);
        }
        if self.covers == Some(false) && !self.scopes.iter().any(|s| s.covers == Some(true)) {
            let _ = writeln!(out, "    none of its {} scopes covers this row", self.other_scopes);
        }
        if !self.fields.is_empty() {
            let told: Vec<String> = self.fields.iter().map(|f| format!("{} {}", f.field, f.shown)).collect();
            let _ = writeln!(out, "    shows {}", told.join(", "));
        }
    }
}
