//! L7, L11, L13: hidden names in what is written, what is followed, and what only an operator has. As in `unknown`,
//! each stands beside the same document with a made-up name, and the answers must be equal but for the name.

use std::collections::HashSet;

use entente::{
    access::ViewClass,
    catalogue::{CATALOGUE, Type, screaming},
    graphql::model::{self, Doing, Mutation},
};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::unknown::{Trial, hidden, made_up, object, seen};
use crate::{
    differential::voice::Voice,
    harness::{Hub, send, tests},
};

tests! {
    reading:
        hidden_names_are_unknown_to_writes,
        hidden_names_are_unknown_to_the_feed,
        hidden_names_are_unknown_to_polls,
        what_only_an_operator_has_is_unknown;
}

const DOINGS: [Doing; 3] = [Doing::Create, Doing::Update, Doing::Delete];
const MUTATION: [&str; 2] = ["mutation { ", " }"];

/// What the input of a mutation does not have of its type.
fn no_input(class: &ViewClass, mutation: Mutation) -> Vec<String> {
    let has: HashSet<&str> = mutation.fields(class).map(|(_, field)| field.name.as_str()).collect();
    let own = mutation.ty.fields.iter().map(|field| field.name.as_str());
    let own = own.filter(|name| !has.contains(name) && (mutation.doing == Doing::Create || *name != "id"));
    let version = mutation.ty.version().filter(|_| mutation.doing != Doing::Create);
    let version = version.map(|field| mutation.ty.fields[field].name.as_str());
    let lists = mutation.ty.lists.iter().map(|list| list.name);
    own.filter(|name| Some(*name) != version).chain(lists).map(String::from).collect()
}

async fn hidden_names_are_unknown_to_writes(hub: Hub) {
    let (mut documents, mut names) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let class = &view.class;
        let mut trial = Trial::of(&voice);
        let has: HashSet<String> = model::mutations(class).map(|mutation| mutation.name()).collect();
        let all = CATALOGUE.types.iter().flat_map(|ty| DOINGS.map(|doing| Mutation { ty, doing }.name()));
        let absent: Vec<String> = all.filter(|name| !has.contains(name)).collect();
        trial.parts(MUTATION, &absent, |n, i| format!("a{i}: {n}(input: {{}}) {{ __typename }}")).await;
        for mutation in model::mutations(class).filter(|mutation| mutation.doing != Doing::Open) {
            inputs(&mut trial, class, mutation).await;
            shown(&mut trial, class, mutation).await;
        }
        ids(&mut trial, &voice, class).await;
        if class.looks {
            looks(&mut trial, &voice, class).await;
        }
        (documents, names) = (documents + trial.documents, names + trial.names);
    }
    println!("hidden names in writes on {:?}: {names} tries in {documents} documents", hub.dialect());
}

/// In the document, in a variable of its own, in the variable of the whole input; before and after the hub has seen
/// the document.
async fn inputs(trial: &mut Trial<'_>, class: &ViewClass, mutation: Mutation) {
    let names = no_input(class, mutation);
    let (done, input) = (mutation.name(), mutation.part("Input"));
    for value in ["null", "1", "\"q\"", "{}", "[]"] {
        trial.parts(MUTATION, &names, |n, i| format!("a{i}: {done}(input: {{ {n}: {value} }}) {{ __typename }}")).await;
    }
    let one = |n: &str| format!("mutation($x: String) {{ {done}(input: {{ {n}: $x }}) {{ __typename }} }}");
    let whole = format!("mutation($input: {input}!) {{ {done}(input: $input) {{ __typename }} }}");
    let of = mutation.ty.name;
    // refused, and seen by then
    let known = json!({ "input": { "id": format!("{of}_AAAAAAAAAAAAAAAAAAAAAA") } });
    for seen in [false, true] {
        for name in &names {
            let about = std::slice::from_ref(name);
            trial.same(&one(name), &one(&made_up(name)), Map::new(), Map::new(), about).await;
            for value in [Json::Null, json!(1), json!("q"), json!({})] {
                let set = |n: &str| object(json!({ "input": { n: value } }));
                trial.same(&whole, &whole, set(name), set(&made_up(name)), about).await;
            }
        }
        if !seen {
            trial.same(&whole, &whole, object(known.clone()), object(known.clone()), &[]).await;
        }
    }
}

/// L7: what a write gives of the row.
async fn shown(trial: &mut Trial<'_>, class: &ViewClass, mutation: Mutation) {
    let (done, row) = (mutation.name(), mutation.ty.singular());
    if mutation.doing == Doing::Delete {
        trial.parts(MUTATION, &[row], |n, i| format!("a{i}: {done}(input: {{}}) {{ {n} {{ id }} }}")).await;
        return;
    }
    let hidden = hidden(class, mutation.ty);
    let own = hidden.fields.iter().map(|f| (f.name.clone(), if f.to.is_some() { " { id }" } else { "" }));
    let lists = hidden.lists.iter().map(|l| ((*l).to_string(), " { totalCount }"));
    let (names, rests): (Vec<String>, Vec<&str>) = own.chain(lists).unzip();
    trial.parts(MUTATION, &names, |n, i| format!("a{i}: {done}(input: {{}}) {{ {row} {{ {n}{} }} }}", rests[i])).await;
    // behind each reference and list that the row shows
    let seen_here = seen(class, mutation.ty);
    let steps = mutation.ty.fields.iter().filter_map(|f| Some((f.name.as_str(), CATALOGUE.ty(f.to?), ["{ ", " }"])));
    let lists = mutation.ty.lists.iter().map(|l| (l.name, CATALOGUE.ty(l.of), ["{ nodes { ", " } }"]));
    for (step, to, [open, close]) in steps.chain(lists).filter(|(step, ..)| seen_here.contains(step)) {
        let names: Vec<String> = self::hidden(class, to).fields.iter().map(|f| f.name.clone()).collect();
        trial
            .parts(MUTATION, &names, |n, i| {
                format!("a{i}: {done}(input: {{}}) {{ {row} {{ {step} {open}{n}{close} }} }}")
            })
            .await;
    }
}

/// An id of a hidden type is an id of no type.
async fn ids(trial: &mut Trial<'_>, voice: &Voice, class: &ViewClass) {
    let codec = voice.app().graphql.codec(voice.caller.seat.organisation);
    for ty in CATALOGUE.types.iter().filter(|ty| !class.sees_type(ty.id)) {
        let id = codec.id(ty.id, Uuid::from_u128(7));
        let other = format!("{}{}", made_up(ty.name), &id[ty.name.len()..]);
        let names = [ty.name.to_string()];
        for mutation in model::mutations(class) {
            let (done, input) = (mutation.name(), mutation.part("Input"));
            let document = format!("mutation($input: {input}!) {{ {done}(input: $input) {{ __typename }} }}");
            let mut places: Vec<Json> = Vec::new();
            if mutation.doing == Doing::Open {
                places.push(json!({ "field": ty.fields[1].name, "reason": "because it has to be" }));
            } else if mutation.doing != Doing::Create {
                places.push(json!({}));
            }
            let inputs = places.into_iter().map(|input| (input, "id"));
            let references = mutation.fields(class).filter(|(_, f)| f.to.is_some());
            let references = references.map(|(_, f)| (json!({}), f.name.as_str()));
            for (input, at) in inputs.chain(references) {
                let set = |id: &str| {
                    let mut input = input.clone();
                    input[at] = id.into();
                    object(json!({ "input": input }))
                };
                trial.same(&document, &document, set(&id), set(&other), &names).await;
            }
        }
    }
}

/// A hidden field of a row cannot be opened by its name.
async fn looks(trial: &mut Trial<'_>, voice: &Voice, class: &ViewClass) {
    let codec = voice.app().graphql.codec(voice.caller.seat.organisation);
    let document = "mutation($input: BreakGlassInput!) { breakGlass(input: $input) { __typename } }";
    for ty in CATALOGUE.types.iter().filter(|ty| class.sees_type(ty.id)) {
        let id = codec.id(ty.id, Uuid::from_u128(7));
        for field in hidden(class, ty).fields.iter().filter(|f| !class.sees(ty.id, ty.field_index(&f.name).unwrap())) {
            let set = |n: &str| object(json!({ "input": { "id": id, "field": n, "reason": "because it has to be" } }));
            let names = std::slice::from_ref(&field.name);
            trial.same(document, document, set(&field.name), set(&made_up(&field.name)), names).await;
        }
    }
}

/// Feeds that are polled, with the type of their rows.
const POLLED: &[(&str, &str)] = &[("demand", "DemandBucket"), ("cases", "Case")];

/// The subscriptions of one type, with the type that their events show.
const FEEDS: &[(&str, &str)] = &[("demandUpdates", "DemandBucket"), ("caseUpdates", "Case")];

async fn hidden_names_are_unknown_to_the_feed(hub: Hub) {
    let (mut documents, mut names) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let class = &view.class;
        let mut trial = Trial::of(&voice);
        let (shown, gone): (Vec<&'static Type>, Vec<&'static Type>) =
            CATALOGUE.types.iter().partition(|ty| class.sees_type(ty.id));
        let values: Vec<String> = gone.iter().map(|ty| screaming(&ty.singular())).collect();
        for value in &values {
            let about = std::slice::from_ref(value);
            for write in [
                |n: &str| format!("subscription {{ changes(types: [{n}]) {{ kind }} }}"),
                |n: &str| format!("subscription {{ changes(types: [ORGANISATION, {n}], from: NOW) {{ kind }} }}"),
            ] {
                trial.same(&write(value), &write(&made_up(value)), Map::new(), Map::new(), about).await;
            }
            let document = "subscription($t: [ChangeType!]!) { changes(types: $t, from: NOW) { kind } }";
            for given in [|n: &str| json!([n]), |n: &str| json!(["ORGANISATION", n]), |n: &str| json!(n)] {
                let set = |n: &str| object(json!({ "t": given(n) }));
                trial.same(document, document, set(value), set(&made_up(value)), about).await;
            }
        }
        let about = ["subscription { changes(types: [ORGANISATION]) { kind node { ", " } } }"];
        let types: Vec<String> = gone.iter().map(|ty| ty.name.to_string()).collect();
        trial.parts(about, &types, |n, _| format!("... on {n} {{ id }}")).await;
        for ty in shown.iter().filter(|ty| ty.name != "AuditEvent") {
            let open = format!("subscription {{ changes(types: [{}]) {{ kind node {{ ", screaming(&ty.singular()));
            let names = fields_and_lists(class, ty);
            trial.parts([&open, " } } }"], &names, |n, i| format!("... on {} {{ a{i}: {n} }}", ty.name)).await;
            trial.parts([&open, " } } }"], &names, |n, i| format!("... on Node {{ a{i}: {n} }}")).await;
        }
        for (feed, name) in FEEDS {
            let ty = CATALOGUE.by_name(name).unwrap();
            if !class.sees_type(ty.id) {
                trial.parts(["subscription { ", " }"], &[(*feed).into()], |n, _| format!("{n} {{ kind id }}")).await;
                continue;
            }
            let open = format!("subscription {{ {feed} {{ kind node {{ ");
            let names = fields_and_lists(class, ty);
            trial.parts([&open, " } } }"], &names, |n, i| format!("a{i}: {n}")).await;
            filters(&mut trial, class, ty, feed).await;
        }
        (documents, names) = (documents + trial.documents, names + trial.names);
    }
    println!("hidden names in subscriptions on {:?}: {names} tries in {documents} documents", hub.dialect());
}

fn fields_and_lists(class: &ViewClass, ty: &'static Type) -> Vec<String> {
    let hidden = hidden(class, ty);
    let fields = hidden.fields.iter().map(|field| field.name.clone());
    fields.chain(hidden.lists.iter().map(|list| (*list).to_string())).collect()
}

/// By the type's own fields and, one step on, those of what it leads to; in the document and in a variable.
async fn filters(trial: &mut Trial<'_>, class: &ViewClass, ty: &'static Type, feed: &str) {
    let mut places: Vec<([String; 2], Vec<String>)> = vec![(["".into(), "".into()], fields_and_lists(class, ty))];
    let shown = seen(class, ty);
    for step in ty.fields.iter().filter(|f| shown.contains(&f.name.as_str())) {
        let Some(to) = step.to.map(|to| CATALOGUE.ty(to)) else { continue };
        places.push(([format!("{}: {{ ", step.name), " }".into()], fields_and_lists(class, to)));
    }
    for list in ty.lists.iter().filter(|l| shown.contains(&l.name)) {
        let of = CATALOGUE.ty(list.of);
        places.push(([format!("{}: {{ some: {{ ", list.name), " } }".into()], fields_and_lists(class, of)));
    }
    let by_variable = format!("subscription($f: {}Filter) {{ {feed}(filter: $f, from: NOW) {{ kind id }} }}", ty.name);
    for ([open, close], names) in places {
        for name in names {
            let about = std::slice::from_ref(&name);
            for test in ["{}", "null", "{ isNull: true }", "{ some: {} }"] {
                for [before, after] in [["", ""], ["and: [{ ", " }]"], ["or: [{}, { not: { ", " } }]"]] {
                    let write = |n: &str| {
                        let filter = format!("{before}{open}{n}: {test}{close}{after}");
                        format!("subscription {{ {feed}(filter: {{ {filter} }}) {{ kind id }} }}")
                    };
                    trial.same(&write(&name), &write(&made_up(&name)), Map::new(), Map::new(), about).await;
                }
            }
            if open.is_empty() {
                let set = |n: &str| object(json!({ "f": { "or": [{}, { n: { "isNull": true } }] } }));
                trial.same(&by_variable, &by_variable, set(&name), set(&made_up(&name)), about).await;
            }
        }
    }
}

/// What is behind a path.
type Query = Vec<(&'static str, String)>;

async fn polled(hub: &Hub, token: &str, path: &str, query: &[(&'static str, String)]) -> (u16, String) {
    let request = hub.request(Method::GET, &format!("/feed/{path}")).query(&[("from", "NOW"), ("wait", "1")]);
    let reply = send(request.query(query).bearer_auth(token)).await;
    (reply.status, reply.text)
}

/// In the path, in `types`, `fields` and `filter` of `/feed/…`.
async fn hidden_names_are_unknown_to_polls(hub: Hub) {
    let (mut requests, mut tried) = (0, 0);
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let (class, token, seat) = (&view.class, hub.token(&voice.seat).await, &voice.seat);
        let mut cases: Vec<(Vec<String>, [(String, Query); 2])> = Vec::new();
        let mut add = |names: Vec<String>, write: &dyn Fn(&str) -> (String, Query)| {
            let made_up: Vec<String> = names.iter().map(|name| made_up(name)).collect();
            let both = [write(&names.join(",")), write(&made_up.join(","))];
            cases.push((names, both));
        };
        let changes = |query: Query| ("changes".to_owned(), query);
        for ty in CATALOGUE.types.iter().filter(|ty| ty.name != "AuditEvent") {
            let value = screaming(&ty.singular());
            if !class.sees_type(ty.id) {
                add(vec![value], &|n| changes(vec![("types", n.into())]));
                let of = |n: &str| vec![("types", "ORGANISATION".to_owned()), ("fields", format!("{n}.id"))];
                add(vec![ty.name.into()], &|n| changes(of(n)));
                continue;
            }
            let names = fields_and_lists(class, ty);
            if !names.is_empty() {
                add(names, &|n| changes(vec![("types", value.clone()), ("fields", format!("id,{n}"))]));
            }
        }
        for (path, name) in POLLED {
            let ty = CATALOGUE.by_name(name).unwrap();
            if !class.sees_type(ty.id) {
                // a feed of what is hidden is no feed
                add(vec![(*path).to_owned()], &|n| (n.to_owned(), Vec::new()));
                continue;
            }
            for name in fields_and_lists(class, ty) {
                add(vec![name.clone()], &|n| ((*path).to_owned(), vec![("fields", n.to_owned())]));
                add(vec![name], &|n| ((*path).to_owned(), vec![("filter", json!({ n: {} }).to_string())]));
            }
        }
        let known = polled(&hub, &token, "changes", &[("types", "ORGANISATION".to_owned())]).await;
        assert_eq!(known.0, 200, "{seat}: {}", known.1);
        for (mut names, [hidden, none]) in cases {
            let (status, mut text) = polled(&hub, &token, &hidden.0, &hidden.1).await;
            let (other, mut told) = polled(&hub, &token, &none.0, &none.1).await;
            // a name may begin another: the longest go first
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
            for name in &names {
                for word in [name.clone(), made_up(name)] {
                    (text, told) = (text.replace(&word, "…"), told.replace(&word, "…"));
                }
            }
            assert_eq!((status, text), (other, told), "{seat}: {hidden:?}");
            assert!(status >= 400, "{seat}: {hidden:?} {status}");
            (requests, tried) = (requests + 2, tried + names.len());
        }
    }
    println!("hidden names in polls on {:?}: {tried} tries in {requests} requests", hub.dialect());
}

/// Whatever else its schema has: tools, their types, its mutations.
async fn what_only_an_operator_has_is_unknown(hub: Hub) {
    const SCHEMA: &str = "{ __schema { queryType { fields { name } } mutationType { fields { name } } \
                          subscriptionType { fields { name } } types { name kind } } }";
    let names = |json: &Json| -> HashSet<String> {
        json.as_array().into_iter().flatten().map(|of| of["name"].as_str().unwrap().to_string()).collect()
    };
    let voices = Voice::all(&hub).await;
    let mut operators = HashSet::new();
    let mut whole: [HashSet<String>; 4] = Default::default();
    let parts = |schema: &Json| {
        let of = |root: &str| names(&schema[root]["fields"]);
        // the scalars are the contract's, whoever uses them
        let types = schema["types"].as_array().unwrap().iter().filter(|ty| ty["kind"] != "SCALAR").cloned();
        [of("queryType"), of("mutationType"), of("subscriptionType"), names(&Json::Array(types.collect()))]
    };
    for voice in &voices {
        if voice.view().await.class.operator {
            operators.insert(voice.seat.clone());
            let schema = voice.data(SCHEMA, Map::new()).await;
            whole.iter_mut().zip(parts(&schema["__schema"])).for_each(|(all, more)| all.extend(more));
        }
    }
    assert!(!operators.is_empty() && whole[0].contains("policies"), "{whole:?}");
    let (mut documents, mut tried) = (0, 0);
    for voice in voices.iter().filter(|voice| !operators.contains(&voice.seat)) {
        let own = parts(&voice.data(SCHEMA, Map::new()).await["__schema"]);
        let lacks = |i: usize| whole[i].difference(&own[i]).cloned().collect::<Vec<String>>();
        let mut trial = Trial::of(voice);
        for (i, open) in ["{ ", "mutation { ", "subscription { "].into_iter().enumerate() {
            for name in lacks(i) {
                let about = std::slice::from_ref(&name);
                for end in ["", " { __typename }", "(input: {}) { __typename }", "(as: \"x\")"] {
                    let write = |n: &str| format!("{open}{n}{end} }}");
                    trial.same(&write(&name), &write(&made_up(&name)), Map::new(), Map::new(), about).await;
                }
            }
        }
        for name in lacks(3) {
            let about = std::slice::from_ref(&name);
            let write = |n: &str| format!("query q($x: {n}) {{ viewer {{ seat }} }}");
            trial.same(&write(&name), &write(&made_up(&name)), Map::new(), Map::new(), about).await;
            let write = |n: &str| format!("{{ __type(name: \"{n}\") {{ name kind }} }}");
            assert_eq!(voice.ask(&write(&name)).await, voice.ask(&write(&made_up(&name))).await, "{}", voice.seat);
        }
        (documents, tried) = (documents + trial.documents, tried + trial.names);
    }
    println!("names of an operator on {:?}: {tried} tries in {documents} documents", hub.dialect());
}
