//! The access matrix: for each field what every seat sees of it, read off the compiled views.

use std::fmt::Write;

use crate::{
    access::{
        Gate, Treatment, View,
        roster::{SeatName, TakenSeat},
        view::FieldView,
    },
    catalogue::{CATALOGUE, Type},
    error::Result,
};
use entities::Instant;

pub struct Matrix {
    seats: Vec<SeatName>,
    types: Vec<(&'static Type, Vec<Vec<String>>)>,
}

impl Matrix {
    /// Of all types, or of one.
    pub async fn of(gate: &Gate, seats: &[TakenSeat], only: Option<&Type>, now: Instant) -> Result<Self> {
        let mut views = Vec::with_capacity(seats.len());
        for taken in seats {
            views.push(gate.seat_view(&taken.seat, now).await?);
        }
        let types = CATALOGUE.types.iter().filter(|t| only.is_none_or(|o| o.id == t.id));
        let types = types.map(|ty| {
            let row = |field: usize| views.iter().map(|view| shown(view, ty, field)).collect();
            (ty, (0..ty.fields.len()).map(row).collect())
        });
        Ok(Matrix { seats: seats.iter().map(|s| s.name.clone()).collect(), types: types.collect() })
    }

    /// A table for each type: a row for each field, a column for each seat.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (i, seat) in self.seats.iter().enumerate() {
            let _ = writeln!(out, "{:>3}  {seat}", i + 1);
        }
        out.push_str("\nfull: in every row of the seat's view; if: depends on the row; prefix, email_mask, band, pseudonym: how it is treated; aggregate_only: in sums, no rows; -: unknown to the seat\n");
        for (ty, rows) in &self.types {
            let name = ty.fields.iter().map(|f| f.name.len()).max().unwrap_or(0).max(ty.name.len());
            let width = rows.iter().flatten().map(String::len).max().unwrap_or(0).max(3);
            let _ = write!(out, "\n{:<name$} class", ty.name);
            for i in 1..=self.seats.len() {
                let _ = write!(out, "  {i:<width$}");
            }
            for (field, cells) in ty.fields.iter().zip(rows) {
                let class = format!("{:?}", field.class).to_uppercase();
                let _ = write!(out, "\n{:<name$} {class:<5}", field.name);
                for cell in cells {
                    let _ = write!(out, "  {cell:<width$}");
                }
                out.truncate(out.trim_end().len());
            }
            out.push('\n');
        }
        out
    }
}

fn shown(view: &View, ty: &Type, field: usize) -> String {
    if let Some(guard) = &view.of(ty.id).guard
        && guard.shape.measures.contains(&field)
    {
        return Treatment::Aggregate(guard.threshold()).to_string();
    }
    if !view.sees(ty.id, field) {
        return "-".into();
    }
    if field == 0 {
        return "full".into();
    }
    level(&view.of(ty.id).fields[field])
}

fn level(field: &FieldView) -> String {
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
    words.join(", ")
}
