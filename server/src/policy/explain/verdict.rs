//! The answer in one sentence, and the rules that settle it.

use super::{Case, Entry, listed};
use crate::{
    access::{Treatment, guard::Guard, pred::Pred},
    error::Result,
    policy::deed::Deed,
};

/// A sentence, and the word for it.
pub(super) type Verdict = (String, String);

impl Case<'_> {
    /// Which entries decide, and the answer.
    pub(super) async fn verdict(&self) -> Result<(Vec<bool>, Verdict)> {
        let decides: Vec<bool> = self.entries.iter().map(|entry| self.decides(entry)).collect();
        let label = match self.q.row {
            Some(key) => Some(self.probe.label(self.q.ty, key).await?),
            None => None,
        };
        let verdict = match (label, self.q.to) {
            (Some(label), Deed::Read) => self.of_row(&label, &decides),
            (Some(label), _) => self.done_to_row(&label, &decides),
            (None, Deed::Read) => self.of_type(&decides).await?,
            (None, _) => self.done_to_type(&decides).await?,
        };
        Ok((decides, verdict))
    }

    pub(super) fn what(&self) -> String {
        match self.q.field {
            Some(field) => format!("{}.{}", self.q.ty.name, self.q.ty.fields[field].name),
            None => self.q.ty.name.to_string(),
        }
    }

    /// What grants it, of what decides.
    pub(super) fn granted(&self, decides: &[bool]) -> String {
        let mut all: Vec<&str> = Vec::new();
        for (entry, _) in self.entries.iter().zip(decides).filter(|(e, decides)| **decides && !e.part.forbids()) {
            if entry.to != self.q.to {
                continue;
            }
            if !all.contains(&entry.part.rule.id.as_str()) {
                all.push(&entry.part.rule.id);
            }
        }
        listed(&all)
    }

    pub(super) fn by_law(&self, decides: &[bool]) -> bool {
        let mine = |e: &Entry| e.to == self.q.to && e.part.rule.legal;
        self.entries.iter().zip(decides).any(|(e, decides)| *decides && mine(e))
    }

    fn of_row(&self, label: &str, decides: &[bool]) -> Verdict {
        let (seat, what, granted) = (self.q.name, self.what(), self.granted(decides));
        if self.is_hidden() {
            let why = self.why_not(decides, Deed::Read);
            return match &self.shown {
                Some(_) => (format!("{seat} does not see {what} of `{label}`, {why}"), "hidden".into()),
                None if self.q.field.is_none() => {
                    (format!("{seat} does not see the {what} `{label}`, {why}"), "absent".into())
                }
                None => (
                    format!("{seat} does not see {what} of `{label}`, nor that there is such a row: {why}"),
                    "absent".into(),
                ),
            };
        }
        let law = if self.by_law(decides) { " by law, which stands above every forbid" } else { "" };
        let shown = self.shown.iter().flatten();
        let Some(field) = self.q.field else {
            let (seen, of) = (shown.flatten().count(), self.q.ty.fields.len() - 1);
            return (
                format!("{seat} sees the {what} `{label}`, {seen} of its {of} fields{law}: {granted}"),
                "seen".into(),
            );
        };
        let how = shown.copied().nth(field).flatten().unwrap_or(Treatment::Full);
        let said = self.entries.iter().zip(decides).find(|(e, decides)| **decides && e.part.agreement.is_some());
        let title = said.and_then(|(e, _)| self.title(e.part.agreement?));
        let because = title.map_or_else(String::new, |title| format!(", as the agreement “{title}” says"));
        let text = if how == Treatment::Full { "in full".to_string() } else { format!("as {how}") };
        (format!("{seat} sees {what} of `{label}` {text}{because}{law}: {granted}"), how.to_string())
    }

    async fn of_type(&self, decides: &[bool]) -> Result<Verdict> {
        let (seat, what, ty) = (self.q.name, self.what(), self.q.ty);
        let seen = self.fields.iter().filter(|field| !self.view.fields[**field].is_hidden()).count();
        let summed: Vec<&Guard> = self.fields.iter().filter_map(|field| self.view.guarding(*field)).collect();
        if let Some(guard) = summed.first() {
            return self.of_sums(guard, &self.granted(decides)).await;
        }
        if seen == 0 {
            return Ok((
                format!("{what} is unknown to {seat}, {}", self.why_not(decides, Deed::Read)),
                "unknown".into(),
            ));
        }
        let (rows, all) = (self.rows(&self.view).await?, self.probe.count(ty, &Pred::Const(true)).await?);
        let Some(field) = self.q.field else {
            let of = ty.fields.len() - 1;
            let text = format!("{seat} sees {rows} of the {all} rows of {what}, and {seen} of its {of} fields");
            return Ok((text, "seen".into()));
        };
        let mine = self.probe.count(ty, &self.view.row).await?;
        let levels: Vec<String> = self.view.fields[field].levels.iter().map(|(_, shown)| shown.to_string()).collect();
        let text = format!(
            "{seat} sees {what} as {} in {rows} of the {mine} rows of {} that it sees, {all} in all: {}",
            levels.join(" or "),
            ty.name,
            self.granted(decides)
        );
        Ok((text, levels.join(", ")))
    }

    async fn of_sums(&self, guard: &Guard, granted: &str) -> Result<Verdict> {
        let (seat, what, ty) = (self.q.name, self.what(), self.q.ty);
        let (rows, all) = (self.probe.count(ty, guard.row()).await?, self.probe.count(ty, &Pred::Const(true)).await?);
        let text = format!(
            "{seat} sees no row of {}, but {what} in sums over {rows} of the {all} rows, as {} by {}: {granted}",
            ty.name,
            guard.treatment(),
            guard.shape.names()
        );
        Ok((text, guard.treatment().to_string()))
    }

    /// Nothing of what is asked for is shown in the row.
    fn is_hidden(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| self.fields.iter().all(|field| shown[*field].is_none()))
    }

    /// Of the row: what settles one of the fields. Without a row: what may.
    fn decides(&self, entry: &Entry) -> bool {
        let Some(held) = entry.held() else {
            return !entry.part.condition.is_never();
        };
        if !held {
            return false;
        }
        let over = |field: usize, test: &dyn Fn(&Entry) -> bool| {
            let mut alike = self.entries.iter().filter(|e| e.to == entry.to && e.fields.contains(&field));
            alike.any(|e| e.held() == Some(true) && test(e))
        };
        let shown = if entry.to == self.q.to { &self.shown } else { &self.read };
        entry.fields.iter().any(|&field| {
            let shown = shown.as_ref().and_then(|shown| shown[field]);
            match (entry.part.rule.legal, entry.part.forbids()) {
                (true, _) => true,
                // a forbid decides where something else would show the field
                (_, true) => shown.is_none() && over(field, &|e| !e.part.forbids() && e.part.shown.is_some()),
                _ if entry.part.shown.is_some_and(Treatment::is_in_sums) => shown.is_none(),
                _ => entry.part.shown.is_some() && entry.part.shown == shown && !over(field, &|e| e.part.rule.legal),
            }
        })
    }

    /// The end of a sentence that says no.
    pub(super) fn why_not(&self, decides: &[bool], to: Deed) -> String {
        let role = &self.q.seat.role;
        let permits: Vec<&Entry> = self.entries.iter().filter(|e| e.to == to && !e.part.forbids()).collect();
        let forbids = self.entries.iter().zip(decides).filter(|(e, d)| **d && e.to == to && e.part.forbids());
        let hit: Vec<&str> = forbids
            .filter(|(e, _)| self.q.row.is_some() || (to != Deed::Read && e.part.condition.is_always()))
            .map(|(e, _)| e.part.rule.id.as_str())
            .collect();
        if !hit.is_empty() {
            return format!("because {} forbids it", listed(&hit));
        }
        let in_sums = permits.iter().find(|e| {
            e.part.shown.is_some_and(Treatment::is_in_sums) && e.held() == Some(true) && self.view.guard.is_some()
        });
        if let Some(entry) = in_sums {
            return format!("because {} shows it in sums only", listed(&[&entry.part.rule.id]));
        }
        if permits.is_empty() {
            return format!("because no policy permits it to a {role} of this kind of organisation");
        }
        let unsaid: Vec<&&Entry> = permits.iter().filter(|e| e.part.shown.is_none() && !e.part.rule.legal).collect();
        let agreed = unsaid.iter().any(|e| e.held().unwrap_or(!e.part.condition.is_never()));
        if agreed {
            return "because no agreement in force that covers it says how to show it".into();
        }
        if unsaid.len() == permits.len() {
            return "because that is left to agreements, and none in force says how to show it".into();
        }
        let uncovered = permits.iter().any(|e| {
            let Some(holds) = &e.holds else { return false };
            let mut failing = e.pieces.iter().zip(holds).filter(|(_, holds)| !**holds).peekable();
            failing.peek().is_some() && failing.all(|(piece, _)| !piece.scopes.is_empty())
        });
        if uncovered {
            return "because no agreement in force covers it".into();
        }
        match self.q.row {
            Some(_) => "because no permit holds for this row".into(),
            None => "because no row can satisfy what permits it".into(),
        }
    }
}
