//! One type fed from one table: rows are read, checked and written in batches, so that memory does not
//! grow with the file. A batch asks the database once per type that it points at.

use std::collections::HashSet;

use entities::Instant;

use super::{
    batch::Batch,
    cell,
    keys::Keys,
    plan::{Origin, Plan},
    problems::{Problem, Problems, quoted},
    sheet::{Row, Sheet},
};
use crate::{
    access::load::{CHUNK, Load, Reason, Refusal},
    catalogue::{TypeId, Value},
    clock::Clock,
    error::Result,
    progress::Progress,
};

/// What all tables of one import share.
pub(super) struct Feed<'a> {
    pub(super) load: &'a mut Load,
    pub(super) clock: &'a Clock,
    pub(super) now: Instant,
    pub(super) source: &'a str,
    /// Rows whose key is known are changed; else they are refused.
    pub(super) update: bool,
    pub(super) keys: Keys,
    pub(super) problems: Problems,
    pub(super) progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) new: u64,
    pub(super) changed: u64,
}

/// A row whose cells are right by themselves.
pub(super) struct Draft {
    pub(super) line: u64,
    pub(super) key: Option<String>,
    /// In the order of [`Plan::cells`].
    pub(super) slots: Vec<Slot>,
}

pub(super) enum Slot {
    Ready(Value),
    /// A reference, as the file writes it.
    Key(TypeId, String),
    /// The key of a row of which a field is taken.
    Via(TypeId, String),
}

/// The last text of a field that counts, and the number that it got.
type Number = (Option<String>, i64);

impl Feed<'_> {
    pub(super) async fn table(&mut self, plan: &Plan, sheet: &mut Sheet) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut numbers: Vec<Number> = vec![(None, 0); plan.cells.len()];
        loop {
            let (mut drafts, mut problems, mut ended) = (Vec::new(), Vec::new(), true);
            while let Some(row) = sheet.next() {
                match row {
                    Err(bad) => problems.push(Problem::row(bad.line, bad.what)),
                    Ok(row) if plan.when.as_ref().is_some_and(|when| when.render(row).is_none()) => {}
                    Ok(row) => drafts.extend(draft(plan, row, &mut numbers, &mut problems)),
                }
                // faults count too: a file of nothing else must not fill the memory
                if drafts.len() + problems.len() >= CHUNK {
                    ended = false;
                    break;
                }
            }
            self.write(plan, &drafts, &mut problems, &mut counts).await?;
            self.problems.add(&sheet.name, problems);
            self.progress.add(sheet.advance());
            if ended {
                return Ok(counts);
            }
        }
    }

    async fn write(
        &mut self,
        plan: &Plan,
        drafts: &[Draft],
        problems: &mut Vec<Problem>,
        counts: &mut Counts,
    ) -> Result<()> {
        let Batch { new, changed } = self.batch(plan, drafts, problems).await?;

        let columns = plan.columns();
        let refusals = self.load.insert_each(plan.ty, &columns, &new.rows).await?;
        let refused: HashSet<usize> = refusals.iter().map(|refusal| refusal.row).collect();
        problems.extend(refusals.into_iter().map(|refusal| told(plan, &drafts[new.of[refusal.row].0], refusal)));
        let mut keys = Vec::new();
        for (_, (draft, id)) in new.of.iter().enumerate().filter(|(at, _)| !refused.contains(at)) {
            counts.new += 1;
            if let Some(key) = &drafts[*draft].key {
                self.keys.add(plan.ty.id, key.clone(), *id);
                keys.push((key.clone(), *id));
            }
        }
        self.load.register(plan.ty, self.source, &keys).await?;

        if !changed.rows.is_empty() {
            let refusals = self.load.update_each(plan.ty, &plan.changing(), &changed.rows).await?;
            counts.changed += (changed.rows.len() - refusals.len()) as u64;
            problems
                .extend(refusals.into_iter().map(|refusal| told(plan, &drafts[changed.of[refusal.row].0], refusal)));
        }
        Ok(())
    }
}

/// Reads one row; all its faults are noted, not only the first.
fn draft(plan: &Plan, row: Row<'_>, numbers: &mut [Number], problems: &mut Vec<Problem>) -> Option<Draft> {
    let faults = problems.len();
    let mut slots = Vec::with_capacity(plan.cells.len());
    for (cell, number) in plan.cells.iter().zip(numbers) {
        let field = &plan.ty.fields[cell.field];
        let text = match cell.origin.render(row) {
            Ok(text) => text,
            Err((text, expected)) => {
                problems.push(Problem::value(row.line, &cell.label, &text, &expected));
                continue;
            }
        };
        slots.push(match (text, &cell.origin) {
            (None, _) if field.optional || plan.fills(cell.field) => Slot::Ready(Value::Null),
            (None, _) => {
                problems.push(Problem::empty(row.line, &cell.label));
                continue;
            }
            (Some(key), Origin::Via { ty, .. }) => Slot::Via(ty.id, key.into_owned()),
            (Some(text), Origin::Number(_)) => {
                if number.0.as_deref() != Some(&*text) {
                    *number = (Some(text.into_owned()), 0);
                }
                number.1 += 1;
                Slot::Ready(Value::Int(number.1))
            }
            (Some(text), Origin::Text { .. }) => match field.to {
                Some(to) => Slot::Key(to, text.into_owned()),
                None => match cell::parse(field, &cell.form, &text) {
                    Ok(value) => Slot::Ready(value),
                    Err(expected) => {
                        problems.push(Problem::value(row.line, &cell.label, &text, &expected));
                        continue;
                    }
                },
            },
        });
    }
    let key = plan.key.as_ref().and_then(|key| key.render(row)).map(std::borrow::Cow::into_owned);
    match &key {
        None if plan.key.is_some() => problems.push(Problem::row(row.line, "the key is empty, each row needs its own")),
        Some(key) if key.contains('\0') => problems.push(Problem::row(row.line, "the key holds a zero byte")),
        _ => {}
    }
    (problems.len() == faults).then_some(Draft { line: row.line, key, slots })
}

/// Why the database refused a row, in the words of the file.
fn told(plan: &Plan, draft: &Draft, refusal: Refusal) -> Problem {
    let label = |column: &str| plan.cell_of(column).map_or(column.to_owned(), |(_, cell)| cell.label.clone());
    let text = |column: &str| {
        let slot = plan.cell_of(column).map(|(at, _)| &draft.slots[at]);
        slot.map_or_else(String::new, |slot| match slot {
            Slot::Key(_, text) | Slot::Via(_, text) => quoted(text),
            Slot::Ready(value) => quoted(&value.to_string()),
        })
    };
    match refusal.reason {
        Reason::Taken(columns) => {
            let labels: Vec<_> = columns.iter().map(|column| label(column)).collect();
            let texts: Vec<_> = columns.iter().map(|column| text(column)).collect();
            let text = format!("column `{}`: another row has `{}` already", labels.join("`, `"), texts.join("`, `"));
            Problem::row(draft.line, text)
        }
        Reason::Missing(column) => Problem::empty(draft.line, &label(&column)),
        Reason::Dangling(Some(column)) => {
            Problem::value(draft.line, &label(&column), &text(&column), "a row that exists")
        }
        reason @ (Reason::Dangling(None) | Reason::Other(_)) => Problem::row(draft.line, reason.to_string()),
    }
}
