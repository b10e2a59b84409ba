//! The answers about what may be done to rows, beside reading them. What is refused may be so for what the deed needs to
//! read: that is told too.

use super::{Case, verdict::Verdict};
use crate::{
    access::{Treatment, pred::Pred},
    error::Result,
    policy::deed::{Deed, May},
};

impl Case<'_> {
    /// The fields whose reading is part of the answer.
    pub(super) fn reading(&self) -> Vec<usize> {
        let unseen = if self.q.row.is_some() { self.read.is_none() } else { self.seen.row.is_never() };
        match self.q.to {
            _ if unseen => self.fields.clone(),
            Deed::Update => self.q.field.into_iter().collect(),
            Deed::Open => self.fields.iter().copied().filter(|field| self.is_full(*field)).collect(),
            _ => self.lacking(),
        }
    }

    /// What must be read in full, and is not.
    fn lacking(&self) -> Vec<usize> {
        self.q.to.needs(self.q.ty, self.q.field).into_iter().filter(|field| !self.is_full(*field)).collect()
    }

    fn is_full(&self, field: usize) -> bool {
        match (self.q.row, &self.read) {
            (Some(_), None) => false,
            (Some(_), Some(read)) => read[field] == Some(Treatment::Full),
            (None, _) => self.seen.fields[field].levels.iter().any(|(_, shown)| *shown == Treatment::Full),
        }
    }

    /// Whether reading lets the deed be done to the row, or to this field of it.
    pub(super) fn is_readable(&self, field: usize) -> bool {
        match self.q.to {
            Deed::Read => true,
            Deed::Open => self.read.is_some() && !self.is_full(field),
            Deed::Update => self.is_full(field),
            Deed::Create | Deed::Delete | Deed::Manage | Deed::Export => {
                self.read.is_some() && self.lacking().is_empty()
            }
        }
    }

    pub(super) fn done_to_row(&self, label: &str, decides: &[bool]) -> Verdict {
        let (seat, to, ty) = (self.q.name, self.q.to, self.q.ty);
        let may = self.view.may(&self.fields, self.read.as_ref(), self.shown.as_ref());
        let of = match (to, self.q.field) {
            (Deed::Create, _) => format!("a {} such as `{label}`", ty.name),
            (_, Some(_)) => format!("{} of `{label}`", self.what()),
            (_, None) => format!("the {} `{label}`", ty.name),
        };
        if may != May::Yes {
            let not = to.active().replacen("may", "may not", 1);
            return (format!("{seat} {not} {of}, {}", self.why_not_done(may, decides)), may.word().into());
        }
        let law = if self.by_law(decides) { " by law, which stands above every forbid" } else { "" };
        let done = self.fields.iter().filter(|field| self.shown.as_ref().is_some_and(|shown| shown[**field].is_some()));
        let done: Vec<&str> = done.map(|field| ty.fields[*field].name.as_str()).collect();
        let what = match (to, self.q.field) {
            (Deed::Update, None) => format!("{} of {of}", super::listed(&done)),
            _ => of,
        };
        (format!("{seat} {} {what}{law}: {}", to.active(), self.granted(decides)), may.word().into())
    }

    pub(super) async fn done_to_type(&self, decides: &[bool]) -> Result<Verdict> {
        let (seat, to, ty, what) = (self.q.name, self.q.to, self.q.ty, self.what());
        let fields = self.fields.iter().filter(|field| !self.view.fields[**field].is_hidden()).count();
        if fields == 0 || self.view.row.is_never() {
            let why = self.why_not_done(May::Never, decides);
            return Ok((format!("{seat} {} {what} in no row, {why}", to.active()), May::Never.word().into()));
        }
        let granted = self.granted(decides);
        let text = if to == Deed::Create {
            format!("{seat} may create rows of {what}, such as {granted} says")
        } else {
            let (rows, mine) = (self.rows(&self.view).await?, self.probe.count(ty, &self.seen.row).await?);
            let all = self.probe.count(ty, &Pred::Const(true)).await?;
            let what = match (to, self.q.field) {
                (Deed::Update, None) => format!("{fields} of the {} fields of {what}", ty.fields.len() - 1),
                _ => what,
            };
            format!("{seat} {} {what} in {rows} of the {mine} rows that it sees, {all} in all: {granted}", to.active())
        };
        Ok((text, May::Yes.word().into()))
    }

    fn why_not_done(&self, may: May, decides: &[bool]) -> String {
        let (to, lacking) = (self.q.to, self.lacking());
        let unread = || {
            let names: Vec<&str> = lacking.iter().map(|field| self.q.ty.fields[*field].name.as_str()).collect();
            format!("because it does not read {} in full", super::listed(&names))
        };
        let granted = self
            .entries
            .iter()
            .any(|e| e.to == to && !e.part.forbids() && e.held().unwrap_or(!e.part.condition.is_never()));
        let barred = self.entries.iter().zip(decides).any(|(e, decides)| e.to == to && e.part.forbids() && *decides);
        match to {
            _ if may == May::Absent => {
                let why = self.why_not(decides, Deed::Read);
                format!("because it does not see that there is such a row: {}", why.trim_start_matches("because "))
            }
            Deed::Open if self.q.row.is_some() && self.fields.iter().any(|field| self.is_full(*field)) => {
                "because it is shown anyway".into()
            }
            _ if granted && !(barred && self.q.row.is_some()) && !lacking.is_empty() => unread(),
            _ => self.why_not(decides, to),
        }
    }
}
