//! What one policy set lets a seat write and another does not, in rows that it sees.

use std::{collections::HashMap, fmt::Write};

use serde::Serialize;

use crate::{
    access::{
        pred::{Pred, and},
        probe::Probe,
        view::TypeView,
    },
    catalogue::Type,
    error::Result,
};

#[derive(Debug, PartialEq, Serialize)]
pub struct WriteDiff {
    /// `create`, `delete`, `manage` or `qty:write`
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
        ("manage".to_owned(), &old.writes.manage, &new.writes.manage),
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
