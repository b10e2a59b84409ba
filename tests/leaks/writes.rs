//! L5, L7, L9: a write tells nothing of what its writer does not see. For every seat that writes, a script of writes is
//! made of the catalogue: each mutation, each field of its input, with what the seat sees, what it does not and what
//! nobody has. It runs in two worlds that the seat cannot tell apart, and what is answered must be the same.

use std::collections::{HashMap, HashSet};

use entente::{
    access::{Treatment, View, connect::Dialect},
    catalogue::{CATALOGUE, Field, Type, TypeId},
    graphql::{
        Codec,
        model::{self, Doing, Mutation},
    },
};
use entities::meta::Kind;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    hidden::{self, Kept, decided_by, hidden_rows, seen},
    unknown::{object, seen as shown},
};
use crate::{
    differential::{
        dump::{Dump, Node},
        voice::Voice,
    },
    harness::{Hub, tests},
};

tests! {
    changing: what_is_hidden_moves_no_answer_to_a_write;
}

/// One write of the script.
struct Case {
    mutation: Mutation,
    input: Map<String, Json>,
    /// What a row that is hidden has, or, beside it, what no row has: both give the same answer.
    given: Option<String>,
    /// All that must not be the same in two rows is as in a hidden one.
    collides: bool,
}

struct Script<'a> {
    view: &'a View,
    dump: &'a Dump,
    codec: &'a Codec,
    hidden: HashMap<TypeId, Vec<Uuid>>,
    /// Values of a hidden row that no other row of the type may have.
    taken: HashMap<(TypeId, &'static str), String>,
    /// What some hidden rows have in the columns that are unique together.
    together: HashMap<TypeId, Vec<Map<String, Json>>>,
    cases: Vec<Case>,
}

/// The columns that two rows of a table must not share all of, as the database has them.
pub async fn unique(hub: &Hub) -> Vec<(&'static Type, Vec<&'static Field>)> {
    let sql = match hub.dialect() {
        Dialect::Sqlite => {
            "SELECT m.name || ' ' || (SELECT group_concat(i.name, ' ') FROM pragma_index_info(l.name) i) \
             FROM sqlite_master m, pragma_index_list(m.name) l WHERE m.type = 'table' AND l.\"unique\" = 1"
        }
        Dialect::Postgres => {
            "SELECT c.relname || ' ' || string_agg(a.attname, ' ') FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey) \
             WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname, x.indexrelid"
        }
    };
    let mut found = Vec::new();
    for line in hub.texts(sql).await.into_iter().flatten() {
        let mut words = line.split(' ');
        let table = words.next().unwrap();
        let Some(ty) = CATALOGUE.types.iter().find(|ty| ty.table == table) else { continue };
        let fields = words.map(|column| ty.fields.iter().find(|field| field.column == column).unwrap());
        let fields: Vec<&Field> = fields.collect();
        if fields.iter().any(|field| field.name != "id") {
            found.push((ty, fields));
        }
    }
    assert!(found.iter().any(|(_, fields)| fields.len() == 1) && found.iter().any(|(_, fields)| fields.len() > 1));
    found
}

fn none(ty: &Type, n: u128) -> Uuid {
    Uuid::from_u128(0x7000_0000_0000_0000_0000_0000_0000_0000 + ((ty.id.0 as u128) << 32) + n)
}

/// Some of them: the first, one in the middle, the last.
pub fn some<T>(all: &[T]) -> Vec<&T> {
    let mut at = vec![0, all.len() / 2, all.len().saturating_sub(1)];
    at.dedup();
    at.into_iter().filter_map(|i| all.get(i)).collect()
}

/// A value that the field can have.
pub fn value(dump: &Dump, field: &Field) -> Option<Json> {
    if let Some(to) = field.to {
        return dump.rows(CATALOGUE.ty(to)).last().map(|row| row.id.clone().into());
    }
    Some(match field.kind {
        Kind::Text if !field.one_of.is_empty() => model::enum_value(field.one_of[0]).into(),
        Kind::Text => "q".into(),
        Kind::Int => 1.into(),
        Kind::Decimal => "1".into(),
        Kind::Bool => true.into(),
        Kind::Instant => "2026-06-15T10:00:00Z".into(),
        Kind::Date => "2026-06-15".into(),
        Kind::Json => json!(["q"]),
        Kind::Id => return None,
    })
}

impl Script<'_> {
    /// Every mutation of the class that meets something hidden.
    fn write(&mut self) {
        for mutation in model::mutations(&self.view.class).filter(|mutation| self.hides(*mutation)).collect::<Vec<_>>()
        {
            match mutation.doing {
                Doing::Create => self.creates(mutation),
                Doing::Update => self.updates(mutation),
                Doing::Delete | Doing::Hook(_) => self.deletes(mutation),
                Doing::Open => self.looks(mutation),
            }
        }
    }

    /// Whether there is something of what it writes, or of what that leads to, that the seat does not see.
    fn hides(&self, Mutation { ty, doing }: Mutation) -> bool {
        let shown = |field: usize| {
            self.view.of(ty.id).fields[field]
                .levels
                .first()
                .is_some_and(|(p, shown)| p.is_always() && *shown == Treatment::Full)
        };
        let rows = |ty: TypeId| !self.hidden[&ty].is_empty();
        doing == Doing::Open
            || rows(ty.id)
            || ty.fields.iter().any(|f| f.to.is_some_and(rows))
            || !(1..ty.fields.len()).all(shown)
    }

    fn add(&mut self, mutation: Mutation, input: Map<String, Json>) {
        self.cases.push(Case { mutation, input, given: None, collides: false });
    }

    /// Once with the ids of so many hidden rows, and once with ids that no row has.
    fn ids(&mut self, mutation: Mutation, of: &Type, at: &str, input: &Map<String, Json>, most: usize) {
        let rows: Vec<Uuid> = some(&self.hidden[&of.id]).into_iter().take(most).copied().collect();
        for (n, row) in rows.into_iter().enumerate() {
            let both = [self.codec.id(of.id, row), self.codec.id(of.id, none(of, n as u128))];
            self.pair(mutation, at, both, input);
        }
    }

    fn pair(&mut self, mutation: Mutation, at: &str, both: [String; 2], input: &Map<String, Json>) {
        for given in both {
            let mut input = input.clone();
            input.insert(at.into(), given.clone().into());
            self.cases.push(Case { mutation, input, given: Some(given), collides: false });
        }
    }

    /// With a value that a hidden row has, and one that no row has.
    fn taken(&mut self, mutation: Mutation, field: &Field, input: &Map<String, Json>) {
        if let Some(taken) = self.taken.get(&(mutation.ty.id, field.column)).cloned() {
            let free = taken.chars().rev().collect::<String>() + "zz";
            self.pair(mutation, &field.name, [taken, free], input);
        }
    }

    /// With all that a hidden row has in the columns that are unique together.
    fn collides(&mut self, mutation: Mutation, input: &Map<String, Json>) {
        let fields: HashSet<&str> = mutation.fields(&self.view.class).map(|(_, field)| field.name.as_str()).collect();
        for of in self.together.get(&mutation.ty.id).cloned().unwrap_or_default() {
            let mut input = input.clone();
            input.extend(of.into_iter().filter(|(name, _)| fields.contains(name.as_str())));
            self.cases.push(Case { mutation, input, given: None, collides: true });
        }
    }

    fn rows(&self, ty: &'static Type) -> Vec<&Node> {
        some(self.dump.rows(ty))
    }

    fn updates(&mut self, mutation: Mutation) {
        let ty = mutation.ty;
        let fields: Vec<&'static Field> = mutation.fields(&self.view.class).map(|(_, field)| field).collect();
        let ids: Vec<String> = self.rows(ty).into_iter().map(|row| row.id.clone()).collect();
        for (place, id) in ids.into_iter().enumerate() {
            for (n, field) in fields.iter().enumerate() {
                let with = |value: Json| object(json!({ "id": id, &field.name: value }));
                if let Some(value) = value(self.dump, field) {
                    self.add(mutation, with(value));
                }
                if place == 0 {
                    self.taken(mutation, field, &with(Json::Null));
                }
                if let Some(to) = field.to.filter(|_| place == 0) {
                    self.ids(mutation, CATALOGUE.ty(to), &field.name, &with(Json::Null), 3);
                }
                if place > 0 && n > 1 {
                    break;
                }
            }
            self.collides(mutation, &object(json!({ "id": id })));
        }
        for (n, field) in fields.into_iter().enumerate() {
            if let Some(value) = value(self.dump, field) {
                self.ids(mutation, ty, "id", &object(json!({ &field.name: value })), if n == 0 { 3 } else { 1 });
            }
        }
    }

    fn deletes(&mut self, mutation: Mutation) {
        let ids: Vec<String> = self.rows(mutation.ty).into_iter().map(|row| row.id.clone()).collect();
        self.ids(mutation, mutation.ty, "id", &Map::new(), 3);
        for id in ids {
            self.add(mutation, object(json!({ "id": id })));
        }
    }

    fn creates(&mut self, mutation: Mutation) {
        let fields: Vec<&'static Field> = mutation.fields(&self.view.class).map(|(_, field)| field).collect();
        let mut least = Map::new();
        for field in fields.iter().filter(|field| !field.optional) {
            least.insert(field.name.clone(), value(self.dump, field).unwrap_or(Json::Null));
        }
        self.add(mutation, least.clone());
        self.collides(mutation, &least);
        for field in &fields {
            self.taken(mutation, field, &least);
            if let Some(to) = field.to {
                self.ids(mutation, CATALOGUE.ty(to), &field.name, &least, 3);
            }
            let mut input = least.clone();
            if let Some(value) = value(self.dump, field).filter(|_| field.optional) {
                input.insert(field.name.clone(), value);
                self.add(mutation, input);
            }
        }
    }

    /// Each takes a view of its own, so not every type: its hidden fields are tried by name in `doors`.
    fn looks(&mut self, mutation: Mutation) {
        for ty in CATALOGUE.types.iter().filter(|ty| self.view.sees_type(ty.id)).step_by(6) {
            let field = (1..ty.fields.len()).find(|i| self.view.sees(ty.id, *i)).unwrap();
            let input = json!({ "field": ty.fields[field].name, "reason": "because it has to be" });
            self.ids(mutation, ty, "id", &object(input), 1);
        }
    }
}

/// The whole row, as its writer sees it.
fn payload(view: &View, mutation: Mutation) -> String {
    let Mutation { ty, doing } = mutation;
    if doing == Doing::Delete {
        return "id".into();
    }
    let names = shown(&view.class, ty).into_iter().filter_map(|name| ty.field(name));
    // the key of a row that is made is a new one each time
    let names = names.filter(|field| doing == Doing::Update || field.name != "id");
    let parts: Vec<String> =
        names.map(|f| if f.to.is_some() { format!("{} {{ id }}", f.name) } else { f.name.clone() }).collect();
    format!("row: {} {{ __typename {} }}", ty.singular(), parts.join(" "))
}

/// What was sent, and what it was answered.
type Sent = (Mutation, Map<String, Json>, String);

pub async fn send(voice: &Voice, view: &View, mutation: Mutation, input: &Map<String, Json>) -> String {
    let document = format!(
        "mutation($input: {}!) {{ done: {}(input: $input) {{ {} }} }}",
        mutation.part("Input"),
        mutation.name(),
        payload(view, mutation)
    );
    let answer = voice.ask_with(&document, object(json!({ "input": input }))).await;
    assert!(!answer.contains("\"code\":\"INTERNAL\""), "{}: {document} {input:?}\n{answer}", voice.seat);
    answer
}

/// One after the other; a version that an answer tells is sent with the next write of the row.
async fn run(voice: &Voice, view: &View, dump: &Dump, cases: &[Case], key: Option<&str>) -> Vec<Sent> {
    let (mut versions, mut sent) = (HashMap::<String, Json>::new(), Vec::new());
    for (n, Case { mutation, input, .. }) in cases.iter().enumerate() {
        let mut input = input.clone();
        let id = input.get("id").and_then(Json::as_str).unwrap_or_default().to_owned();
        let versioned = mutation.ty.version().filter(|_| matches!(mutation.doing, Doing::Update | Doing::Delete));
        if let Some(version) = versioned {
            let name = &mutation.ty.fields[version].name;
            let read = || dump.find(&id).and_then(|(_, row)| row.fields.get(name).cloned());
            input.insert("rowVersion".into(), versions.get(&id).cloned().or_else(read).unwrap_or(json!(1)));
        }
        if let Some(key) = key.filter(|_| mutation.doing != Doing::Open) {
            input.insert("idempotencyKey".into(), format!("{key}{n}").into());
        }
        let answer = send(voice, view, *mutation, &input).await;
        let body: Json = serde_json::from_str(&answer).unwrap();
        if let Some(version) = body["data"]["done"]["row"].get("rowVersion") {
            versions.insert(id, version.clone());
        }
        sent.push((*mutation, input, answer));
    }
    sent
}

async fn again(voice: &Voice, view: &View, sent: &[Sent]) -> Vec<String> {
    let mut answers = Vec::new();
    for (mutation, input, _) in sent {
        answers.push(send(voice, view, *mutation, input).await);
    }
    answers
}

pub fn is_done(answer: &str) -> bool {
    !answer.contains("\"errors\"")
}

/// Each pair of cases gives the same, but that a value is taken is told to who could have written it otherwise.
fn same_in_pairs(voice: &Voice, cases: &[Case], sent: &[Sent]) -> usize {
    let given: Vec<_> = cases.iter().zip(sent).filter_map(|(case, sent)| Some((case.given.as_ref()?, sent))).collect();
    for pair in given.chunks(2) {
        let [(hidden, (mutation, input, one)), (none, (.., other))] = pair else { panic!("half a pair") };
        if !(is_done(other) && one.contains("\"CONFLICT\"")) {
            let (one, other) = (one.replace(*hidden, "#"), other.replace(*none, "#"));
            assert_eq!(one, other, "{}: {} {input:?}", voice.seat, mutation.name());
        }
    }
    given.len() / 2
}

/// What a row has in these fields, as an input names it.
pub async fn kept_in(hub: &Hub, codec: &Codec, ty: &Type, fields: &[&'static Field], id: Uuid) -> Map<String, Json> {
    let id = hidden::list(hub.dialect(), [&id]);
    let mut values = Map::new();
    for field in fields {
        let sql = format!("SELECT \"{}\" FROM \"{}\" WHERE id = {id}", field.column, ty.table);
        let Some(value) = hub.texts(&sql).await.remove(0) else { continue };
        let value = match (field.to, field.kind) {
            (Some(to), _) => codec.id(to, value.parse().unwrap()).into(),
            (None, Kind::Int) => value.parse::<i64>().unwrap().into(),
            (None, _) if !field.one_of.is_empty() => model::enum_value(&value).into(),
            _ => value.into(),
        };
        values.insert(field.name.clone(), value);
    }
    values
}

async fn what_is_hidden_moves_no_answer_to_a_write(hub: Hub) {
    let dialect = hub.dialect();
    let unique = unique(&hub).await;
    let (mut seats, mut writes, mut done, mut pairs, mut fields, mut collisions) = (0, 0, 0, 0, 0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        if model::mutations(&view.class).next().is_none() {
            continue;
        }
        let (read, sets) = decided_by(&view, true);
        let changes =
            [hidden::values(&hub, &voice, &view, &read).await, hidden::remainders(&hub, &voice, &view, &read).await];
        let rows = hidden_rows(&hub, &voice, &view, &sets).await;
        let (dump, codec) = (Dump::of(&voice).await, voice.app().graphql.codec(view.seat.organisation));
        let (mut all_hidden, mut taken) = (HashMap::new(), HashMap::new());
        let mut together: HashMap<TypeId, Vec<Map<String, Json>>> = HashMap::new();
        for ty in &CATALOGUE.types {
            let seen = seen(&voice, &view, ty).await;
            let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
            let ids = ids.into_iter().flatten().map(|id| id.parse().unwrap()).filter(|id| !seen.contains_key(id));
            let ids: Vec<Uuid> = ids.collect();
            for fields in unique.iter().filter(|(of, _)| of.id == ty.id).map(|(_, fields)| fields) {
                for (n, id) in some(&ids).into_iter().enumerate() {
                    let values = kept_in(&hub, &codec, ty, fields, *id).await;
                    match fields[..] {
                        [field] if n == 0 => {
                            let value = values.get(&field.name).and_then(Json::as_str).map(String::from);
                            taken.extend(value.map(|value| ((ty.id, field.column), value)));
                        }
                        [_] => {}
                        _ => together.entry(ty.id).or_default().push(values),
                    }
                }
            }
            all_hidden.insert(ty.id, ids);
        }
        let mut script =
            Script { view: &view, dump: &dump, codec: &codec, hidden: all_hidden, taken, together, cases: Vec::new() };
        script.write();
        let cases = script.cases;
        let statements: Vec<String> = changes.iter().flat_map(|changes| changes.sql.clone()).collect();
        let change = async || hidden::run(&hub, &statements).await;

        let kept = Kept::of(&hub).await;
        let first = run(&voice, &view, &dump, &cases, None).await;
        pairs += same_in_pairs(&voice, &cases, &first);
        kept.restore().await;
        change().await;
        hidden::add(&hub, &rows).await;
        hidden::delete(&hub, &rows).await;
        let second = run(&voice, &view, &dump, &cases, None).await;
        same_in_pairs(&voice, &cases, &second);
        for (case, ((mutation, input, one), (.., other))) in cases.iter().zip(first.iter().zip(&second)) {
            let told = |one: &str, other: &str| is_done(one) && other.contains("\"CONFLICT\"");
            let taken = (case.given.is_some() || case.collides) && (told(one, other) || told(other, one));
            assert!(taken || one == other, "{}: {} {input:?}\n{one}\n{other}", voice.seat, mutation.name());
        }
        kept.restore().await;

        collisions += cases.iter().filter(|case| case.collides).count();
        // sent again under its key, when what is hidden has changed
        let keyed: Vec<Case> =
            cases.into_iter().zip(&first).filter(|(_, (.., answer))| is_done(answer)).map(|(case, _)| case).collect();
        let sent = run(&voice, &view, &dump, &keyed, Some("again")).await;
        let told = again(&voice, &view, &sent).await;
        change().await;
        assert_eq!(told, again(&voice, &view, &sent).await, "{}", voice.seat);
        kept.restore().await;

        (seats, writes, done) = (seats + 1, writes + first.len(), done + sent.len());
        fields += changes.iter().map(|changes| changes.fields).sum::<usize>();
    }
    println!(
        "writes on {dialect:?}: {seats} seats, {writes} writes in two worlds that differ in {fields} hidden fields, \
         {pairs} ids and values of hidden rows beside those of none, {collisions} with the unique values of hidden rows, \
         {done} sent again"
    );
    assert!(pairs > 0 && done > 0 && collisions > 0);
}
