//! L5: that the unique values of a row are taken learns only who could have written it otherwise. For every seat, every
//! mutation that gives a unique key and rows that hold it, hidden ones first if there are some: the same writes are sent
//! with the row in the way and with the row moved out of it, and what is refused must be refused in the same words.

use std::collections::HashSet;

use entente::{
    access::connect::Dialect,
    catalogue::{CATALOGUE, Field, Type},
    graphql::{
        Codec,
        model::{self, Doing, Mutation},
    },
};
use entities::meta::Kind;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    hidden::{self, Kept, decided_by, decides, list, seen},
    writes::{is_done, kept_in, send, some, unique, value},
};
use crate::{
    differential::{dump::Dump, voice::Voice},
    harness::{Hub, tests},
};

tests! {
    changing: a_row_in_the_way_moves_no_refusal;
}

type Key = [&'static Field];
type Input = Map<String, Json>;

/// Gives a row another key than it has, one that no row has.
fn away(dialect: Dialect, ty: &Type, field: &Field, row: Uuid) -> Option<String> {
    let c = format!("\"{}\"", field.column);
    let other = match field.kind {
        Kind::Text if field.one_of.is_empty() => format!("{c} || '-away'"),
        Kind::Int => format!("{c} + 100000"),
        Kind::Date if dialect == Dialect::Sqlite => format!("date({c}, '+9000 days')"),
        Kind::Date => format!("{c} + 9000"),
        _ => return None,
    };
    Some(format!("UPDATE \"{}\" SET {c} = {other} WHERE id IN ({})", ty.table, list(dialect, [&row])))
}

struct Trial<'a> {
    hub: &'a Hub,
    voice: &'a Voice,
    dump: &'a Dump,
    codec: &'a Codec,
    mutation: Mutation,
    /// What the input has.
    own: Vec<&'static Field>,
    key: &'a Key,
}

impl Trial<'_> {
    /// Rows whose key the seat could name: first some that it does not see, then some that it does, and how many it does
    /// not.
    async fn holders(&self) -> (Vec<Uuid>, usize) {
        let (hub, ty) = (self.hub, self.mutation.ty);
        let view = self.voice.view().await;
        let mut named = String::from("1 = 1");
        for field in self.key.iter().filter(|field| self.own.iter().any(|own| own.name == field.name)) {
            let Some(to) = field.to else { continue };
            let shown = seen(self.voice, &view, CATALOGUE.ty(to)).await;
            if shown.is_empty() {
                return (Vec::new(), 0);
            }
            named += &format!(" AND \"{}\" IN ({})", field.column, list(hub.dialect(), shown.keys()));
        }
        let ids = hub.texts(&format!("SELECT id FROM \"{}\" WHERE {named} ORDER BY id", ty.table)).await;
        let shown = seen(self.voice, &view, ty).await;
        let ids = ids.into_iter().flatten().map(|id| id.parse::<Uuid>().unwrap());
        let (seen, unseen): (Vec<Uuid>, Vec<Uuid>) = ids.partition(|id| shown.contains_key(id));
        let hidden = some(&unseen);
        let count = hidden.len();
        (hidden.into_iter().chain(some(&seen)).copied().collect(), count)
    }

    /// Writes that would give a row the key of the holder.
    async fn inputs(&self, holder: Uuid) -> Vec<Input> {
        let ty = self.mutation.ty;
        let in_key = |field: &Field| self.key.iter().any(|key| key.name == field.name);
        let held = kept_in(self.hub, self.codec, ty, self.key, holder).await;
        let given = |field: &&&Field| held.get(&field.name).map(|value| (field.name.clone(), value.clone()));
        let key: Input = self.own.iter().filter_map(|field| given(&field)).collect();
        let mut bases = Vec::new();
        if self.mutation.doing == Doing::Create {
            let mut input = key;
            let as_it_is: Vec<&'static Field> =
                self.own.iter().filter(|field| field.kind == Kind::Text || field.to.is_some()).copied().collect();
            for (name, value) in kept_in(self.hub, self.codec, ty, &as_it_is, holder).await {
                input.entry(name).or_insert(value);
            }
            for field in self.own.iter().filter(|field| !field.optional) {
                input.entry(field.name.clone()).or_insert_with(|| value(self.dump, field).unwrap_or(Json::Null));
            }
            bases.push(input);
        } else {
            for row in self.beside(holder).await {
                let mut input = key.clone();
                let id = self.codec.id(ty.id, row);
                if let Some(version) = ty.version().map(|field| &ty.fields[field].name) {
                    let read = self.dump.find(&id).and_then(|(_, row)| row.fields.get(version).cloned());
                    input.insert(version.clone(), read.unwrap_or(json!(1)));
                }
                input.insert("id".into(), id.into());
                bases.push(input);
            }
        }
        let mut inputs = bases.clone();
        for base in &bases {
            for field in self.own.iter().filter(|field| !in_key(field)) {
                let words: Vec<Json> = match field.one_of {
                    [] => value(self.dump, field).into_iter().collect(),
                    words => words.iter().map(|word| model::enum_value(word).into()).collect(),
                };
                for word in words {
                    let mut input = base.clone();
                    input.insert(field.name.clone(), word);
                    inputs.push(input);
                }
            }
        }
        let mut sent = HashSet::new();
        inputs.retain(|input| sent.insert(json!(input).to_string()));
        inputs
    }

    /// Rows that the seat sees and that have all of the holder's key that the input does not give.
    async fn beside(&self, holder: Uuid) -> Vec<Uuid> {
        let (table, dialect) = (self.mutation.ty.table, self.hub.dialect());
        let fixed = self.key.iter().filter(|field| !self.own.iter().any(|own| own.name == field.name));
        let fixed: String = fixed.map(|field| format!(" AND r.\"{0}\" = h.\"{0}\"", field.column)).collect();
        let held = list(dialect, [&holder]);
        let sql = format!(
            "SELECT r.id FROM \"{table}\" r, \"{table}\" h WHERE h.id IN ({held}) AND r.id <> h.id{fixed} ORDER BY r.id"
        );
        let ids: Vec<Uuid> = self.hub.texts(&sql).await.into_iter().flatten().map(|id| id.parse().unwrap()).collect();
        let view = self.voice.view().await;
        let shown = seen(self.voice, &view, self.mutation.ty).await;
        let ids: Vec<Uuid> = ids.into_iter().filter(|id| shown.contains_key(id)).collect();
        some(&ids).into_iter().copied().collect()
    }

    /// What each is answered, each in the world as it is kept, but for the holder if it is moved.
    async fn answers(&self, kept: &Kept, holder: Uuid, moved: Option<String>, inputs: &[Input]) -> Vec<String> {
        let view = self.voice.view().await;
        hidden::run(self.hub, moved.as_slice()).await;
        let mut answers = Vec::new();
        for input in inputs {
            let answer = send(self.voice, &view, self.mutation, input).await;
            if is_done(&answer) {
                kept.restore_beside(self.mutation.ty, &holder).await;
            }
            answers.push(answer);
        }
        kept.restore().await;
        answers
    }
}

async fn a_row_in_the_way_moves_no_refusal(hub: Hub) {
    let unique = unique(&hub).await;
    let kept = Kept::of(&hub).await;
    let (mut types, mut told, mut refused, mut behind) = (HashSet::new(), 0, 0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let (read, sets) = decided_by(&view, true);
        let (dump, codec) = (Dump::of(&voice).await, voice.app().graphql.codec(view.seat.organisation));
        let rows = |mutation: &Mutation| matches!(mutation.doing, Doing::Create | Doing::Update);
        for mutation in model::mutations(&view.class).filter(rows) {
            let ty = mutation.ty;
            let own: Vec<&'static Field> = mutation.fields(&view.class).map(|(_, field)| field).collect();
            for key in unique.iter().filter(|(of, _)| of.id == ty.id).map(|(_, key)| key) {
                // what the seat's rights are decided by stays as it is
                let still =
                    |field: &Field| decides(ty, &sets) && read.contains(&(ty.id, ty.field_index(&field.name).unwrap()));
                let given = key.iter().any(|field| own.iter().any(|own| own.name == field.name));
                let Some(moved) =
                    key.iter().find(|field| !still(field) && away(hub.dialect(), ty, field, Uuid::nil()).is_some())
                else {
                    continue;
                };
                if !given {
                    continue;
                }
                let trial =
                    Trial { hub: &hub, voice: &voice, dump: &dump, codec: &codec, mutation, own: own.clone(), key };
                let (holders, hidden) = trial.holders().await;
                for (n, holder) in holders.into_iter().enumerate() {
                    let inputs = trial.inputs(holder).await;
                    let there = trial.answers(&kept, holder, None, &inputs).await;
                    let moved = away(hub.dialect(), ty, moved, holder);
                    let gone = trial.answers(&kept, holder, moved, &inputs).await;
                    for ((input, there), gone) in inputs.iter().zip(&there).zip(&gone) {
                        if is_done(gone) && there.contains("\"CONFLICT\"") {
                            told += 1;
                            continue;
                        }
                        // the key of a row that is made is a new one each time
                        let same = there == gone || is_done(there) && is_done(gone);
                        assert!(same, "{}: {} {input:?}\n{there}\n{gone}", voice.seat, mutation.name());
                        refused += usize::from(!is_done(gone));
                        behind += usize::from(!is_done(gone) && n < hidden);
                        types.insert(ty.name);
                    }
                }
            }
        }
    }
    println!(
        "rows in the way on {:?}: {refused} writes of {} types refused alike with and without them, {behind} of these \
         with a hidden one, {told} told that the values are taken",
        hub.dialect(),
        types.len()
    );
    assert!(told > 0 && refused > 0);
}
