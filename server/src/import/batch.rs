//! The middle of a batch: references are found, looked-up fields fetched, what the row leaves out filled
//! in, and new rows parted from known ones.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    cell,
    feed::{Draft, Feed, Slot},
    keys::Wanted,
    plan::{Origin, Plan},
    problems::{Problem, quoted},
};
use crate::{
    catalogue::{CATALOGUE, TypeId, Value},
    error::Result,
};

/// Rows to write, each with the place of its draft.
pub(super) struct Rows<R> {
    pub(super) rows: Vec<R>,
    pub(super) of: Vec<(usize, Uuid)>,
}

impl<R> Rows<R> {
    fn push(&mut self, draft: usize, id: Uuid, row: R) {
        self.rows.push(row);
        self.of.push((draft, id));
    }
}

pub(super) struct Batch {
    pub(super) new: Rows<Vec<Value>>,
    pub(super) changed: Rows<(Uuid, Vec<Value>)>,
}

/// What a row brings, by field.
type Values = Vec<Option<Value>>;

/// Fields of rows that this batch takes values from, by cell and key.
type Fetched = HashMap<(usize, Uuid), Value>;

impl Feed<'_> {
    pub(super) async fn batch(&mut self, plan: &Plan, drafts: &[Draft], problems: &mut Vec<Problem>) -> Result<Batch> {
        let keys: Vec<String> = drafts.iter().filter_map(|draft| draft.key.clone()).collect();
        let known = if keys.is_empty() { HashMap::new() } else { self.load.keyed(plan.ty, self.source, &keys).await? };
        self.find(drafts).await?;
        let fetched = self.fetch(plan, drafts).await?;
        let kept =
            if self.update { self.inputs(plan, known.values().copied().collect()).await? } else { HashMap::new() };

        let (columns, changing) = (plan.columns(), plan.changing());
        let mut batch = Batch {
            new: Rows { rows: Vec::new(), of: Vec::new() },
            changed: Rows { rows: Vec::new(), of: Vec::new() },
        };
        // keys of this batch: rows may point at rows above them
        let mut own: HashMap<&str, Uuid> = HashMap::new();
        for (at, draft) in drafts.iter().enumerate() {
            let faults = problems.len();
            let old = draft.key.as_ref().and_then(|key| known.get(key)).copied();
            if let Some(key) = &draft.key {
                if own.contains_key(key.as_str()) {
                    problems.push(Problem::row(draft.line, format!("key `{}` is in the file twice", quoted(key))));
                } else if old.is_some() && !self.update {
                    let text = format!(
                        "key `{}` of source `{}` was imported before, use --update to change its row",
                        quoted(key),
                        self.source
                    );
                    problems.push(Problem::row(draft.line, text));
                }
            }
            let values = self.values(plan, draft, &own, &fetched, problems);
            if problems.len() > faults {
                continue;
            }
            let given = match values[0] {
                Some(Value::Id(id)) => Some(id),
                _ => None,
            };
            let id = old.or(given).unwrap_or_else(|| self.clock.id());
            if let Some(key) = &draft.key {
                own.insert(key, id);
            }
            let filled = |field: usize| self.filled(plan, &values, &kept, id, field);
            if old.is_some() {
                batch.changed.push(at, id, (id, changing.iter().map(|field| filled(*field)).collect()));
            } else {
                batch.new.push(at, id, columns.iter().map(|field| filled(*field)).collect());
            }
        }
        Ok(batch)
    }

    /// What the batch points at.
    async fn find(&mut self, drafts: &[Draft]) -> Result<()> {
        let mut wanted = Wanted::default();
        for draft in drafts {
            for slot in &draft.slots {
                if let Slot::Key(ty, key) | Slot::Via(ty, key) = slot {
                    wanted.add(*ty, key);
                }
            }
        }
        self.keys.find(self.load, self.source, wanted).await
    }

    async fn fetch(&mut self, plan: &Plan, drafts: &[Draft]) -> Result<Fetched> {
        let mut fetched = HashMap::new();
        for (at, cell) in plan.cells.iter().enumerate() {
            let Origin::Via { ty, field, .. } = &cell.origin else { continue };
            let key = |draft: &Draft| match &draft.slots[at] {
                Slot::Via(ty, key) => self.keys.get(*ty, key),
                _ => None,
            };
            let mut ids: Vec<Uuid> = drafts.iter().filter_map(key).collect();
            ids.sort_unstable();
            ids.dedup();
            let values = self.load.values(ty, *field, &ids).await?;
            fetched.extend(values.into_iter().map(|(id, value)| ((at, id), value)));
        }
        Ok(fetched)
    }

    /// What a derived value reads of rows that are changed, so far as the file does not bring it.
    async fn inputs(&mut self, plan: &Plan, ids: Vec<Uuid>) -> Result<HashMap<(usize, Uuid), Value>> {
        let mut kept = HashMap::new();
        let Some(derived) = &plan.derived else { return Ok(kept) };
        for field in derived.inputs.into_iter().filter(|field| !plan.brings(*field)) {
            let values = self.load.values(plan.ty, field, &ids).await?;
            kept.extend(values.into_iter().map(|(id, value)| ((field, id), value)));
        }
        Ok(kept)
    }

    /// The values that the row brings, by field.
    fn values(
        &self,
        plan: &Plan,
        draft: &Draft,
        own: &HashMap<&str, Uuid>,
        fetched: &Fetched,
        problems: &mut Vec<Problem>,
    ) -> Values {
        let find = |ty: TypeId, key: &str| {
            let above = if ty == plan.ty.id { own.get(key).copied() } else { None };
            above.or_else(|| self.keys.get(ty, key))
        };
        let mut values = vec![None; plan.ty.fields.len()];
        for (at, (cell, slot)) in plan.cells.iter().zip(&draft.slots).enumerate() {
            let field = &plan.ty.fields[cell.field];
            let value = match slot {
                Slot::Ready(value) => Ok(value.clone()),
                Slot::Key(ty, key) => find(*ty, key).map(Value::Id).ok_or_else(|| (key, self.unknown(*ty))),
                Slot::Via(ty, key) => match find(*ty, key) {
                    Some(id) => {
                        let value = fetched.get(&(at, id)).cloned().unwrap_or(Value::Null);
                        cell::convert(field, value).map_err(|expected| (key, expected))
                    }
                    None => Err((key, self.unknown(*ty))),
                },
            };
            match value {
                Ok(Value::Null) if !field.optional && !plan.fills(cell.field) => {
                    problems.push(Problem::empty(draft.line, &cell.label));
                }
                Ok(value) => values[cell.field] = Some(value),
                Err((key, expected)) => problems.push(Problem::value(draft.line, &cell.label, key, &expected)),
            }
        }
        values
    }

    /// The value of a field, brought by the row or filled in.
    fn filled(
        &self,
        plan: &Plan,
        values: &Values,
        kept: &HashMap<(usize, Uuid), Value>,
        id: Uuid,
        field: usize,
    ) -> Value {
        if field == 0 {
            return Value::Id(id);
        }
        if let Some(value) = values[field].as_ref().filter(|value| !value.is_null()) {
            return value.clone();
        }
        if plan.stamps.contains(&field) {
            return Value::Instant(self.now);
        }
        let derived = plan.derived.as_ref().filter(|derived| derived.target == field);
        let input = |field: usize| values[field].as_ref().or_else(|| kept.get(&(field, id))).cloned();
        derived.and_then(|derived| derived.value(input)).unwrap_or(Value::Null)
    }

    fn unknown(&self, ty: TypeId) -> String {
        format!("the key of a `{}` that was imported from source `{}`, or its id", CATALOGUE.ty(ty).name, self.source)
    }
}
