//! L1-L4, L11, L13: a name that the seat does not see is a name that does not exist. Each hidden name is put
//! into each position, beside the same document with a made-up name of the same length; the answers must be
//! equal but for the name.

use std::collections::HashSet;

use entente::{
    access::ViewClass,
    catalogue::{CATALOGUE, Field, Type, pascal, screaming},
};
use entities::meta::Kind;
use serde_json::{Map, Value as Json, json};

use crate::{
    differential::voice::Voice,
    harness::{Hub, tests},
};

tests! {
    reading:
        hidden_fields_are_unknown_in_every_position,
        hidden_fields_are_unknown_to_who_stands_for_another,
        hidden_fields_are_unknown_in_variables,
        hidden_types_are_unknown,
        what_is_shown_in_sums_is_unknown_elsewhere,
        introspection_and_rights_name_what_is_seen_and_nothing_else;
}

/// Names per document: as many aliases as it may have, and some room.
pub const BATCH: usize = 40;

/// A name of the same length and the same case that nothing has.
pub fn made_up(name: &str) -> String {
    let like = |(i, c): (usize, char)| match (c, i % 2 == 0) {
        ('_', _) => '_',
        (c, even) if c.is_ascii_uppercase() => {
            if even {
                'Z'
            } else {
                'Q'
            }
        }
        (_, even) => {
            if even {
                'z'
            } else {
                'q'
            }
        }
    };
    name.chars().enumerate().map(like).collect()
}

/// What a seat's class hides of a type: its own fields, references to hidden types, and lists.
pub struct Hidden {
    pub fields: Vec<&'static Field>,
    pub lists: Vec<&'static str>,
}

pub fn hidden(class: &ViewClass, ty: &'static Type) -> Hidden {
    let shown: HashSet<&str> = seen(class, ty).into_iter().collect();
    Hidden {
        fields: ty.fields.iter().skip(1).filter(|f| !shown.contains(f.name.as_str())).collect(),
        lists: ty.lists.iter().map(|l| l.name).filter(|l| !shown.contains(l)).collect(),
    }
}

/// The names that the type shows in this class.
pub fn seen(class: &ViewClass, ty: &'static Type) -> Vec<&'static str> {
    let leads = |i: usize, f: &Field| f.to.map_or(i == 0 || f.kind != Kind::Id, |to| class.sees_type(to));
    let own = ty.fields.iter().enumerate().filter(|(i, f)| class.sees(ty.id, *i) && leads(*i, f));
    let lists = ty.lists.iter().filter(|l| class.sees(l.of, l.by)).map(|l| l.name);
    own.map(|(_, f)| f.name.as_str()).chain(lists).collect()
}

/// Variables with a name in them.
type Variables = fn(&str) -> Json;

pub fn object(json: Json) -> Map<String, Json> {
    json.as_object().unwrap().clone()
}

/// Asks with the hidden names and with made-up ones.
pub struct Trial<'a> {
    voice: &'a Voice,
    pub documents: usize,
    pub names: usize,
}

impl Trial<'_> {
    pub fn of(voice: &Voice) -> Trial<'_> {
        Trial { voice, documents: 0, names: 0 }
    }

    /// `part` writes a root field with the name in it; the number makes its alias.
    async fn roots(&mut self, names: &[String], part: impl Fn(&str, usize) -> String) {
        self.parts(["{ ", " }"], names, part).await;
    }

    /// Parts of a document that begins and ends like this.
    pub async fn parts(&mut self, [open, close]: [&str; 2], names: &[String], part: impl Fn(&str, usize) -> String) {
        for (chunk, some) in names.chunks(BATCH).enumerate() {
            let document = |write: &dyn Fn(&str) -> String| {
                let parts = some.iter().enumerate().map(|(i, name)| part(&write(name), chunk * BATCH + i));
                format!("{open}{}{close}", parts.collect::<Vec<_>>().join(" "))
            };
            let (one, other) = (document(&str::to_string), document(&made_up));
            self.same(&one, &other, Map::new(), Map::new(), some).await;
        }
    }

    pub async fn same(&mut self, one: &str, other: &str, v: Map<String, Json>, w: Map<String, Json>, names: &[String]) {
        let (given, right) = (self.voice.said(one, v.clone()).await, self.voice.said(other, w).await);
        // a name may begin another: the longest go first
        let mut all: Vec<String> = names.iter().flat_map(|name| [name.clone(), made_up(name)]).collect();
        all.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let plain = |answer: &str| all.iter().fold(answer.to_string(), |text, name| text.replace(name.as_str(), "…"));
        assert!(right.contains("\"errors\""), "{}: {right}\n{other}", self.voice.seat);
        let (given_plain, right_plain) = (plain(&given), plain(&right));
        if given_plain != right_plain {
            let at =
                given_plain.bytes().zip(right_plain.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(90);
            let cut = |text: &str| text.bytes().skip(at).take(300).map(char::from).collect::<String>();
            let asked: String = one.chars().take(600).collect();
            panic!(
                "{} asks {asked} {}\nhidden:  …{}\nmade up: …{}",
                self.voice.seat,
                json!(v),
                cut(&given_plain),
                cut(&right_plain)
            );
        }
        for word in ["id you mean", "perhaps", "similar"] {
            assert!(!given.contains(word), "{}: {given}", self.voice.seat);
        }
        self.documents += 1;
        self.names += names.len();
    }
}

const TESTS: &[&str] = &["eq", "ne", "in", "notIn", "gt", "gte", "lt", "lte", "like", "isNull"];
const SPANS: &[&str] = &["", "_DAY", "_WEEK", "_MONTH", "_QUARTER", "_YEAR"];

async fn hidden_fields_are_unknown_in_every_position(hub: Hub) {
    in_every_position(&hub, Voice::all(&hub).await).await;
}

async fn hidden_fields_are_unknown_to_who_stands_for_another(hub: Hub) {
    let placed = Voice::in_places(&hub).await;
    in_every_position(&hub, placed.into_iter().map(|(voice, _)| voice).collect()).await;
}

async fn in_every_position(hub: &Hub, voices: Vec<Voice>) {
    let (mut documents, mut names, mut seats) = (0, 0, 0);
    for voice in voices {
        let view = voice.view().await;
        let class = &view.class;
        let mut trial = Trial::of(&voice);
        for ty in CATALOGUE.types.iter().filter(|t| class.sees_type(t.id)) {
            let hidden = hidden(class, ty);
            selections(&mut trial, ty, &hidden).await;
            filters(&mut trial, class, ty, &hidden).await;
            orders(&mut trial, ty, &hidden).await;
            groups(&mut trial, class, ty, &hidden).await;
        }
        (documents, names, seats) = (documents + trial.documents, names + trial.names, seats + 1);
    }
    println!("hidden names in documents on {:?}: {seats} seats, {names} tries in {documents} documents", hub.dialect());
}

/// L4: an alias changes nothing; nor does a fragment, an edge, a node by its id, a directive.
async fn selections(trial: &mut Trial<'_>, ty: &Type, hidden: &Hidden) {
    let (plural, name) = (ty.plural, ty.name);
    let own = hidden.fields.iter().map(|f| (f.name.clone(), if f.to.is_some() { " { id }" } else { "" }));
    let lists = hidden.lists.iter().map(|l| ((*l).to_string(), " { totalCount }"));
    let (names, rests): (Vec<String>, Vec<&str>) = own.chain(lists).unzip();
    let at = |i: usize| rests[i];
    trial.roots(&names, |n, i| format!("a{i}: {plural} {{ nodes {{ {n}{} }} }}", at(i))).await;
    trial.roots(&names, |n, i| format!("a{i}: {plural} {{ edges {{ node {{ id: {n}{} }} }} }}", at(i))).await;
    trial.roots(&names, |n, i| format!("a{i}: {plural} {{ nodes {{ ... on {name} {{ x: {n}{} }} }} }}", at(i))).await;
    trial.roots(&names, |n, i| format!("a{i}: {plural} {{ nodes {{ ... on Node {{ {n}{} }} }} }}", at(i))).await;
    trial.roots(&names, |n, i| format!("a{i}: node(id: \"x\") {{ ... on {name} {{ {n}{} }} }}", at(i))).await;
    trial.roots(&names, |n, i| format!("a{i}: nodes(ids: []) {{ ... on {name} {{ {n}{} }} }}", at(i))).await;
    for (n, rest) in names.iter().zip(rests) {
        for write in [
            |plural: &str, name: &str, n: &str, rest: &str| {
                format!("{{ {plural} {{ nodes {{ ...f }} }} }} fragment f on {name} {{ {n}{rest} }}")
            },
            |plural: &str, _: &str, n: &str, rest: &str| {
                format!("{{ {plural} {{ nodes {{ {n} @skip(if: true){rest} id }} }} }}")
            },
            |plural: &str, _: &str, n: &str, rest: &str| {
                format!(
                    "query q($no: Boolean = false) {{ {plural} {{ nodes {{ id ... @include(if: $no) {{ {n}{rest} }} }} }} }}"
                )
            },
        ] {
            let (one, other) = (write(plural, name, n, rest), write(plural, name, &made_up(n), rest));
            trial.same(&one, &other, Map::new(), Map::new(), std::slice::from_ref(n)).await;
        }
    }
}

/// L1, L2, L13: by the field, inside `and`, `or`, `not`, and from every type that leads here.
async fn filters(trial: &mut Trial<'_>, class: &ViewClass, ty: &'static Type, hidden: &Hidden) {
    let plural = ty.plural;
    let (references, scalars): (Vec<&Field>, Vec<&Field>) = hidden.fields.iter().partition(|f| f.to.is_some());
    let names = |fields: Vec<&Field>| fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    let (scalars, references) = (names(scalars), names(references));
    let lists: Vec<String> = hidden.lists.iter().map(|l| (*l).to_string()).collect();
    for test in TESTS {
        trial
            .roots(&scalars, |n, i| format!("a{i}: {plural}(filter: {{ {n}: {{ {test}: null }} }}) {{ totalCount }}"))
            .await;
    }
    let all: Vec<String> = [scalars, references.clone(), lists.clone()].concat();
    for (open, close) in [("and: [{", "}]"), ("or: [{", "}]"), ("not: {", "}"), ("or: [{}, { not: {", "} }]")] {
        trial
            .roots(&all, |n, i| format!("a{i}: {plural}(filter: {{ {open} {n}: {{}} {close} }}) {{ totalCount }}"))
            .await;
    }
    trial.roots(&all, |n, i| format!("a{i}: {plural}(filter: {{ {n}: null }}) {{ totalCount }}")).await;
    trial.roots(&all, |n, i| format!("a{i}: {}Aggregate(filter: {{ {n}: {{}} }}) {{ count }}", ty.singular())).await;
    trial
        .roots(&references, |n, i| {
            format!("a{i}: {plural}(filter: {{ {n}: {{ id: {{ eq: null }} }} }}) {{ totalCount }}")
        })
        .await;
    for word in ["some", "none"] {
        trial
            .roots(&lists, |n, i| format!("a{i}: {plural}(filter: {{ {n}: {{ {word}: {{}} }} }}) {{ totalCount }}"))
            .await;
    }
    for from in CATALOGUE.types.iter().filter(|t| class.sees_type(t.id)) {
        let shown = seen(class, from);
        let plural = from.plural;
        for step in from.fields.iter().filter(|f| f.to == Some(ty.id) && shown.contains(&f.name.as_str())) {
            let step = &step.name;
            trial
                .roots(&all, |n, i| format!("a{i}: {plural}(filter: {{ {step}: {{ {n}: {{}} }} }}) {{ totalCount }}"))
                .await;
        }
        for step in from.lists.iter().filter(|l| l.of == ty.id && shown.contains(&l.name)) {
            let step = step.name;
            trial
                .roots(&all, |n, i| {
                    format!("a{i}: {plural}(filter: {{ {step}: {{ some: {{ {n}: {{}} }} }} }}) {{ totalCount }}")
                })
                .await;
            trial
                .roots(&all, |n, i| {
                    format!("a{i}: {plural} {{ nodes {{ {step}(filter: {{ {n}: {{}} }}) {{ totalCount }} }} }}")
                })
                .await;
        }
    }
}

async fn orders(trial: &mut Trial<'_>, ty: &Type, hidden: &Hidden) {
    let plural = ty.plural;
    let names: Vec<String> = hidden.fields.iter().map(|f| screaming(&f.name)).collect();
    for direction in ["", ", direction: ASC", ", direction: DESC"] {
        trial
            .roots(&names, |n, i| {
                format!("a{i}: {plural}(orderBy: [{{ field: {n}{direction} }}]) {{ nodes {{ id }} }}")
            })
            .await;
    }
}

/// L3: as a key, cut to spans of time, behind every reference that leads here; summed, averaged, the extremes.
async fn groups(trial: &mut Trial<'_>, class: &ViewClass, ty: &'static Type, hidden: &Hidden) {
    let aggregate = format!("{}Aggregate", ty.singular());
    let names: Vec<String> = hidden.fields.iter().map(|f| f.name.clone()).collect();
    for word in ["sum", "avg", "min", "max", "key"] {
        trial.roots(&names, |n, i| format!("a{i}: {aggregate} {{ {word} {{ {n} }} }}")).await;
    }
    for span in SPANS {
        let keys: Vec<String> = hidden.fields.iter().map(|f| format!("{}{span}", screaming(&f.name))).collect();
        trial.roots(&keys, |n, i| format!("a{i}: {aggregate}(groupBy: [{n}]) {{ count }}")).await;
    }
    for from in CATALOGUE.types.iter().filter(|t| class.sees_type(t.id)) {
        for step in from.fields.iter().filter(|f| f.to == Some(ty.id)) {
            let names = hidden.fields.iter().map(|f| format!("{}{}", step.name, pascal(&f.name)));
            let names: Vec<String> = names.filter(|n| from.field(n).is_none()).collect();
            let keys: Vec<String> = names.iter().map(|n| screaming(n)).collect();
            let aggregate = format!("{}Aggregate", from.singular());
            trial.roots(&keys, |n, i| format!("a{i}: {aggregate}(groupBy: [{n}]) {{ count }}")).await;
            trial.roots(&names, |n, i| format!("a{i}: {aggregate} {{ key {{ {n} }} }}")).await;
        }
    }
}

/// What the parser of a document cannot see: names inside of variables.
async fn hidden_fields_are_unknown_in_variables(hub: Hub) {
    let (mut documents, mut seats) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let class = &view.class;
        let mut trial = Trial::of(&voice);
        for ty in CATALOGUE.types.iter().filter(|t| class.sees_type(t.id)) {
            let (plural, name, singular) = (ty.plural, ty.name, ty.singular());
            let hidden = hidden(class, ty);
            let filters: [Variables; 4] = [
                |n| json!({ n: { "eq": null } }),
                |n| json!({ n: {} }),
                |n| json!({ "or": [{}, { "not": { n: { "isNull": true } } }] }),
                |n| json!({ n: { "some": {} } }),
            ];
            let document = format!("query q($f: {name}Filter) {{ {plural}(filter: $f) {{ totalCount }} }}");
            for of in hidden.fields.iter().map(|f| f.name.as_str()).chain(hidden.lists.iter().copied()) {
                for filter in filters {
                    let set = |n: &str| object(json!({ "f": filter(n) }));
                    trial.same(&document, &document, set(of), set(&made_up(of)), &[of.to_string()]).await;
                }
            }
            let order =
                format!("query q($o: [{name}Order!]) {{ {plural}(orderBy: $o) {{ totalCount nodes {{ id }} }} }}");
            let by =
                format!("query q($f: {name}OrderField!) {{ {plural}(orderBy: {{ field: $f }}) {{ nodes {{ id }} }} }}");
            let groups = format!("query q($g: [{name}GroupBy!]) {{ {singular}Aggregate(groupBy: $g) {{ count }} }}");
            let cases: [(&str, Variables); 4] = [
                (&order, |n| json!({ "o": [{ "field": n }] })),
                (&order, |n| json!({ "o": { "field": n, "direction": "DESC" } })),
                (&by, |n| json!({ "f": n })),
                (&groups, |n| json!({ "g": [n] })),
            ];
            for field in hidden.fields.iter().map(|f| screaming(&f.name)) {
                for (document, variables) in cases {
                    let set = |n: &str| object(variables(n));
                    let both = (set(&field), set(&made_up(&field)));
                    trial.same(document, document, both.0, both.1, std::slice::from_ref(&field)).await;
                }
            }
        }
        (documents, seats) = (documents + trial.documents, seats + 1);
    }
    println!("hidden names in variables on {:?}: {seats} seats, {documents} documents", hub.dialect());
}

/// A field that is shown in sums only is in no filter, key, order or row, and no other field of its type, nor of
/// those around it, is anywhere.
async fn what_is_shown_in_sums_is_unknown_elsewhere(hub: Hub) {
    let (mut documents, mut names) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let mut trial = Trial::of(&voice);
        for ty in &CATALOGUE.types {
            let Some(shape) = view.class.guarded(ty.id) else { continue };
            let aggregate = format!("{}Aggregate", ty.singular());
            let sides: HashSet<&str> = shape.grid.iter().map(|side| side.name.as_str()).collect();
            let own = ty.fields.iter().map(|f| f.name.clone());
            let around = ty.fields.iter().filter_map(|f| Some((f, CATALOGUE.ty(f.to?))));
            let around = around.flat_map(|(f, to)| to.fields.iter().map(|g| format!("{}{}", f.name, pascal(&g.name))));
            let lists = ty.lists.iter().map(|list| list.name.to_string());
            let all: Vec<String> = own.chain(around).chain(lists).filter(|n| !sides.contains(n.as_str())).collect();
            for test in TESTS {
                trial
                    .roots(&all, |n, i| format!("a{i}: {aggregate}(filter: {{ {n}: {{ {test}: null }} }}) {{ count }}"))
                    .await;
            }
            for (open, close) in [("and: [{", "}]"), ("or: [{", "}]"), ("not: {", "}"), ("or: [{}, { not: {", "} }]")] {
                trial
                    .roots(&all, |n, i| {
                        format!("a{i}: {aggregate}(filter: {{ {open} {n}: {{}} {close} }}) {{ count }}")
                    })
                    .await;
            }
            for span in SPANS {
                let keys = all.iter().map(|n| format!("{}{span}", screaming(n)));
                let keys: Vec<String> = keys.filter(|key| !sides.iter().any(|side| screaming(side) == *key)).collect();
                trial.roots(&keys, |n, i| format!("a{i}: {aggregate}(groupBy: [{n}]) {{ count }}")).await;
                trial.roots(&keys, |n, i| format!("a{i}: {aggregate}(orderBy: [{{ field: {n} }}]) {{ count }}")).await;
            }
            for word in ["key", "min", "max", "nodes"] {
                trial.roots(&all, |n, i| format!("a{i}: {aggregate} {{ {word} {{ {n} }} }}")).await;
            }
            let summed = |n: &String| shape.measures.iter().any(|field| ty.fields[*field].name == *n);
            let unsummed: Vec<String> = all.iter().filter(|n| !summed(n)).cloned().collect();
            assert_eq!(all.len() - unsummed.len(), shape.measures.len());
            for word in ["sum", "avg"] {
                trial.roots(&unsummed, |n, i| format!("a{i}: {aggregate} {{ {word} {{ {n} }} }}")).await;
            }
            let document = format!("query q($f: {}KeyFilter) {{ {aggregate}(filter: $f) {{ count }} }}", ty.name);
            for name in &all {
                let set = |n: &str| object(json!({ "f": { n: { "isNull": true } } }));
                trial.same(&document, &document, set(name), set(&made_up(name)), std::slice::from_ref(name)).await;
            }
        }
        (documents, names) = (documents + trial.documents, names + trial.names);
    }
    assert!(names > 0, "no seat of the demo is shown sums only");
    println!("names beside sums on {:?}: {names} tries in {documents} documents", hub.dialect());
}

/// The types that go with a type of the catalogue.
const PARTS: &[&str] =
    &["", "Filter", "Order", "OrderField", "GroupBy", "Connection", "Edge", "Group", "Key", "Sum", "ListFilter"];

/// Those of a type that is shown in sums only; of the rest it is as unknown as any.
const PARTS_OF_SUMS: &[&str] = &["GroupBy", "Group", "Key", "Sum"];

fn unknown_parts(class: &ViewClass, ty: &Type) -> impl Iterator<Item = &'static str> {
    let summed = class.guarded(ty.id).is_some();
    PARTS.iter().copied().filter(move |part| !(summed && PARTS_OF_SUMS.contains(part)))
}

async fn hidden_types_are_unknown(hub: Hub) {
    let (mut documents, mut names) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let mut trial = Trial::of(&voice);
        let gone: Vec<&'static Type> = CATALOGUE.types.iter().filter(|t| !view.sees_type(t.id)).collect();
        let of = |name: &dyn Fn(&Type) -> String| gone.iter().map(|t| name(t)).collect::<Vec<_>>();
        let plurals = of(&|t| t.plural.to_string());
        trial.roots(&plurals, |n, i| format!("a{i}: {n} {{ totalCount }}")).await;
        trial.roots(&plurals, |n, i| format!("a{i}: {n}(first: 1, filter: {{}}) {{ nodes {{ id }} }}")).await;
        let unsummed = gone.iter().filter(|t| view.class.guarded(t.id).is_none());
        let aggregates: Vec<String> = unsummed.map(|t| format!("{}Aggregate", t.singular())).collect();
        trial.roots(&aggregates, |n, i| format!("a{i}: {n} {{ count }}")).await;
        trial
            .roots(&of(&|t| t.name.to_string()), |n, i| format!("a{i}: node(id: \"x\") {{ ... on {n} {{ id }} }}"))
            .await;
        for ty in &gone {
            let name = ty.name.to_string();
            let one = std::slice::from_ref(&name);
            for part in unknown_parts(&view.class, ty) {
                let document = |n: &str| format!("query q($x: {n}{part}) {{ viewer {{ seat }} }}");
                trial.same(&document(&name), &document(&made_up(&name)), Map::new(), Map::new(), one).await;
                let document = |n: &str| format!("{{ __type(name: \"{n}{part}\") {{ name kind fields {{ name }} }} }}");
                assert_eq!(
                    voice.ask(&document(&name)).await,
                    voice.ask(&document(&made_up(&name))).await,
                    "{}",
                    voice.seat
                );
            }
            let fragment = |n: &str| format!("{{ node(id: \"x\") {{ ...f }} }} fragment f on {n} {{ id }}");
            trial.same(&fragment(&name), &fragment(&made_up(&name)), Map::new(), Map::new(), one).await;
            // an id of a type that is hidden is no id
            let id = voice.app().graphql.codec(view.seat.organisation).id(ty.id, uuid::Uuid::from_u128(7));
            let other = format!("{}{}", made_up(&name), &id[name.len()..]);
            for document in [
                "query q($id: ID!) { node(id: $id) { id __typename } }",
                "query q($id: ID!) { nodes(ids: [$id]) { id } }",
                "query q($id: ID!) { organisations(filter: { id: { eq: $id } }) { totalCount } }",
            ] {
                let set = |id: &str| object(json!({ "id": id }));
                trial.same(document, document, set(&id), set(&other), one).await;
            }
        }
        (documents, names) = (documents + trial.documents, names + trial.names);
    }
    println!("hidden types on {:?}: {names} tries in {documents} documents", hub.dialect());
}

async fn introspection_and_rights_name_what_is_seen_and_nothing_else(hub: Hub) {
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let class = &view.class;
        let document = "{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } \
                        viewer { rights { type fields { field } } } }";
        let data = voice.data(document, Map::new()).await;
        let types = data["__schema"]["types"].as_array().unwrap();
        let texts = |json: &Json, key: &str| -> HashSet<String> {
            json.as_array().into_iter().flatten().map(|x| x[key].as_str().unwrap().to_string()).collect()
        };
        let ty_of = |name: &str| types.iter().find(|t| t["name"] == name);
        let everything = data["__schema"].to_string();
        for ty in &CATALOGUE.types {
            let (name, seat) = (ty.name, &voice.seat);
            let rights = data["viewer"]["rights"].as_array().unwrap().iter().find(|r| r["type"] == name);
            let told = rights.map(|r| texts(&r["fields"], "field")).unwrap_or_default();
            let summed = |i: &usize| class.guarded(ty.id).is_some_and(|shape| shape.measures.contains(i));
            let right = ty.fields.iter().enumerate().filter(|(i, _)| class.sees(ty.id, *i) || summed(i));
            let right = right.map(|(_, f)| f.name.clone());
            assert_eq!(told, right.collect(), "{seat}: {name}");
            if !class.sees_type(ty.id) {
                let mut names = vec![name.to_string(), ty.plural.to_string()];
                if class.guarded(ty.id).is_none() {
                    names.push(format!("{}Aggregate", ty.singular()));
                }
                for word in names.into_iter().chain(unknown_parts(class, ty).map(|part| format!("{name}{part}"))) {
                    assert!(!everything.contains(&format!("\"{word}\"")), "{seat} reads of {word}");
                }
                continue;
            }
            let shown: HashSet<String> = seen(class, ty).into_iter().map(String::from).collect();
            assert_eq!(texts(&ty_of(name).unwrap()["fields"], "name"), shown, "{seat}: {name}");
            let hidden = hidden(class, ty);
            let gone: HashSet<String> = hidden.fields.iter().map(|f| f.name.clone()).collect();
            for part in ["Filter", "Key", "Sum", "Avg", "Min", "Max"] {
                let Some(of) = ty_of(&format!("{name}{part}")) else { continue };
                let all = &texts(&of["fields"], "name") | &texts(&of["inputFields"], "name");
                assert!(all.is_disjoint(&gone), "{seat}: {name}{part} {all:?}");
            }
            let gone: HashSet<String> = gone.iter().map(|n| screaming(n)).collect();
            for part in ["OrderField", "GroupBy"] {
                let all = texts(&ty_of(&format!("{name}{part}")).unwrap()["enumValues"], "name");
                assert!(all.is_disjoint(&gone), "{seat}: {name}{part} {all:?}");
            }
            for field in hidden.fields.iter().filter(|f| !f.one_of.is_empty()) {
                let of = format!("{name}{}", pascal(&field.name));
                assert!(ty_of(&of).is_none() && ty_of(&format!("{of}Filter")).is_none(), "{seat}: {of}");
            }
        }
    }
}
