//! What a view shows as of a position is what it showed then: a random world goes through a random history, answers
//! are taken on the way, and at the end the same statements are asked of each of those states.
//! `PAST_CASES` sets the number of histories, `PAST_SEED` the first one.

use std::{fmt::Write, sync::Arc};

use entente::{
    access::{
        Gate, Reading, Seat, View,
        log::Position,
        memory::{Eye, Needs, Shown},
        read::{Arg, Rows},
        select::{Binding, RowRef, Select, Statement},
    },
    catalogue::{CATALOGUE, Type, Value},
    config::Changes,
    error::Code,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use uuid::Uuid;

use super::{
    grammar::Grammar,
    images::cases,
    reference::{Asker, SECRET},
    soundness::{Bench, Tally, askers, fill},
    world::{Row, World},
};
use crate::harness::{Hub, tests, until};

tests! {
    empty: a_view_shows_what_it_showed_then;
}

/// Histories per database, and steps of each.
const HISTORIES: u64 = 8;
const STEPS: usize = 6;
/// More changes than a session takes along: it turns to the log for them.
const MANY: u128 = 600;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

async fn a_view_shows_what_it_showed_then(hub: Hub) {
    let first = number("PAST_SEED", 1);
    let (mut answers, mut moved) = (0, 0);
    for seed in first..first + number("PAST_CASES", HISTORIES) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::random(seed);
        let policies = Grammar { rng: &mut rng, world: &world }.policies(12);
        let shipped = seed.is_multiple_of(3);
        let bench = match shipped {
            true => Bench::open(&hub, None).await.unwrap(),
            false => Bench::random(&hub, policies, &mut Tally::default()).await.0,
        };
        fill(&hub, &world).await;
        let seats = askers(&world, &mut rng, 3);
        let mut taken = Vec::new();
        for step in 0..=STEPS {
            for asker in seats.iter().filter_map(|seat| seat.first()) {
                let known = Taken::of(&bench.gate, &world, asker).await;
                taken.extend(known);
            }
            if step < STEPS {
                change(&hub, &mut world, &mut rng).await;
            }
        }
        for then in &taken {
            then.is_shown(&bench.gate, seed, "at hand").await;
        }
        noise(&hub, seed).await;
        for then in &taken {
            then.is_shown(&bench.gate, seed, "in the log").await;
        }
        answers += taken.len();
        moved += taken.windows(2).filter(|pair| pair[0].answers != pair[1].answers).count();
        let (gate, end) = (&bench.gate, taken[taken.len() - 1].position);
        assert_eq!(gate.past(Position(end.0 + 1_000_000)).await.err().map(|e| e.code()), Some(Code::Gap));
        let limits = Changes { keep: "30d".parse().unwrap(), most: 1, listen: true, look: None };
        until("the log to be trimmed", || async {
            gate.trim_changes(&limits).await.unwrap();
            hub.sql("UPDATE organisation SET display_name = display_name || '.'").await;
            (gate.oldest().await.unwrap() > end).then_some(())
        })
        .await;
        assert_eq!(gate.past(end).await.err().map(|e| e.code()), Some(Code::Gap));
    }
    // histories in which nothing happens would prove nothing
    assert!(moved * 3 > answers, "{moved} of {answers}");
    println!("past on {:?}: {answers} answers, asked of three states of the log", hub.dialect());
}

/// What a seat was shown at a position.
struct Taken {
    position: Position,
    view: Arc<View>,
    asker: Asker,
    world: World,
    statements: Vec<Asked>,
    answers: Vec<String>,
    decided: Vec<Option<Shown>>,
}

struct Asked {
    what: String,
    statement: Statement,
    slots: Vec<Arg>,
    columns: usize,
}

impl Taken {
    async fn of(gate: &Gate, world: &World, asker: &Asker) -> Option<Self> {
        let seat = Seat { organisation: asker.organisation, role: asker.role.clone() };
        let view = gate.seat_view(&seat, gate.now()).await.ok()?;
        let position = gate.head().await.unwrap();
        let statements = statements(gate, &view, world);
        let mut reading = gate.session(true).await.unwrap();
        let answers = answers(&mut reading, &statements, asker).await;
        reading.finish().await.unwrap();
        let decided = gate.decide(asker.now, &cases(&view, asker, world)).await.unwrap();
        Some(Taken { position, view, asker: asker.clone(), world: world.clone(), statements, answers, decided })
    }

    async fn is_shown(&self, gate: &Gate, seed: u64, how: &str) {
        let mut reading = gate.past(self.position).await.unwrap();
        let now = answers(&mut reading, &self.statements, &self.asker).await;
        for (i, (then, now)) in self.answers.iter().zip(&now).enumerate() {
            let Asked { what, statement, .. } = &self.statements[i];
            let (position, sql) = (self.position, statement.sql());
            assert_eq!(then, now, "seed {seed}, {what} at {position}, changes {how}\n{sql}");
        }
        for ty in &CATALOGUE.types {
            let mut keys: Vec<Uuid> = self.world.all(ty.name).map(|row| row.key()).collect();
            let mut there = reading.existing(ty.id, [&keys[..], &[Uuid::from_u128(7)]].concat()).await.unwrap();
            keys.sort_unstable();
            there.sort_unstable();
            assert_eq!(there, keys, "seed {seed}, rows of {} at {}, changes {how}", ty.name, self.position);
        }
        let mut recalled = 0;
        for Asked { what, statement, slots, .. } in &self.statements {
            let Arg::Ids(keys) = &slots[0] else { panic!("no keys") };
            let eye = Eye { view: &self.view, me: self.asker.person, secret: SECRET };
            let rows = gate.recall(statement, (self.position, self.asker.now), eye, keys).await.unwrap();
            let Some(rows) = rows else { continue };
            let binding = Binding { now: self.asker.now, me: self.asker.person, secret: SECRET, slots };
            let difference = rows.difference(&reading.run(statement, &binding).await.unwrap());
            let (position, sql) = (self.position, statement.sql());
            assert_eq!(difference, None, "seed {seed}, {what} in memory at {position}, changes {how}\n{sql}");
            recalled += 1;
        }
        reading.finish().await.unwrap();
        let by_key = self.statements.iter().filter(|asked| asked.what.starts_with("rows by key")).count();
        assert_eq!(recalled, by_key, "seed {seed}, at {}, changes {how}", self.position);
        let cases = cases(&self.view, &self.asker, &self.world);
        let known = gate.learn_at(Some(self.position), self.asker.now, &cases).await.unwrap();
        for (case, then) in cases.iter().zip(&self.decided) {
            let now = case.decide(&known, &mut Needs::default()).unwrap();
            assert_eq!(&now, then, "seed {seed}, {} in memory at {}", CATALOGUE.ty(case.ty).name, self.position);
        }
    }
}

/// Every type that the view shows, in every form in which statements are written.
fn statements(gate: &Gate, view: &View, world: &World) -> Vec<Asked> {
    let dialect = gate.dialect();
    let mut all = Vec::new();
    for ty in CATALOGUE.types.iter().filter(|ty| !view.of(ty.id).row.is_never()) {
        let mut keys: Vec<Uuid> = world.all(ty.name).map(|row| row.key()).collect();
        keys.push(Uuid::from_u128(7));
        let mut add = |what: &str, statement, slots: Vec<Uuid>, columns| {
            all.push(Asked {
                what: format!("{what} of {}", ty.name),
                statement,
                slots: vec![Arg::Ids(slots)],
                columns,
            });
        };
        let (mut select, row) = Select::rows(view, dialect, ty.id);
        let columns = read(view, &mut select, row, ty, true);
        select.order(&[], false);
        add("a page", select.page(500), Vec::new(), columns);
        let (mut select, row) = Select::some_rows(view, dialect, ty.id);
        select.with_key(0, true);
        let columns = read(view, &mut select, row, ty, true);
        select.order(&[], false);
        add("rows by key", select.page(500), keys.clone(), columns);
        let (mut select, row) = Select::all_rows(view, dialect, ty.id);
        let columns = read(view, &mut select, row, ty, false);
        select.order(&[], false);
        add("all rows", select.page(500), Vec::new(), columns);
        let (select, _) = Select::all_rows(view, dialect, ty.id);
        add("the count", select.count(), Vec::new(), 1);
        for list in ty.lists.iter().filter(|list| view.sees(list.of, list.by)) {
            let of = CATALOGUE.ty(list.of);
            let (mut select, row) = Select::children(view, dialect, of.id, list.by);
            select.order(&[], false);
            let columns = read(view, &mut select, row, of, true) + 1;
            add(list.name, select.page_of_each(list.by, 0, 3), keys.clone(), columns);
        }
    }
    all
}

/// All fields of the row, and of those that it leads to; the number of columns.
fn read(view: &View, select: &mut Select<'_>, row: RowRef, ty: &'static Type, joins: bool) -> usize {
    let mut columns = 0;
    let mut of = |select: &mut Select<'_>, row: RowRef, ty: &Type| {
        for i in 0..ty.fields.len() {
            columns = columns.max(select.column(row, i) + 1);
            if joins
                && !view.of(ty.id).fields[i].is_hidden()
                && let Some(flag) = select.flag(row, i)
            {
                columns = columns.max(flag + 1);
            }
        }
    };
    of(select, row, ty);
    for (i, field) in ty.fields.iter().enumerate().filter(|_| joins) {
        if let Some(to) = field.to.filter(|to| view.sees_type(*to) && view.sees(ty.id, i)) {
            let target = select.join(row, i).expect("a reference");
            of(select, target, CATALOGUE.ty(to));
        }
    }
    columns
}

async fn answers(reading: &mut Reading<'_>, statements: &[Asked], asker: &Asker) -> Vec<String> {
    let mut out = Vec::new();
    for Asked { what, statement, slots, columns } in statements {
        let binding = Binding { now: asker.now, me: asker.person, secret: SECRET, slots };
        let rows =
            reading.run(statement, &binding).await.unwrap_or_else(|e| panic!("{what}: {e}\n{}", statement.sql()));
        out.push(text(&rows, *columns));
    }
    out
}

fn text(rows: &Rows, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows.len() {
        (0..columns).for_each(|column| write!(text, "{:?} ", rows.cell(row, column)).unwrap());
        text.push('\n');
    }
    text
}

/// Some writes, as a transaction and by themselves: values that other rows have, rows that go and come again.
async fn change(hub: &Hub, world: &mut World, rng: &mut StdRng) {
    let leaf = |ty: &&Type| CATALOGUE.types.iter().flat_map(|t| &t.fields).all(|field| field.to != Some(ty.id));
    let logged: Vec<&Type> = CATALOGUE.types.iter().filter(|ty| ty.name != "AuditEvent").collect();
    let leaves: Vec<&Type> = logged.iter().copied().filter(|ty| leaf(ty)).collect();
    let mut gone: Vec<(&Type, Row)> = Vec::new();
    for _ in 0..4 {
        let ty = *leaves.choose(rng).expect("some");
        let rows = &mut world.rows[ty.id.0];
        if !rows.is_empty() {
            let row = rows.remove(rng.gen_range(0..rows.len()));
            let Value::Id(key) = row[0] else { panic!("no key") };
            let key = match hub.dialect() {
                entente::access::connect::Dialect::Postgres => format!("'{key}'"),
                entente::access::connect::Dialect::Sqlite => format!("X'{}'", key.simple()),
            };
            hub.sql(&format!("DELETE FROM \"{}\" WHERE id = {key}", ty.table)).await;
            gone.push((ty, row));
        }
    }
    let mut load = hub.db().load().await.unwrap();
    for _ in 0..rng.gen_range(5..25) {
        let ty = *logged.choose(rng).expect("some");
        let rows = &world.rows[ty.id.0];
        let (Some(row), Some(other)) = (rows.choose(rng), rows.choose(rng)) else { continue };
        let field = rng.gen_range(1..ty.fields.len());
        let Value::Id(key) = row[0] else { panic!("no key") };
        // a type that points at itself stays without circles
        let value = match ty.fields[field].to == Some(ty.id) {
            true if ty.fields[field].optional => Value::Null,
            true => continue,
            false => other[field].clone(),
        };
        let refused = load.update_each(ty, &[field], &[(key, vec![value.clone()])]).await.unwrap();
        if refused.is_empty() {
            let at = world.rows[ty.id.0].iter().position(|row| row[0] == Value::Id(key)).expect("the row");
            world.rows[ty.id.0][at][field] = value;
        }
    }
    // under its own key, or as a new row
    for (ty, mut row) in gone.into_iter().skip(1) {
        if rng.gen_bool(0.5) {
            row[0] = Value::Id(Uuid::from_u128(rng.r#gen()));
        }
        let columns: Vec<usize> = (0..ty.fields.len()).collect();
        let refused = load.insert_each(ty, &columns, std::slice::from_ref(&row)).await.unwrap();
        if refused.is_empty() {
            world.rows[ty.id.0].push(row);
        }
    }
    load.commit().await.unwrap();
}

/// So many changes that no session takes them along, in tables that views read.
async fn noise(hub: &Hub, seed: u64) {
    let ty = CATALOGUE.by_name("Product").expect("a type");
    let columns: Vec<usize> = (0..ty.fields.len()).collect();
    let row = |n: u128| -> Vec<Value> {
        let value = |field: &entente::catalogue::Field| match field.name.as_str() {
            "id" => Value::Id(Uuid::from_u128(u128::from(seed) << 64 | n)),
            "sku" => Value::from(format!("noise-{seed}-{n}")),
            _ if field.optional => Value::Null,
            _ if !field.one_of.is_empty() => Value::from(field.one_of[0]),
            _ => match field.kind {
                entities::meta::Kind::Bool => Value::Bool(true),
                entities::meta::Kind::Text => Value::from("a"),
                entities::meta::Kind::Int => Value::Int(1),
                entities::meta::Kind::Decimal => Value::Decimal(entities::Decimal(1)),
                entities::meta::Kind::Instant => Value::Instant(entities::Instant(1)),
                entities::meta::Kind::Date => Value::Date(chrono::NaiveDate::default()),
                entities::meta::Kind::Json => Value::Json(serde_json::json!([])),
                entities::meta::Kind::Id => Value::Null,
            },
        };
        ty.fields.iter().map(value).collect()
    };
    let mut load = hub.db().load().await.unwrap();
    load.insert(ty, &columns, &(0..MANY).map(row).collect::<Vec<_>>()).await.unwrap();
    load.commit().await.unwrap();
}
