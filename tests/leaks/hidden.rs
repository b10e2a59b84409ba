//! What a seat does not see, found from its compiled view, and an operator's SQL that changes it: values, what
//! treatments take away, whole rows. What a seat's rights are decided by is left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entente::{
    access::{
        Treatment, View,
        connect::Dialect,
        pred::{Pred, Term},
        read::Cell,
        select::{Binding, Select},
    },
    catalogue::{CATALOGUE, Field, Type, TypeId},
};
use entities::meta::Kind;
use uuid::Uuid;

use crate::{
    differential::{voice::Voice, world::UNIQUE},
    harness::Hub,
};

/// What is read of these types to make a seat's view, beside its conditions: who sits where, what the
/// organisation is to us, what is agreed with it.
const SEAT: &[(&str, &[&str])] = &[
    ("Organisation", &["status"]),
    ("OrgRole", &["organisation", "kind", "validFrom", "validTo"]),
    ("Principal", &["organisation", "status"]),
    ("RoleAssignment", &["principal", "role", "validFrom", "validTo"]),
    ("SharingAgreement", &["grantee", "status", "validFrom", "validTo", "signedByGrantor", "signedByGrantee"]),
    (
        "AgreementScope",
        &[
            "agreement",
            "objectType",
            "effect",
            "product",
            "productFamily",
            "region",
            "customer",
            "validFrom",
            "validTo",
        ],
    ),
    ("AgreementField", &["agreement", "objectType", "field", "treatment", "param"]),
];

pub type Read = BTreeSet<(TypeId, usize)>;

/// What a view's conditions on reading read, and the sets that they ask for.
pub fn read_by(view: &View) -> (Read, BTreeSet<&'static str>) {
    decided_by(view, false)
}

/// With the conditions on writing, too.
pub fn decided_by(view: &View, writes: bool) -> (Read, BTreeSet<&'static str>) {
    let (mut read, mut sets) = (Read::new(), BTreeSet::new());
    for ty in &CATALOGUE.types {
        let of = view.of(ty.id);
        let reads = std::iter::once(&of.row).chain(of.fields.iter().flat_map(|f| f.levels.iter().map(|(p, _)| p)));
        let permits = [&of.writes.create, &of.writes.delete].into_iter().chain(&of.writes.fields);
        for p in reads.chain(permits.filter(|_| writes)) {
            walk(ty, p, &mut read, &mut sets);
        }
    }
    let lasts = |ty: &&Type| {
        let mut shown = view.of(ty.id).fields.iter().flat_map(|field| &field.levels);
        shown.any(|(_, shown)| matches!(shown, Treatment::DaysOfSupply(_)))
    };
    let demands = CATALOGUE.types.iter().filter(lasts).filter_map(|ty| Some(ty.demand?.from));
    for sql in sets.iter().map(|set| CATALOGUE.membership(set).unwrap().1.sql).chain(demands) {
        let words: HashSet<&str> = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for ty in CATALOGUE.types.iter().filter(|t| words.contains(t.table)) {
            read.extend(
                ty.fields.iter().enumerate().filter(|(_, f)| words.contains(f.column)).map(|(i, _)| (ty.id, i)),
            );
        }
    }
    for (name, fields) in SEAT {
        let ty = CATALOGUE.by_name(name).unwrap();
        read.extend(fields.iter().map(|f| (ty.id, ty.field_index(f).unwrap())));
    }
    (read, sets)
}

fn walk(ty: &Type, p: &Pred, read: &mut Read, sets: &mut BTreeSet<&'static str>) {
    let term = |t: &Term, read: &mut Read| match t {
        Term::Col(i) => drop(read.insert((ty.id, *i))),
        Term::Far(path) => {
            let mut of = ty;
            for step in path {
                read.insert((of.id, *step));
                of = of.fields[*step].to.map_or(of, |to| CATALOGUE.ty(to));
            }
        }
        _ => {}
    };
    match p {
        Pred::Const(_) => {}
        Pred::And(all) | Pred::Or(all) => all.iter().for_each(|p| walk(ty, p, read, sets)),
        Pred::Not(p) => walk(ty, p, read, sets),
        Pred::If(a, b, c) => [a, b, c].into_iter().for_each(|p| walk(ty, p, read, sets)),
        Pred::Cmp(_, a, b) => [a, b].into_iter().for_each(|t| term(t, read)),
        Pred::In(t, _) | Pred::Like(t, _) => term(t, read),
        Pred::Has(i) => drop(read.insert((ty.id, *i))),
        Pred::Member(t, set, _) => {
            term(t, read);
            sets.insert(set);
        }
        Pred::At(step, inner) => {
            read.insert((ty.id, *step));
            walk(CATALOGUE.ty(ty.fields[*step].to.unwrap()), inner, read, sets);
        }
    }
}

/// The rows that a seat sees of a type, each with the fields that this row hides.
pub async fn seen(voice: &Voice, view: &View, ty: &'static Type) -> BTreeMap<Uuid, HashSet<usize>> {
    if !view.sees_type(ty.id) {
        return BTreeMap::new();
    }
    let app = voice.app();
    let (mut select, row) = Select::rows(view, app.gate.dialect(), ty.id);
    let key = select.column(row, 0);
    let marks: Vec<Option<usize>> = (0..ty.fields.len())
        .map(|i| if i == 0 || view.of(ty.id).fields[i].is_hidden() { None } else { select.flag(row, i) })
        .collect();
    let statement = select.page(1_000_000);
    let mut reading = app.gate.session(false).await.unwrap();
    let binding = Binding { now: app.clock.now(), me: voice.caller.principal, secret: "", slots: &[] };
    let rows = reading.run(&statement, &binding).await.unwrap();
    reading.finish().await.unwrap();
    let hides = |r: usize, i: usize| match marks[i] {
        Some(mark) => rows.int(r, mark) != Some(1),
        None => i > 0 && view.of(ty.id).fields[i].is_hidden(),
    };
    (0..rows.len())
        .map(|r| (rows.id(r, key).unwrap(), (0..ty.fields.len()).filter(|i| hides(r, *i)).collect()))
        .collect()
}

/// Whether rows of a type decide what a seat may do, rather than columns of a row what may be done with it.
pub fn decides(ty: &Type, sets: &BTreeSet<&'static str>) -> bool {
    let in_set = |set: &&str| {
        let sql = CATALOGUE.membership(set).unwrap().1.sql;
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == ty.table)
    };
    SEAT.iter().any(|(name, _)| *name == ty.name) || sets.iter().any(in_set)
}

/// Rows that the seat does not see and that decide nothing for it.
pub async fn hidden_rows(
    hub: &Hub,
    voice: &Voice,
    view: &View,
    sets: &BTreeSet<&'static str>,
) -> Vec<(&'static Type, Vec<Uuid>)> {
    let mut hidden = Vec::new();
    for ty in CATALOGUE.types.iter().filter(|ty| !decides(ty, sets)) {
        let seen = seen(voice, view, ty).await;
        let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
        let ids = ids.into_iter().flatten().map(|id| id.parse().unwrap());
        hidden.push((ty, ids.filter(|id| !seen.contains_key(id)).collect()));
    }
    hidden
}

/// Copies rows under new keys; what must differ differs.
fn copying(dialect: Dialect, ty: &Type, rows: &[Uuid]) -> Option<(String, Vec<Uuid>)> {
    // of what is nothing but a pair of keys there can be no copy
    if ty.name == "CustomerTeam" || rows.is_empty() {
        return None;
    }
    let fresh: Vec<Uuid> = rows.iter().map(|row| Uuid::from_u128(row.as_u128() ^ 0x5555_5555_5555_5555)).collect();
    let keys: String = rows
        .iter()
        .zip(&fresh)
        .map(|(row, new)| format!(" WHEN {} THEN {}", literal(dialect, *row), literal(dialect, *new)))
        .collect();
    let columns = ty.fields.iter().map(|field| {
        let c = format!("\"{}\"", field.column);
        let unique = ["slug", "subject", "sku", "number"].contains(&field.column);
        match field.kind {
            _ if field.name == "id" => format!("CASE id{keys} END"),
            Kind::Text if unique => format!("{c} || '-copy'"),
            Kind::Int if ["line_no", "seq"].contains(&field.column) => format!("{c} + 10000"),
            // far from every window of time
            Kind::Date if field.column == "bucket_start" && dialect == Dialect::Sqlite => {
                format!("date({c}, '+9000 days')")
            }
            Kind::Date if field.column == "bucket_start" => format!("{c} + 9000"),
            _ => c,
        }
    });
    let columns: Vec<String> = columns.collect();
    let names: Vec<String> = ty.fields.iter().map(|f| format!("\"{}\"", f.column)).collect();
    let sql = format!(
        "INSERT INTO \"{0}\" ({1}) SELECT {2} FROM \"{0}\" WHERE id IN ({3})",
        ty.table,
        names.join(", "),
        columns.join(", "),
        list(dialect, rows)
    );
    Some((sql, fresh))
}

// ---- SQL of an operator

fn literal(dialect: Dialect, id: Uuid) -> String {
    match dialect {
        Dialect::Sqlite => format!("X'{}'", id.simple()),
        Dialect::Postgres => format!("'{id}'::uuid"),
    }
}

pub fn list<'i>(dialect: Dialect, ids: impl IntoIterator<Item = &'i Uuid>) -> String {
    ids.into_iter().map(|id| literal(dialect, *id)).collect::<Vec<_>>().join(", ")
}

/// Another valid value for the column.
pub fn another(dialect: Dialect, ty: &Type, field: &Field) -> Option<String> {
    let (table, column) = (ty.table, field.column);
    let c = format!("\"{table}\".\"{column}\"");
    let or = |null: &str, other: String| format!("CASE WHEN {c} IS NULL THEN {null} ELSE {other} END");
    if let Some(to) = field.to {
        let together = UNIQUE.iter().any(|(name, columns)| *name == ty.name && columns.contains(&column));
        let target = CATALOGUE.ty(to).table;
        let other = format!("(SELECT x.id FROM \"{target}\" x WHERE {c} IS NULL OR x.id <> {c} ORDER BY x.id LIMIT 1)");
        return (!together).then(|| format!("COALESCE({other}, {c})"));
    }
    Some(match field.kind {
        Kind::Id => return None,
        Kind::Text if !field.one_of.is_empty() => {
            let next = field.one_of.iter().cycle().skip(1);
            let cases: String =
                field.one_of.iter().zip(next).map(|(word, next)| format!(" WHEN '{word}' THEN '{next}'")).collect();
            format!("CASE {c}{cases} ELSE '{}' END", field.one_of[0])
        }
        Kind::Text => or("'q'", format!("{c} || 'q'")),
        // no two lines of the log have the same number
        Kind::Int if column == "seq" => format!("-{c}"),
        Kind::Int => or("1", format!("{c} + 1")),
        Kind::Decimal => or("10000", format!("{c} + 10000")),
        Kind::Instant => or("1781517600000000", format!("{c} + 1000000")),
        Kind::Bool => format!("NOT {c}"),
        Kind::Date if dialect == Dialect::Sqlite => or("'2026-06-15'", format!("date({c}, '+1 day')")),
        Kind::Date => or("DATE '2026-06-15'", format!("{c} + 1")),
        Kind::Json => "'[\"q\"]'".to_string(),
    })
}

/// The rows in which the seat is shown something else than what is stored.
pub async fn treated_rows(hub: &Hub, voice: &Voice, view: &View, ty: &'static Type, field: usize) -> Vec<Uuid> {
    let app = voice.app();
    let (mut select, row) = Select::rows(view, app.gate.dialect(), ty.id);
    let (key, value) = (select.column(row, 0), select.column(row, field));
    let binding = Binding { now: app.clock.now(), me: voice.caller.principal, secret: "", slots: &[] };
    let mut reading = app.gate.session(false).await.unwrap();
    let rows = reading.run(&select.page(1_000_000), &binding).await.unwrap();
    reading.finish().await.unwrap();
    let from = format!("FROM \"{}\" ORDER BY id", ty.table);
    let (ids, stored) = (
        hub.texts(&format!("SELECT id {from}")).await,
        hub.texts(&format!("SELECT \"{}\" {from}", ty.fields[field].column)).await,
    );
    let stored: HashMap<Uuid, Option<String>> =
        ids.into_iter().flatten().map(|id| id.parse().unwrap()).zip(stored).collect();
    let shown = |r: usize| match rows.cell(r, value) {
        Cell::Text(text) => Some(text.to_string()),
        Cell::Int(n) => Some(n.to_string()),
        _ => None,
    };
    let all = (0..rows.len()).map(|r| (rows.id(r, key).unwrap(), shown(r)));
    all.filter(|(id, shown)| shown.is_some() && *shown != stored[id]).map(|(id, _)| id).collect()
}

/// Statements that change something hidden.
#[derive(Default)]
pub struct Changes {
    pub sql: Vec<String>,
    /// Of the catalogue, each in the rows that hide it.
    pub fields: usize,
    /// Hidden in some row, and what rights are decided by.
    pub deciding: Read,
}

/// Gives every hidden value another.
pub async fn values(hub: &Hub, voice: &Voice, view: &View, read: &Read) -> Changes {
    some_values(hub, voice, view, read, usize::MAX).await
}

/// The same of so many rows that hide the same, those that are seen first, and of one more, which is not seen if any is not.
pub async fn some_values(hub: &Hub, voice: &Voice, view: &View, read: &Read, most: usize) -> Changes {
    let dialect = hub.dialect();
    let mut changes = Changes::default();
    for ty in &CATALOGUE.types {
        let seen = seen(voice, view, ty).await;
        // columns that the same rows show are changed at once
        let mut by_rows: BTreeMap<Vec<Uuid>, Vec<String>> = BTreeMap::new();
        let all = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
        let all: Vec<Uuid> = all.into_iter().flatten().map(|id| id.parse().unwrap()).collect();
        for (i, field) in ty.fields.iter().enumerate().skip(1) {
            let hides = |id: &&Uuid| seen.get(*id).is_none_or(|hides| hides.contains(&i));
            let mut rows: Vec<Uuid> = all.iter().filter(hides).copied().collect();
            rows.sort_by_key(|id| !seen.contains_key(id));
            let last = rows.pop();
            rows.truncate(most);
            rows.extend(last);
            if rows.is_empty() {
                continue;
            }
            if read.contains(&(ty.id, i)) {
                changes.deciding.insert((ty.id, i));
                continue;
            }
            if let Some(value) = another(dialect, ty, field) {
                by_rows.entry(rows).or_default().push(format!("\"{}\" = {value}", field.column));
                changes.fields += 1;
            }
        }
        for (rows, columns) in by_rows {
            let rows = list(dialect, &rows);
            changes.sql.push(format!("UPDATE \"{}\" SET {} WHERE id IN ({rows})", ty.table, columns.join(", ")));
        }
    }
    changes
}

/// Changes what a prefix, a mask or a band leaves out.
pub async fn remainders(hub: &Hub, voice: &Voice, view: &View, read: &Read) -> Changes {
    let dialect = hub.dialect();
    let mut changes = Changes::default();
    for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
        for (i, field) in ty.fields.iter().enumerate().skip(1).filter(|(i, _)| !read.contains(&(ty.id, *i))) {
            let c = format!("\"{}\"", field.column);
            let levels = &view.of(ty.id).fields[i].levels;
            let Some((_, shown)) = levels.iter().find(|(_, shown)| *shown != Treatment::Full) else { continue };
            let at = if dialect == Dialect::Sqlite { "instr" } else { "strpos" };
            let value = match shown {
                Treatment::Full | Treatment::Aggregate(_) => c.clone(),
                // each value has its own; what lasts as long, `rules::stock` tries
                Treatment::Pseudonym | Treatment::DaysOfSupply(_) => continue,
                Treatment::Prefix(n) => format!("substr({c}, 1, {n}) || 'zz'"),
                Treatment::EmailMask => format!("substr({c}, 1, 1) || 'zz' || substr({c}, {at}({c}, '@'))"),
                Treatment::Band(width) => {
                    let width = if field.kind == Kind::Decimal { *width } else { (width / 10_000).max(1) };
                    format!("{c} - ((({c} % {width}) + {width}) % {width})")
                }
            };
            let rows = treated_rows(hub, voice, view, ty, i).await;
            if !rows.is_empty() {
                let update = format!("UPDATE \"{}\" SET {c} = {value}", ty.table);
                changes.sql.push(format!("{update} WHERE id IN ({})", list(dialect, &rows)));
                changes.fields += 1;
            }
        }
    }
    changes
}

/// Copies of some hidden rows, under new keys.
pub async fn add(hub: &Hub, hidden: &[(&'static Type, Vec<Uuid>)]) -> usize {
    let (sql, added) = adding(hub, hidden).await;
    run(hub, &sql).await;
    added
}

/// The same as statements, and how many rows they add.
pub async fn adding(hub: &Hub, hidden: &[(&'static Type, Vec<Uuid>)]) -> (Vec<String>, usize) {
    // what an agreement excludes by its key is not excluded under another
    let named = "SELECT customer_id FROM agreement_scope UNION SELECT product_id FROM agreement_scope";
    let named: HashSet<Uuid> = hub.texts(named).await.into_iter().flatten().map(|id| id.parse().unwrap()).collect();
    let (mut all, mut added) = (Vec::new(), 0);
    for (ty, rows) in hidden {
        let rows: Vec<Uuid> = rows.iter().filter(|id| !named.contains(id)).copied().collect();
        let rows: Vec<Uuid> = rows.iter().step_by(rows.len() / 25 + 1).copied().collect();
        if let Some((sql, fresh)) = copying(hub.dialect(), ty, &rows) {
            all.push(sql);
            added += fresh.len();
        }
    }
    (all, added)
}

/// Deletes those of the rows that no row points at.
pub async fn delete(hub: &Hub, rows: &[(&'static Type, Vec<Uuid>)]) -> usize {
    let mut deleted = 0;
    for sql in deleting(hub.dialect(), rows) {
        deleted += hub.sql(&sql).await as usize;
    }
    deleted
}

pub fn deleting(dialect: Dialect, rows: &[(&'static Type, Vec<Uuid>)]) -> Vec<String> {
    let rows = rows.iter().rev().filter(|(_, rows)| !rows.is_empty());
    rows.map(|(ty, rows)| format!("DELETE FROM \"{}\" WHERE {}", ty.table, free(dialect, ty, rows))).collect()
}

/// Those of the rows that no row points at.
pub fn free(dialect: Dialect, ty: &Type, rows: &[Uuid]) -> String {
    let pointing = CATALOGUE.types.iter().flat_map(|t| t.fields.iter().map(move |f| (t, f)));
    let pointing = pointing.filter(|(_, f)| f.to == Some(ty.id));
    pointing.fold(format!("id IN ({})", list(dialect, rows)), |text, (t, f)| {
        let at = format!("x.\"{}\" = \"{}\".id", f.column, ty.table);
        format!("{text} AND NOT EXISTS (SELECT 1 FROM \"{}\" x WHERE {at})", t.table)
    })
}

/// The rows of every type as they were; one at a time.
pub struct Kept(Hub);

impl Kept {
    pub async fn of(hub: &Hub) -> Self {
        let make = CATALOGUE.types.iter().flat_map(|ty| {
            let table = ty.table;
            [
                format!("DROP TABLE IF EXISTS kept_{table}"),
                format!("CREATE TABLE kept_{table} AS SELECT * FROM \"{table}\""),
            ]
        });
        run(hub, &make.collect::<Vec<_>>()).await;
        Kept(hub.clone())
    }

    /// Puts back the rows of one type but one, which stays out of their way.
    pub async fn restore_beside(&self, ty: &Type, row: &Uuid) {
        let [_, new, differs] = parts(ty);
        let beside =
            format!("{} AND \"{}\".id NOT IN ({})", back(ty, &differs), ty.table, list(self.0.dialect(), [row]));
        run(&self.0, &[format!("DELETE {new}"), beside]).await;
    }

    /// Puts back what has changed since. What has not is not touched: a statement alone would move the version of the
    /// views.
    pub async fn restore(&self) {
        let hub = &self.0;
        let parts: Vec<[String; 3]> = CATALOGUE.types.iter().map(parts).collect();
        let counts = parts.iter().enumerate().map(|(i, [gone, new, differs])| {
            format!("SELECT '{i} ' || (SELECT count(*) {gone}) || ' ' || (SELECT count(*) {new}) || ' ' || (SELECT count(*) {differs})")
        });
        let counts = hub.texts(&counts.collect::<Vec<_>>().join(" UNION ALL ")).await;
        let mut has = vec![[false; 3]; parts.len()];
        for line in counts.into_iter().flatten() {
            let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            has[numbers[0]] = [numbers[1] > 0, numbers[2] > 0, numbers[3] > 0];
        }
        let all = || CATALOGUE.types.iter().zip(&parts).zip(&has);
        let lost = all().filter(|(_, has)| has[0]);
        let lost = lost.map(|((ty, [gone, ..]), _)| format!("INSERT INTO \"{}\" SELECT * {gone}", ty.table));
        let same = all().filter(|(_, has)| has[2]).map(|((ty, [.., differs]), _)| back(ty, differs));
        let gone = all().rev().filter(|(_, has)| has[1]).map(|((_, [_, new, _]), _)| format!("DELETE {new}"));
        run(hub, &lost.chain(same).chain(gone).collect::<Vec<_>>()).await;
    }
}

/// Gives the rows that differ what was kept of them.
fn back(ty: &Type, differs: &str) -> String {
    let set: Vec<String> = ty.fields.iter().skip(1).map(|f| format!("\"{0}\" = k.\"{0}\"", f.column)).collect();
    let (_, condition) = differs.split_once(" WHERE ").unwrap();
    format!("UPDATE \"{0}\" SET {1} FROM kept_{0} k WHERE {condition}", ty.table, set.join(", "))
}

/// Of a table and what was kept of it: the rows that are gone, those that are new, those that differ.
fn parts(ty: &Type) -> [String; 3] {
    let table = ty.table;
    let kept = format!("kept_{table}");
    let lacks =
        |a: &str, b: &str| format!("FROM \"{a}\" WHERE NOT EXISTS (SELECT 1 FROM \"{b}\" y WHERE y.id = \"{a}\".id)");
    let differs: Vec<String> = ty
        .fields
        .iter()
        .skip(1)
        .map(|f| format!("CAST(k.\"{0}\" AS TEXT) IS DISTINCT FROM CAST(\"{table}\".\"{0}\" AS TEXT)", f.column))
        .collect();
    let differs = format!("FROM \"{table}\", {kept} k WHERE k.id = \"{table}\".id AND ({})", differs.join(" OR "));
    [lacks(&kept, table), lacks(table, &kept), differs]
}

/// In one transaction: streams tell of it at once.
pub async fn run(hub: &Hub, statements: &[String]) {
    if !statements.is_empty() {
        hub.all(statements).await;
    }
}
