//! What one policy set lets a seat write, take along or open, and another does not, in rows that it sees.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use serde::Serialize;

use crate::{
    access::{
        compile::{Glass, let_out, one_type},
        facts::Facts,
        pred::{Pred, and, not},
        probe::Probe,
        roster::Seat,
        view::TypeView,
    },
    catalogue::Type,
    error::Result,
    policy::{Refusal, Rules, deed::full},
};

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteDiff {
    /// `create`, `delete`, `qty:write`, `export` or `phone:open`
    pub action: String,
    /// Whether it is permitted in any row at all.
    pub was: bool,
    pub is: bool,
    pub rows_gained: i64,
    pub rows_lost: i64,
    /// What is created is in no row yet: another condition may let more through.
    pub may_gain: bool,
}

impl WriteDiff {
    pub fn gains(&self) -> bool {
        self.rows_gained > 0 || self.may_gain || (self.is && !self.was)
    }

    pub fn write(&self, out: &mut String) {
        let sign = if self.gains() { '+' } else { '-' };
        let mut told = match (self.was, self.is) {
            (false, true) => vec!["is permitted now".to_owned()],
            (true, false) => vec!["is permitted no more".to_owned()],
            _ => vec!["is permitted otherwise".to_owned()],
        };
        for (sign, rows) in [("+", self.rows_gained), ("-", self.rows_lost)] {
            if rows > 0 {
                told.push(format!("in {sign}{rows} rows"));
            }
        }
        let _ = writeln!(out, "    {sign} {}  {}", self.action, told.join(", "));
    }
}

pub async fn compare(probe: &Probe, ty: &Type, old: &TypeView, new: &TypeView) -> Result<Vec<WriteDiff>> {
    let whole = [
        ("create".to_owned(), &old.writes.create, &new.writes.create),
        ("delete".to_owned(), &old.writes.delete, &new.writes.delete),
    ];
    let fields =
        ty.writable().map(|(i, f)| (format!("{}:write", f.name), &old.writes.fields[i], &new.writes.fields[i]));
    let mut out = Vec::new();
    // fields that are permitted alike on both sides are counted once
    let mut counted = HashMap::<(&Pred, &Pred), (i64, i64)>::new();
    for (action, was, is) in whole.into_iter().chain(fields) {
        if was == is {
            continue;
        }
        let creates = action == "create";
        let (gained, lost) = match counted.get(&(&**was, &**is)) {
            Some(counts) => *counts,
            None if creates => (0, 0),
            None => {
                let (before, after) = (and([old.row.clone(), was.clone()]), and([new.row.clone(), is.clone()]));
                let counts = (probe.beyond(ty, &after, &before).await?, probe.beyond(ty, &before, &after).await?);
                counted.insert((was, is), counts);
                counts
            }
        };
        let (was, is) = (!was.is_never(), !is.is_never());
        if gained > 0 || lost > 0 || was != is || creates {
            let may_gain = creates && is;
            out.push(WriteDiff { action, was, is, rows_gained: gained, rows_lost: lost, may_gain });
        }
    }
    Ok(out)
}

/// What a policy set lets a seat do beside reading and writing.
#[derive(PartialEq)]
pub struct Beside {
    export: Arc<Pred>,
    /// By field, if some may be opened by either set: where it is shown in full or could be, and where only by a look.
    looks: Vec<(Arc<Pred>, Arc<Pred>)>,
}

impl Beside {
    pub fn of(
        rules: &Rules,
        seat: &Seat,
        facts: &Facts,
        ty: &Type,
        opened: bool,
    ) -> std::result::Result<Self, Refusal> {
        let export = let_out(rules, seat, facts, ty.id)?;
        if !opened {
            return Ok(Beside { export, looks: Vec::new() });
        }
        let whole = one_type(rules, seat, facts, ty.id, Glass::Whole)?;
        let broken = one_type(rules, seat, facts, ty.id, Glass::Broken)?;
        let looks = (0..ty.fields.len()).map(|field| {
            let could = and([broken.row.clone(), full(&broken, field)]);
            let only = and([whole.row.clone(), could.clone(), not(full(&whole, field))]);
            (could, only)
        });
        Ok(Beside { export, looks: looks.collect() })
    }

    pub fn conditions(&self) -> impl Iterator<Item = &Arc<Pred>> {
        std::iter::once(&self.export).chain(self.looks.iter().flat_map(|(could, only)| [could, only]))
    }
}

/// Whether policies speak of looks at fields of the type.
pub fn opens(rules: &Rules, ty: &Type) -> bool {
    rules.classes[ty.id.0].iter().flat_map(|class| &class.rules).any(|rule| rule.glass)
}

/// What is shown by one set is nothing to be opened by the other: that is told of reading.
pub async fn beside(
    probe: &Probe,
    ty: &Type,
    (old, seen): (&Beside, &TypeView),
    (new, sees): (&Beside, &TypeView),
) -> Result<Vec<WriteDiff>> {
    let mut out = Vec::new();
    let mut tell = |action: String, was: bool, is: bool, (rows_gained, rows_lost): (i64, i64)| {
        if rows_gained > 0 || rows_lost > 0 {
            out.push(WriteDiff { action, was, is, rows_gained, rows_lost, may_gain: false });
        }
    };
    if old.export != new.export {
        let before = and([seen.row.clone(), old.export.clone()]);
        let after = and([sees.row.clone(), new.export.clone()]);
        let counts = (probe.beyond(ty, &after, &before).await?, probe.beyond(ty, &before, &after).await?);
        tell("export".into(), !before.is_never(), !after.is_never(), counts);
    }
    for (field, (was, is)) in ty.fields.iter().zip(old.looks.iter().zip(&new.looks)).skip(1) {
        let ((could, opened), (can, opens)) = (was, is);
        if was != is && !(opened.is_never() && opens.is_never()) {
            let counts = (probe.beyond(ty, opens, could).await?, probe.beyond(ty, opened, can).await?);
            tell(format!("{}:open", field.name), !opened.is_never(), !opens.is_never(), counts);
        }
    }
    Ok(out)
}
