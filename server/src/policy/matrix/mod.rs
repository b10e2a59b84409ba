//! The access matrix: for each field what every seat sees of it and which policies say so, read off the
//! compiled views and their traces; and what it may write.

mod html;

use std::fmt::Write;

use clap::ValueEnum;
use entities::Instant;
use serde_json::{Value as Json, json};

use super::Rules;
use crate::{
    access::{
        Treatment, View,
        compile::{Glass, traced},
        connect::Db,
        facts::Facts,
        roster::{SeatName, TakenSeat},
        trace::{Act, Part, Trace},
        view::FieldView,
    },
    catalogue::{CATALOGUE, Field, Type},
    error::{Error, Result},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Markdown,
    /// One file that needs no other, to be opened in a browser
    Html,
}

pub struct Matrix {
    seats: Vec<SeatName>,
    types: Vec<(&'static Type, Vec<Vec<Cell>>)>,
    now: Instant,
}

/// What one seat sees of one field.
struct Cell {
    state: State,
    /// `full`, `if`, `prefix:2`
    word: String,
    /// `w`: changed in some rows, `o`: opened for an hour; of the key, `c` and `d`: rows are made and deleted.
    writes: String,
    permits: Vec<String>,
    forbids: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Full,
    Masked,
    Conditional,
    /// In no row, in guarded sums.
    Summed,
    Hidden,
}

impl Matrix {
    /// Of all types, or of one.
    pub async fn of(db: &Db, rules: &Rules, seats: &[TakenSeat], only: Option<&Type>, now: Instant) -> Result<Self> {
        let mut views = Vec::with_capacity(seats.len());
        for taken in seats {
            let facts = Facts::read(db, &taken.seat, now).await?;
            let traced = traced(rules, &taken.seat, &facts, Glass::Asked);
            views.push(traced.map_err(|why| Error::internal(format!("no view for {}: {why}", taken.name)))?);
        }
        let types = CATALOGUE.types.iter().filter(|t| only.is_none_or(|o| o.id == t.id));
        let types = types.map(|ty| {
            let row = |field: usize| views.iter().map(|(view, trace)| Cell::of(view, trace, ty, field)).collect();
            (ty, (0..ty.fields.len()).map(row).collect())
        });
        Ok(Matrix { seats: seats.iter().map(|s| s.name.clone()).collect(), types: types.collect(), now })
    }

    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Markdown => self.markdown(),
            Format::Html => self.html(),
        }
    }

    /// For whoever draws it.
    pub fn json(&self) -> Json {
        let cell = |(seat, cell): (&SeatName, &Cell)| {
            let state = match cell.state {
                State::Full => "full",
                State::Masked => "treated",
                State::Conditional => "conditional",
                State::Summed => "summed",
                State::Hidden => "hidden",
            };
            json!({
                "seat": seat.to_string(), "state": state, "shown": cell.word,
                "writes": cell.writes.trim_start_matches('+').chars().map(named).collect::<Vec<_>>(),
                "permits": cell.permits, "forbids": cell.forbids,
            })
        };
        let row = |(field, cells): (&Field, &Vec<Cell>)| {
            let cells: Vec<Json> = self.seats.iter().zip(cells).map(cell).collect();
            json!({ "field": field.name, "class": class(field), "cells": cells })
        };
        let of = |(ty, rows): &(&Type, Vec<Vec<Cell>>)| {
            let fields: Vec<Json> = ty.fields.iter().zip(rows).map(row).collect();
            json!({ "type": ty.name, "fields": fields })
        };
        let seats: Vec<String> = self.seats.iter().map(ToString::to_string).collect();
        json!({ "at": self.now, "seats": seats, "types": self.types.iter().map(of).collect::<Vec<_>>() })
    }

    /// A table for each type: a row for each field, a column for each seat.
    fn text(&self) -> String {
        let mut out = String::new();
        for (i, seat) in self.seats.iter().enumerate() {
            let _ = writeln!(out, "{:>3}  {seat}", i + 1);
        }
        out.push_str("\nfull: in every row of the seat's view; if: depends on the row; prefix, email_mask, band, pseudonym: how it is treated; aggregate_only: in guarded sums, in no row; -: unknown to the seat\n+w: may be changed in some rows; +o: may be opened for an hour (break-glass); +c, +d at the key: rows may be made, deleted\n");
        for (ty, rows) in &self.types {
            let name = ty.fields.iter().map(|f| f.name.len()).max().unwrap_or(0).max(ty.name.len());
            let width = rows.iter().flatten().map(|cell| cell.text().len()).max().unwrap_or(0).max(3);
            let _ = write!(out, "\n{:<name$} class", ty.name);
            for i in 1..=self.seats.len() {
                let _ = write!(out, "  {i:<width$}");
            }
            for (field, cells) in ty.fields.iter().zip(rows) {
                let _ = write!(out, "\n{:<name$} {:<5}", field.name, class(field));
                for cell in cells {
                    let _ = write!(out, "  {:<width$}", cell.text());
                }
                out.truncate(out.trim_end().len());
            }
            out.push('\n');
        }
        out
    }

    fn markdown(&self) -> String {
        let mut out = String::from("# Access matrix\n\n");
        for (i, seat) in self.seats.iter().enumerate() {
            let _ = writeln!(out, "{}. `{seat}`", i + 1);
        }
        out.push_str("\n● in full · ◐ treated · ◇ depends on the row · Σ in guarded sums, in no row · blank: unknown to the seat · +w may be changed in some rows · +o may be opened for an hour · +c +d rows may be made, deleted\n");
        for (ty, rows) in &self.types {
            let columns: String = (1..=self.seats.len()).map(|i| format!(" {i} |")).collect();
            let _ = write!(
                out,
                "\n## {}\n\n| field | class |{columns}\n|---|---|{}",
                ty.name,
                ":-:|".repeat(self.seats.len())
            );
            for (field, cells) in ty.fields.iter().zip(rows) {
                let cells: String = cells.iter().map(|cell| format!(" {} |", cell.marked())).collect();
                let _ = write!(out, "\n| {} | {} |{cells}", field.name, class(field));
            }
            out.push('\n');
        }
        out
    }
}

impl Cell {
    fn of(view: &View, trace: &Trace, ty: &Type, field: usize) -> Self {
        let (state, word) = match view.of(ty.id).guarding(field) {
            Some(guard) => (State::Summed, guard.treatment().to_string()),
            None if !view.sees(ty.id, field) => (State::Hidden, "-".into()),
            None if field == 0 => (State::Full, "full".into()),
            None => level(&view.of(ty.id).fields[field]),
        };
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        let parts = trace.of(ty.id, Act::Read(field));
        for part in parts.into_iter().flat_map(|parts| parts.permits.iter().chain(parts.legal.iter())) {
            if (part.shown.is_some() || part.rule.legal) && !part.condition.is_never() {
                note(&mut permits, part);
            }
        }
        for part in parts.into_iter().flat_map(|parts| parts.forbids.iter()) {
            let matters = if state == State::Hidden { part.condition.is_always() } else { !part.condition.is_never() };
            if matters {
                note(&mut forbids, part);
            }
        }
        permits.sort_unstable();
        forbids.sort_unstable();
        Cell { state, word, writes: writes(view, ty, field), permits, forbids }
    }

    fn text(&self) -> String {
        if self.writes.is_empty() { self.word.clone() } else { format!("{} {}", self.word, self.writes) }
    }

    /// A mark beside the word, for who cannot tell colours apart.
    fn marked(&self) -> String {
        let mark = match self.state {
            State::Full => "●".into(),
            State::Masked => format!("◐ {}", self.word),
            State::Conditional => "◇".into(),
            State::Summed => format!("Σ {}", self.word),
            State::Hidden => String::new(),
        };
        if self.writes.is_empty() { mark } else { format!("{mark} {}", self.writes) }
    }
}

fn writes(view: &View, ty: &Type, field: usize) -> String {
    let writable = view.class.writable(ty.id);
    let marks = match field {
        0 => [("c", !writable.create.is_empty()), ("d", writable.delete)].to_vec(),
        _ => vec![("w", writable.update.contains(&field)), ("o", view.of(ty.id).looks.contains(&field))],
    };
    let marks: String = marks.into_iter().filter_map(|(mark, may)| may.then_some(mark)).collect();
    if marks.is_empty() { marks } else { format!("+{marks}") }
}

/// What a mark stands for.
fn named(mark: char) -> &'static str {
    match mark {
        'c' => "create",
        'd' => "delete",
        'o' => "open",
        _ => "update",
    }
}

fn note(ids: &mut Vec<String>, part: &Part) {
    if !ids.contains(&part.rule.id) {
        ids.push(part.rule.id.clone());
    }
}

fn class(field: &Field) -> String {
    format!("{:?}", field.class).to_uppercase()
}

fn level(field: &FieldView) -> (State, String) {
    let mut words: Vec<String> = Vec::new();
    for (p, shown) in &field.levels {
        let word = match (p.is_always(), shown) {
            (true, shown) => shown.to_string(),
            (false, Treatment::Full) => "if".into(),
            (false, shown) => format!("if {shown}"),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let state = if field.levels.iter().any(|(_, shown)| *shown != Treatment::Full) {
        State::Masked
    } else if field.levels.last().is_some_and(|(p, _)| p.is_always()) {
        State::Full
    } else {
        State::Conditional
    };
    (state, words.join(", "))
}
