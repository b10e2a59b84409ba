//! L1-L6: what a seat does not see moves no byte of any answer to it. For every seat the values that it does
//! not see are changed in the database, rows that it does not see are copied and deleted, and all its
//! questions are asked again. What a policy decides by is left alone, and said in [`DECIDES`].

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

use super::questions;
use crate::{
    differential::{dump::Dump, voice::Voice, world::UNIQUE},
    harness::{Hub, tests},
};

tests! {
    reading: ids_of_hidden_rows_are_ids_of_none;
    changing:
        hidden_values_move_nothing,
        what_a_treatment_takes_away_moves_nothing,
        hidden_rows_move_nothing_for_partners,
        hidden_rows_move_nothing_for_the_house;
}

/// Fields that decide about a seat's rights in rows in which the seat does not see them, with the reason: who
/// changes one of them changes what somebody sees, and must. Held against what the compiled views read.
const DECIDES: &[(&str, &[&str])] = &[
    (
        "who sits where, and what an organisation is to us",
        &[
            "OrgRole.kind",
            "OrgRole.organisation",
            "OrgRole.validFrom",
            "OrgRole.validTo",
            "Organisation.status",
            "Principal.organisation",
            "Principal.status",
            "RoleAssignment.principal",
            "RoleAssignment.role",
            "RoleAssignment.validFrom",
            "RoleAssignment.validTo",
        ],
    ),
    ("a territory is the regions of the units that a role is limited to", &["RoleAssignment.scopeUnit"]),
    (
        "which agreement is in force with whom, and whom an organisation can name",
        &[
            "SharingAgreement.grantee",
            "SharingAgreement.grantor",
            "SharingAgreement.signedByGrantee",
            "SharingAgreement.signedByGrantor",
            "SharingAgreement.status",
            "SharingAgreement.validFrom",
            "SharingAgreement.validTo",
        ],
    ),
    (
        "what an agreement covers; an exclusion is not shown to whom it excludes",
        &[
            "AgreementScope.agreement",
            "AgreementScope.customer",
            "AgreementScope.effect",
            "AgreementScope.objectType",
            "AgreementScope.product",
            "AgreementScope.productFamily",
            "AgreementScope.region",
            "AgreementScope.validFrom",
            "AgreementScope.validTo",
        ],
    ),
    (
        "how an agreement shows a field",
        &[
            "AgreementField.agreement",
            "AgreementField.field",
            "AgreementField.objectType",
            "AgreementField.param",
            "AgreementField.treatment",
        ],
    ),
    (
        "what scopes name of a row: its product's family, its region, its customer (R1, R4)",
        &[
            "Case.customer",
            "Case.region",
            "Customer.region",
            "DemandSeries.customer",
            "DemandSeries.product",
            "DemandSeries.region",
            "InventoryPosition.product",
            "OrderLine.order",
            "OrderLine.product",
            "Product.family",
            "SalesOrder.customer",
            "SalesOrder.shipToRegion",
        ],
    ),
    (
        "published demand of its own parts, in a window of weeks (R1, R3, R11)",
        &[
            "DemandBucket.bucketStart",
            "DemandBucket.series",
            "DemandBucket.supplier",
            "DemandBucket.version",
            "DemandSeries.supplier",
            "ForecastVersion.status",
            "SupplyCommitment.series",
            "SupplyCommitment.supplier",
            "SupplyCommitment.version",
        ],
    ),
    (
        "whose row it is: owner, supplier, seller, carrier, originator (R11, R18)",
        &[
            "AuditEvent.organisation",
            "CapacityBucket.supplier",
            "DemandSignal.originator",
            "ExceptionItem.organisation",
            "InventoryPosition.owner",
            "OrderLine.source",
            "OrgUnit.organisation",
            "SalesOrder.carrier",
            "SalesOrder.soldBy",
        ],
    ),
    (
        "how long stock lasts, by what is planned for its place",
        &["DemandSeries.shipToUnit", "ForecastVersion.publishedAt"],
    ),
    ("marketing sees what its promotions did", &["DemandSignal.kind"]),
    (
        "signals about a customer under NDA or a product under embargo",
        &["DemandSignal.customer", "DemandSignal.product"],
    ),
    (
        "whoever runs a warehouse, and plants and warehouses of counterparties",
        &["InventoryPosition.unit", "OrgUnit.kind"],
    ),
    (
        "a customer under NDA is known to its team only (R9)",
        &["Customer.ndaLevel", "CustomerTeam.customer", "CustomerTeam.principal"],
    ),
    ("a partner in charge of a customer sees more of its people (R5)", &["Customer.assignedPartner"]),
    ("a new product is unknown outside (R8)", &["Product.embargoUntil"]),
    (
        "who supplied a part, alone or built in, on the day of delivery (R7)",
        &[
            "CaseProduct.case",
            "CaseProduct.deliveredOn",
            "CaseProduct.product",
            "PartnerProduct.organisation",
            "PartnerProduct.product",
            "PartnerProduct.role",
            "PartnerProduct.validFrom",
            "PartnerProduct.validTo",
            "ProductComponent.component",
            "ProductComponent.product",
            "ProductComponent.validFrom",
            "ProductComponent.validTo",
        ],
    ),
    (
        "whoever supplied or sold a lot in a safety case (R17)",
        &["Case.safetyFlag", "CaseProduct.lotNo", "OrderLine.lotNo"],
    ),
    (
        "who is invited to a case, and whose thread a message is in",
        &[
            "CaseMessage.author",
            "CaseMessage.case",
            "CaseMessage.party",
            "CaseMessage.visibility",
            "CaseParty.case",
            "CaseParty.organisation",
            "CaseParty.validFrom",
            "CaseParty.validTo",
        ],
    ),
    (
        "people: billing contacts, our own, those who were erased (R13)",
        &["Contact.customer", "Contact.erasedAt", "Contact.isBilling", "Contact.organisation"],
    ),
    (
        "live consent (R15)",
        &[
            "Consent.contact",
            "Consent.expiresAt",
            "Consent.givenAt",
            "Consent.purpose",
            "Consent.recipient",
            "Consent.status",
            "Consent.withdrawnAt",
        ],
    ),
    ("who acts for whom is known to both (R10)", &["Delegation.fromPrincipal", "Delegation.toPrincipal"]),
];

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

type Read = BTreeSet<(TypeId, usize)>;

/// What a view's conditions read, and the sets that they ask for.
fn read_by(view: &View) -> (Read, BTreeSet<&'static str>) {
    let (mut read, mut sets) = (Read::new(), BTreeSet::new());
    for ty in &CATALOGUE.types {
        let of = view.of(ty.id);
        for p in std::iter::once(&of.row).chain(of.fields.iter().flat_map(|f| f.levels.iter().map(|(p, _)| p))) {
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
async fn seen(voice: &Voice, view: &View, ty: &'static Type) -> BTreeMap<Uuid, HashSet<usize>> {
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

async fn answers(voice: &Voice, questions: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for question in questions {
        all.push(voice.ask(question).await);
    }
    all
}

fn compare(voice: &Voice, questions: &[String], before: &[String], after: &[String], what: &str) {
    for ((question, before), after) in questions.iter().zip(before).zip(after) {
        if before != after {
            let at = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(80);
            let cut = |text: &str| text.get(at..).unwrap_or(text).chars().take(300).collect::<String>();
            panic!("{what} shows to {}\n{question}\nbefore: …{}\nafter:  …{}", voice.seat, cut(before), cut(after));
        }
    }
}

// ---- SQL of an operator

fn literal(dialect: Dialect, id: Uuid) -> String {
    match dialect {
        Dialect::Sqlite => format!("X'{}'", id.simple()),
        Dialect::Postgres => format!("'{id}'::uuid"),
    }
}

fn list<'i>(dialect: Dialect, ids: impl IntoIterator<Item = &'i Uuid>) -> String {
    ids.into_iter().map(|id| literal(dialect, *id)).collect::<Vec<_>>().join(", ")
}

/// Another valid value for the column.
fn another(dialect: Dialect, ty: &Type, field: &Field) -> Option<String> {
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

async fn hidden_values_move_nothing(hub: Hub) {
    let dialect = hub.dialect();
    let (mut changed, mut asked, mut deciding) = (0, 0, Read::new());
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let dump = Dump::of(&voice).await;
        let asked_of = questions::all(&view, &dump);
        let before = answers(&voice, &asked_of).await;
        let (read, _) = read_by(&view);
        for ty in &CATALOGUE.types {
            let seen = seen(&voice, &view, ty).await;
            // columns that the same rows show are changed at once
            let mut by_rows: HashMap<Vec<Uuid>, Vec<String>> = HashMap::new();
            let count = hub.number(&format!("SELECT count(*) FROM \"{}\"", ty.table)).await as usize;
            for (i, field) in ty.fields.iter().enumerate().skip(1) {
                let shown: Vec<Uuid> =
                    seen.iter().filter(|(_, hides)| !hides.contains(&i)).map(|(id, _)| *id).collect();
                if shown.len() == count {
                    continue;
                }
                if read.contains(&(ty.id, i)) {
                    deciding.insert((ty.id, i));
                    continue;
                }
                if let Some(value) = another(dialect, ty, field) {
                    by_rows.entry(shown).or_default().push(format!("\"{}\" = {value}", field.column));
                }
            }
            for (shown, columns) in by_rows {
                let but = if shown.is_empty() {
                    String::new()
                } else {
                    format!(" WHERE id NOT IN ({})", list(dialect, &shown))
                };
                changed += hub.sql(&format!("UPDATE \"{}\" SET {}{but}", ty.table, columns.join(", "))).await as usize
                    * columns.len();
            }
        }
        compare(&voice, &asked_of, &before, &answers(&voice, &asked_of).await, "a hidden value");
        asked += asked_of.len();
    }
    println!("hidden values on {dialect:?}: {changed} values changed, {asked} documents asked twice");
    let name = |(ty, i): &(TypeId, usize)| format!("{}.{}", CATALOGUE.ty(*ty).name, CATALOGUE.ty(*ty).fields[*i].name);
    let deciding: BTreeSet<String> = deciding.iter().map(name).collect();
    let said: BTreeSet<String> =
        DECIDES.iter().flat_map(|(_, fields)| fields.iter().map(|f| (*f).to_string())).collect();
    assert_eq!(deciding, said, "what decides and is hidden from somebody");
}

/// What a prefix, a mask or a band leaves out is as hidden as a hidden value.
async fn what_a_treatment_takes_away_moves_nothing(hub: Hub) {
    let dialect = hub.dialect();
    let mut changed = 0;
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let dump = Dump::of(&voice).await;
        let asked_of = questions::all(&view, &dump);
        let before = answers(&voice, &asked_of).await;
        let (read, _) = read_by(&view);
        let mut here = 0;
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
                let rows = treated_rows(&hub, &voice, &view, ty, i).await;
                if !rows.is_empty() {
                    let update = format!("UPDATE \"{}\" SET {c} = {value}", ty.table);
                    here += hub.sql(&format!("{update} WHERE id IN ({})", list(dialect, &rows))).await;
                }
            }
        }
        changed += here;
        if here > 0 {
            compare(&voice, &asked_of, &before, &answers(&voice, &asked_of).await, "what a treatment took away");
        }
    }
    println!("treated values on {dialect:?}: {changed} changed");
    assert!(changed > 0, "nothing is treated");
}

/// The rows in which the seat is shown something else than what is stored.
async fn treated_rows(hub: &Hub, voice: &Voice, view: &View, ty: &'static Type, field: usize) -> Vec<Uuid> {
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

async fn hidden_rows_move_nothing_for_partners(hub: Hub) {
    hidden_rows_move_nothing(hub, |seat| !seat.starts_with("nordwind/")).await;
}

async fn hidden_rows_move_nothing_for_the_house(hub: Hub) {
    hidden_rows_move_nothing(hub, |seat| seat.starts_with("nordwind/")).await;
}

/// Rows outside of the view: copied under new keys, then deleted where nothing needs them.
async fn hidden_rows_move_nothing(hub: Hub, of: fn(&str) -> bool) {
    let dialect = hub.dialect();
    for ty in &CATALOGUE.types {
        hub.sql(&format!("CREATE TABLE kept_{0} AS SELECT * FROM \"{0}\"", ty.table)).await;
    }
    let (mut added, mut deleted, mut asked) = (0, 0, 0);
    for voice in Voice::all(&hub).await.into_iter().filter(|voice| of(&voice.seat)) {
        let view = voice.view().await;
        let dump = Dump::of(&voice).await;
        let asked_of = questions::all(&view, &dump);
        let before = answers(&voice, &asked_of).await;
        let hidden = hidden_rows(&hub, &voice, &view).await;

        // what an agreement excludes by its key is not excluded under another
        let named = "SELECT customer_id FROM agreement_scope UNION SELECT product_id FROM agreement_scope";
        let named: HashSet<Uuid> = hub.texts(named).await.into_iter().flatten().map(|id| id.parse().unwrap()).collect();
        let mut copies: Vec<(&Type, Vec<Uuid>)> = Vec::new();
        for (ty, rows) in &hidden {
            let rows: Vec<Uuid> = rows.iter().filter(|id| !named.contains(id)).copied().collect();
            let rows: Vec<Uuid> = rows.iter().step_by(rows.len() / 25 + 1).copied().collect();
            copies.push((ty, copy(&hub, ty, &rows).await));
            added += copies.last().unwrap().1.len();
        }
        compare(&voice, &asked_of, &before, &answers(&voice, &asked_of).await, "a hidden row that was added");
        for (ty, rows) in copies.iter().rev().filter(|(_, rows)| !rows.is_empty()) {
            hub.sql(&format!("DELETE FROM \"{}\" WHERE id IN ({})", ty.table, list(dialect, rows))).await;
        }

        let mut gone = Vec::new();
        for (ty, rows) in hidden.iter().rev().filter(|(_, rows)| !rows.is_empty()) {
            let table = ty.table;
            let pointing = CATALOGUE.types.iter().flat_map(|t| t.fields.iter().map(move |f| (t, f)));
            let pointing = pointing.filter(|(_, f)| f.to == Some(ty.id));
            let free: String = pointing
                .map(|(t, f)| {
                    format!(
                        " AND NOT EXISTS (SELECT 1 FROM \"{}\" x WHERE x.\"{}\" = \"{table}\".id)",
                        t.table, f.column
                    )
                })
                .collect();
            let rows = hub.sql(&format!("DELETE FROM \"{table}\" WHERE id IN ({}){free}", list(dialect, rows))).await;
            deleted += rows;
            gone.extend((rows > 0).then_some(table));
        }
        compare(&voice, &asked_of, &before, &answers(&voice, &asked_of).await, "a hidden row that was deleted");
        for table in gone.into_iter().rev() {
            let back = format!("INSERT INTO \"{table}\" SELECT * FROM kept_{table} k");
            hub.sql(&format!("{back} WHERE NOT EXISTS (SELECT 1 FROM \"{table}\" x WHERE x.id = k.id)")).await;
        }
        asked += asked_of.len();
    }
    println!("hidden rows on {dialect:?}: {added} added, {deleted} deleted, {asked} documents asked three times");
}

/// Rows that the seat does not see and that decide nothing for it.
async fn hidden_rows(hub: &Hub, voice: &Voice, view: &View) -> Vec<(&'static Type, Vec<Uuid>)> {
    let (_, sets) = read_by(view);
    let decides = |ty: &Type| {
        let in_set = |set: &&str| {
            let sql = CATALOGUE.membership(set).unwrap().1.sql;
            sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == ty.table)
        };
        SEAT.iter().any(|(name, _)| *name == ty.name) || sets.iter().any(in_set)
    };
    let mut hidden = Vec::new();
    for ty in CATALOGUE.types.iter().filter(|ty| !decides(ty)) {
        let seen = seen(voice, view, ty).await;
        let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
        let ids = ids.into_iter().flatten().map(|id| id.parse().unwrap());
        hidden.push((ty, ids.filter(|id| !seen.contains_key(id)).collect()));
    }
    hidden
}

/// Copies of rows under new keys; what must differ differs.
async fn copy(hub: &Hub, ty: &Type, rows: &[Uuid]) -> Vec<Uuid> {
    let dialect = hub.dialect();
    // of what is nothing but a pair of keys there can be no copy
    if ty.name == "CustomerTeam" || rows.is_empty() {
        return Vec::new();
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
            Kind::Int if ["line_no", "seq"].contains(&field.column) => format!("{c} + 1000"),
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
    hub.sql(&format!(
        "INSERT INTO \"{0}\" ({1}) SELECT {2} FROM \"{0}\" WHERE id IN ({3})",
        ty.table,
        names.join(", "),
        columns.join(", "),
        list(dialect, rows)
    ))
    .await;
    fresh
}

/// L5, L6: an id of a row outside of the view and an id of no row give the same bytes, everywhere.
async fn ids_of_hidden_rows_are_ids_of_none(hub: Hub) {
    let mut tried = 0;
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let codec = voice.app().graphql.codec(view.seat.organisation);
        for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
            let seen = seen(&voice, &view, ty).await;
            let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
            let hidden: Vec<Uuid> =
                ids.into_iter().flatten().map(|id| id.parse().unwrap()).filter(|id| !seen.contains_key(id)).collect();
            let plural = ty.plural;
            for (n, row) in hidden.iter().step_by(hidden.len() / 4 + 1).enumerate() {
                let none = Uuid::from_u128(0x7000_0000_0000_0000 + n as u128);
                let (id, none) = (codec.id(ty.id, *row), codec.id(ty.id, none));
                let mut documents = vec![
                    "{ node(id: \"#\") { id __typename } }".to_string(),
                    "{ nodes(ids: [\"#\", \"#\"]) { id } }".to_string(),
                    format!("{{ node(id: \"#\") {{ ... on {} {{ again: id }} }} }}", ty.name),
                    format!(
                        "{{ {plural}(filter: {{ id: {{ eq: \"#\" }} }}) {{ totalCount nodes {{ id }} pageInfo {{ endCursor }} }} }}"
                    ),
                    format!(
                        "{{ {plural}(filter: {{ id: {{ in: [\"#\"] }} }}) {{ totalCount }} b: {plural}(filter: {{ id: {{ ne: \"#\" }} }}) {{ totalCount }} }}"
                    ),
                    format!("{{ {}Aggregate(filter: {{ id: {{ eq: \"#\" }} }}) {{ count }} }}", ty.singular()),
                    format!("{{ {plural}(after: \"#\") {{ totalCount }} }}"),
                ];
                for from in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
                    let steps =
                        from.fields.iter().enumerate().filter(|(i, f)| f.to == Some(ty.id) && view.sees(from.id, *i));
                    documents.extend(steps.map(|(_, f)| {
                        format!(
                            "{{ {}(filter: {{ {}: {{ id: {{ eq: \"#\" }} }} }}) {{ totalCount }} }}",
                            from.plural, f.name
                        )
                    }));
                }
                for document in documents {
                    let (one, other) =
                        (voice.ask(&document.replace('#', &id)).await, voice.ask(&document.replace('#', &none)).await);
                    assert_eq!(one.replace(&id, "#"), other.replace(&none, "#"), "{} asks {document}", voice.seat);
                    tried += 1;
                }
            }
        }
    }
    println!("ids of hidden rows on {:?}: {tried} documents", hub.dialect());
}
