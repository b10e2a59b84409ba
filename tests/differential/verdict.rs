//! What Cedar decided of a world, held against what a view gives: rows, fields, treatments and values, by its
//! statements, in every form in which the builder writes them, and in memory.

use entente::{
    access::{
        Gate, Treatment, View,
        read::{Arg, Cell, Rows},
        select::{Binding, RowRef, Select, Statement, day_of},
    },
    catalogue::{CATALOGUE, Field, Type, TypeId, Value},
};
use entities::{Decimal, Instant, meta::Kind};
use uuid::Uuid;

use super::{
    reference::{Asker, Court, SECRET, treated},
    world::{Record, World},
};

/// By type, row and field.
pub struct Verdict(pub Vec<Vec<Vec<Option<Treatment>>>>);

impl Verdict {
    pub fn of<'w>(court: &mut Court<'w>, world: &'w World) -> Self {
        let mut all = Vec::new();
        for ty in &CATALOGUE.types {
            let rows = world.all(ty.name).map(|row| {
                let mut fields = vec![None];
                fields.extend(ty.fields.iter().skip(1).map(|field| court.shown(row, field)));
                fields
            });
            all.push(rows.collect());
        }
        Verdict(all)
    }

    pub fn rows(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub fn fields(&self) -> impl Iterator<Item = Option<Treatment>> + '_ {
        self.0.iter().flatten().flat_map(|row| row.iter().skip(1).copied())
    }

    /// A row is there for whoever may see one of its fields.
    fn sees(&self, ty: TypeId, row: usize) -> bool {
        self.0[ty.0][row].iter().any(Option::is_some)
    }
}

/// One view, one moment.
#[derive(Clone, Copy)]
pub struct Exam<'a> {
    pub gate: &'a Gate,
    /// What statements are written from, ...
    pub view: &'a View,
    /// ... and what decides in memory.
    pub recalled: &'a View,
    pub world: &'a World,
    pub asker: &'a Asker,
    pub verdict: &'a Verdict,
    /// Which of the many lists and conditions are tried this time.
    pub turn: usize,
}

/// A row that a statement reads, with the columns of its fields and of their marks.
struct Place {
    ty: &'static Type,
    columns: Vec<usize>,
    marks: Vec<Option<usize>>,
    /// The place and the field from which it was reached.
    from: Option<(usize, usize)>,
}

const MOST: usize = 1000;

impl Exam<'_> {
    /// The first difference, in words.
    pub async fn differs(&self) -> Option<String> {
        if let Some(wrong) = self.in_memory().await {
            return Some(format!("in memory: {wrong}"));
        }
        for ty in &CATALOGUE.types {
            let keys = self.keys(ty.id);
            if self.view.of(ty.id).row.is_never() {
                if let Some(first) = (0..keys.len()).find(|row| self.verdict.sees(ty.id, *row)) {
                    return Some(format!("{} {} is allowed, and the view has no rows of it", ty.name, keys[first]));
                }
                continue;
            }
            for form in ["a page", "by key", "in bulk"] {
                if let Some(wrong) = self.rows(ty, form).await {
                    return Some(format!("{form}: {wrong}"));
                }
            }
            if let Some(list) = ty.lists.get(self.turn % ty.lists.len().max(1))
                && let Some(wrong) = self.children(ty, CATALOGUE.ty(list.of), list.by).await
            {
                return Some(format!("{} of {}: {wrong}", list.name, ty.name));
            }
            if let Some(wrong) = self.conditions(ty).await {
                return Some(wrong);
            }
        }
        None
    }

    fn keys(&self, ty: TypeId) -> Vec<Uuid> {
        CATALOGUE.types[ty.0..=ty.0].iter().flat_map(|t| self.world.all(t.name)).map(|row| row.key()).collect()
    }

    fn value(&self, ty: TypeId, row: usize, field: usize) -> &Value {
        &self.world.rows[ty.0][row][field]
    }

    /// The value as it must be shown.
    pub fn right(&self, ty: TypeId, row: usize, field: usize) -> Value {
        let record = Record { ty: CATALOGUE.ty(ty), row: &self.world.rows[ty.0][row] };
        treated(self.verdict.0[ty.0][row][field], self.world, record, field, self.asker.now)
    }

    async fn run(&self, statement: &Statement, slots: &[Arg]) -> Rows {
        let binding = Binding { now: self.asker.now, me: self.asker.person, secret: SECRET, slots };
        let mut reading = self.gate.session(false).await.unwrap();
        let rows = reading.run(statement, &binding).await.unwrap_or_else(|e| panic!("{e}\n{}", statement.sql()));
        reading.finish().await.unwrap();
        rows
    }

    /// All fields of the row, and of the rows that it leads to, two steps far.
    fn read<'v>(&'v self, select: &mut Select<'v>, row: RowRef, ty: &'static Type, bulk: bool) -> Vec<Place> {
        let mut places = Vec::new();
        let mut open = vec![(row, ty, None, 0)];
        while let Some((row, ty, from, depth)) = open.pop() {
            let fields = &self.view.of(ty.id).fields;
            let columns = (0..ty.fields.len()).map(|i| select.column(row, i)).collect();
            let mark = |i: usize| if bulk || fields[i].is_hidden() { None } else { select.flag(row, i) };
            let marks = (0..ty.fields.len()).map(mark).collect();
            places.push(Place { ty, columns, marks, from });
            let here = places.len() - 1;
            for (i, field) in ty.fields.iter().enumerate().filter(|(i, _)| depth < 2 && !fields[*i].is_hidden()) {
                let Some(to) = field.to.filter(|to| self.view.sees_type(*to)) else { continue };
                // the second step where there is most to go wrong: behind what not every row shows
                if depth == 0 || !self.view.of(to).row.is_always() {
                    let target = select.join(row, i).expect("a reference");
                    open.push((target, CATALOGUE.ty(to), Some((here, i)), depth + 1));
                }
            }
        }
        places
    }

    async fn rows(&self, ty: &'static Type, form: &str) -> Option<String> {
        let dialect = self.gate.dialect();
        let keys = self.keys(ty.id);
        let (mut select, row) = match form {
            "a page" => Select::rows(self.view, dialect, ty.id),
            "by key" => Select::some_rows(self.view, dialect, ty.id),
            _ => Select::all_rows(self.view, dialect, ty.id),
        };
        if form == "by key" {
            select.with_key(0, true);
        }
        // a reference in bulk is for the keys of groups
        let places = match form {
            "in bulk" => {
                let columns = (0..ty.fields.len()).map(|i| select.column(row, i)).collect();
                vec![Place { ty, columns, marks: vec![None; ty.fields.len()], from: None }]
            }
            _ => self.read(&mut select, row, ty, false),
        };
        let statement = select.page(MOST);
        let rows = self.run(&statement, &[Arg::Ids(keys.clone())]).await;
        let mut found = Vec::new();
        for r in 0..rows.len() {
            let key = rows.id(r, places[0].columns[0]).expect("a key");
            let at = keys.iter().position(|k| *k == key).expect("a row of the world");
            found.push(at);
            if let Err(wrong) = self.holds(&rows, r, 0, &places, at, form == "in bulk") {
                return Some(format!("{wrong}\n{}", statement.sql()));
            }
        }
        found.sort_unstable();
        let right: Vec<usize> = (0..keys.len()).filter(|row| self.verdict.sees(ty.id, *row)).collect();
        (found != right).then(|| {
            let rows = |rows: &[usize]| {
                rows.iter().map(|r| format!("\n  {:?}", self.world.rows[ty.id.0][*r])).collect::<String>()
            };
            format!("{}: SQL gives the rows{}\nCedar{}\n{}", ty.name, rows(&found), rows(&right), statement.sql())
        })
    }

    /// Every value of a row of the answer, which shows the row `at` of the world.
    fn holds(
        &self,
        rows: &Rows,
        r: usize,
        offset: usize,
        places: &[Place],
        at: usize,
        bulk: bool,
    ) -> Result<(), String> {
        // which row each place shows, if any
        let mut shown: Vec<Option<usize>> = Vec::new();
        for place in places {
            let at = match place.from {
                None => Some(at),
                Some((from, field)) => shown[from].and_then(|from_row| {
                    let from = places[from].ty.id;
                    let Value::Id(key) = self.value(from, from_row, field) else { return None };
                    let target = self.keys(place.ty.id).iter().position(|k| k == key).expect("what is pointed at");
                    let seen = self.verdict.0[from.0][from_row][field].is_some();
                    (seen && self.verdict.sees(place.ty.id, target)).then_some(target)
                }),
            };
            shown.push(at);
            let key = rows.id(r, place.columns[0] + offset);
            let right = at.map(|at| self.keys(place.ty.id)[at]);
            if key != right {
                return Err(format!("{} reached {:?}: SQL gives {key:?}, Cedar {right:?}", place.ty.name, place.from));
            }
            let Some(at) = at else { continue };
            for (i, field) in place.ty.fields.iter().enumerate().skip(1) {
                let allowed = self.verdict.0[place.ty.id.0][at][i];
                let right = self.right(place.ty.id, at, i);
                let given = value(field, rows.cell(r, place.columns[i] + offset));
                let here = || format!("{}.{} of {:?}", place.ty.name, field.name, self.world.rows[place.ty.id.0][at]);
                if given != right {
                    return Err(format!("{}: SQL gives {given:?}, Cedar {allowed:?} = {right:?}", here()));
                }
                let marked = place.marks[i].map(|mark| rows.int(r, mark + offset) == Some(1));
                let marked = marked.unwrap_or(!self.view.of(place.ty.id).fields[i].is_hidden());
                if !bulk && marked != allowed.is_some() {
                    return Err(format!("{}: marked as shown is {marked}, Cedar says {allowed:?}", here()));
                }
            }
        }
        Ok(())
    }

    /// Rows under their parents, as a nested list reads and counts them.
    async fn children(&self, parent: &'static Type, of: &'static Type, by: usize) -> Option<String> {
        const LIMIT: usize = 3;
        if !self.view.sees(of.id, by) {
            return None;
        }
        let (parents, keys) = (self.keys(parent.id), self.keys(of.id));
        let parents: Vec<Uuid> =
            (0..parents.len()).filter(|row| self.verdict.sees(parent.id, *row)).map(|row| parents[row]).collect();
        let (mut select, row) = Select::children(self.view, self.gate.dialect(), of.id, by);
        select.order(&[], false);
        let places = self.read(&mut select, row, of, false);
        let statement = select.page_of_each(by, 0, LIMIT);
        let slots = [Arg::Ids(parents.clone())];
        let rows = self.run(&statement, &slots).await;
        let (select, _) = Select::children(self.view, self.gate.dialect(), of.id, by);
        let counting = select.count_of_each(by, 0);
        let counts = self.run(&counting, &slots).await;
        for parent in parents {
            let belongs = |row: &usize| {
                self.verdict.0[of.id.0][*row][by].is_some() && *self.value(of.id, *row, by) == Value::Id(parent)
            };
            let mut right: Vec<usize> =
                (0..keys.len()).filter(|row| self.verdict.sees(of.id, *row)).filter(belongs).collect();
            right.sort_by_key(|row| keys[*row]);
            let count = (0..counts.len()).find(|r| counts.id(*r, 0) == Some(parent)).and_then(|r| counts.int(r, 1));
            if count.unwrap_or(0) != right.len() as i64 {
                return Some(format!("SQL counts {count:?}, Cedar {}\n{}", right.len(), counting.sql()));
            }
            right.truncate(LIMIT);
            let found: Vec<usize> = (0..rows.len()).filter(|r| rows.id(*r, 0) == Some(parent)).collect();
            let key = |r: &usize| rows.id(*r, places[0].columns[0] + 1).expect("a key");
            let (given, wanted): (Vec<Uuid>, Vec<Uuid>) =
                (found.iter().map(key).collect(), right.iter().map(|row| keys[*row]).collect());
            if given != wanted {
                return Some(format!("SQL gives {given:?}, Cedar {wanted:?}\n{}", statement.sql()));
            }
            for (r, at) in found.iter().zip(right) {
                if let Err(wrong) = self.holds(&rows, *r, 1, &places, at, false) {
                    return Some(format!("{wrong}\n{}", statement.sql()));
                }
            }
        }
        None
    }

    /// Conditions on a field, on the row behind a reference, on the rows of a list: they count what is shown.
    async fn conditions(&self, ty: &'static Type) -> Option<String> {
        let keys = self.keys(ty.id);
        let visible: Vec<usize> = (0..keys.len()).filter(|row| self.verdict.sees(ty.id, *row)).collect();
        let dialect = self.gate.dialect();
        let seen: Vec<usize> = (1..ty.fields.len()).filter(|i| self.view.sees(ty.id, *i)).collect();
        if let Some(i) = seen.get(self.turn % seen.len().max(1)).copied() {
            let field = &ty.fields[i];
            let (mut select, row) = Select::all_rows(self.view, dialect, ty.id);
            let leads = field.to.filter(|to| self.view.sees_type(*to));
            let condition = match leads {
                Some(_) => select.related::<()>(row, i, |_, _| Ok(Select::all(Vec::new()))).expect("a condition"),
                None => select.is_null(row, i, false),
            };
            select.keep(condition);
            let right = visible.iter().filter(|row| {
                let value = self.right(ty.id, **row, i);
                match (leads, value) {
                    (Some(to), Value::Id(key)) => {
                        let target = self.keys(to).iter().position(|k| *k == key).expect("what is pointed at");
                        self.verdict.sees(to, target)
                    }
                    (_, value) => !value.is_null(),
                }
            });
            let right = right.count() as i64;
            let statement = select.count();
            let given = self.run(&statement, &[]).await.int(0, 0);
            if given != Some(right) {
                return Some(format!(
                    "with {}.{}: SQL counts {given:?}, Cedar {right}\n{}",
                    ty.name,
                    field.name,
                    statement.sql()
                ));
            }
        }
        let lists: Vec<_> = ty.lists.iter().filter(|l| self.view.sees(l.of, l.by)).collect();
        if let Some(list) = lists.get(self.turn % lists.len().max(1)) {
            let (mut select, row) = Select::all_rows(self.view, dialect, ty.id);
            let some = select.some::<()>(row, list.of, list.by, |_, _| Ok(Select::all(Vec::new())));
            select.keep(Select::negate(&some.expect("a condition")));
            let right = visible.iter().filter(|row| {
                !(0..self.world.rows[list.of.0].len()).any(|child| {
                    self.verdict.0[list.of.0][child][list.by].is_some()
                        && *self.value(list.of, child, list.by) == Value::Id(keys[**row])
                })
            });
            let right = right.count() as i64;
            let statement = select.count();
            let given = self.run(&statement, &[]).await.int(0, 0);
            if given != Some(right) {
                return Some(format!(
                    "without {}.{}: SQL counts {given:?}, Cedar {right}\n{}",
                    ty.name,
                    list.name,
                    statement.sql()
                ));
            }
        }
        None
    }
}

fn value(field: &Field, cell: Cell<'_>) -> Value {
    match (cell, field.kind) {
        (Cell::Null, _) => Value::Null,
        (cell, Kind::Date) => Value::Date(day_of(cell).expect("a day")),
        (Cell::Int(n), Kind::Bool) => Value::Bool(n != 0),
        (Cell::Int(n), Kind::Decimal) => Value::Decimal(Decimal(n)),
        (Cell::Int(n), Kind::Instant) => Value::Instant(Instant(n)),
        (Cell::Int(n), _) => Value::Int(n),
        (Cell::Bool(b), _) => Value::Bool(b),
        (Cell::Text(text), Kind::Json) => Value::Json(serde_json::from_str(text).expect("JSON")),
        (Cell::Text(text), _) => Value::Text(text.to_string()),
        (Cell::Id(id), _) => Value::Id(id),
        (Cell::Day(_), _) => panic!("{} is no day", field.name),
    }
}
