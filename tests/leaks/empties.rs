//! L16: what is empty opens nothing. Elsewhere an `or` of nothing was folded from true.

use entente::catalogue::CATALOGUE;
use serde_json::{Map, Value as Json, json};

use crate::{
    differential::voice::Voice,
    harness::{Hub, tests},
};

tests! {
    reading: empty_filters_open_nothing, empty_filters_in_variables_open_nothing;
}

/// Filters that match all rows of the view, or none of them.
const ALL: &[&str] = &[
    "{}",
    "{ and: [] }",
    "{ not: { or: [] } }",
    "{ or: [{}] }",
    "{ and: [{}, {}] }",
    "{ not: { not: {} } }",
    "{ id: {} }",
    "{ id: { notIn: [] } }",
    "{ not: { id: { in: [] } } }",
    "{ or: [{ or: [] }, {}] }",
    "{ and: [{ and: [] }] }",
    "{ id: { in: null } }",
    "{ or: null }",
    "{ not: null }",
    "{ id: { isNull: false } }",
    "{ id: { ne: null } }",
];
const NONE: &[&str] = &[
    "{ or: [] }",
    "{ not: {} }",
    "{ id: { in: [] } }",
    "{ not: { and: [] } }",
    "{ and: [{}, { or: [] }] }",
    "{ or: [{ or: [] }, { not: {} }] }",
    "{ not: { id: { notIn: [] } } }",
    "{ or: [], and: [] }",
    "{ id: { isNull: true } }",
    "{ id: { eq: null } }",
];

async fn empty_filters_open_nothing(hub: Hub) {
    let mut filters = 0;
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
            let mut cases: Vec<(String, bool)> = Vec::new();
            cases.extend(ALL.iter().map(|f| ((*f).to_string(), true)));
            cases.extend(NONE.iter().map(|f| ((*f).to_string(), false)));
            for list in ty.lists.iter().filter(|l| view.sees(l.of, l.by)) {
                let name = list.name;
                cases.push((format!("{{ {name}: {{}} }}"), true));
                cases.push((format!("{{ {name}: {{ none: {{ or: [] }} }} }}"), true));
                cases.push((format!("{{ {name}: {{ some: {{ or: [] }} }} }}"), false));
                cases.push((format!("{{ {name}: {{ some: {{ id: {{ in: [] }} }} }} }}"), false));
                cases.push((format!("{{ {name}: {{ some: {{ not: {{}} }} }} }}"), false));
            }
            for (i, field) in ty.fields.iter().enumerate().skip(1).filter(|(i, _)| view.sees(ty.id, *i)) {
                let name = &field.name;
                if field.to.is_some_and(|to| view.sees_type(to)) {
                    cases.push((format!("{{ {name}: {{ or: [] }} }}"), false));
                    cases.push((format!("{{ {name}: {{ not: {{}} }} }}"), false));
                    cases.push((format!("{{ not: {{ {name}: {{ or: [] }} }} }}"), true));
                } else if field.to.is_none()
                    && !matches!(field.kind, entities::meta::Kind::Json | entities::meta::Kind::Id)
                {
                    let _ = i;
                    cases.push((format!("{{ {name}: {{}} }}"), true));
                    if field.kind != entities::meta::Kind::Bool {
                        cases.push((format!("{{ {name}: {{ in: [] }} }}"), false));
                        cases.push((format!("{{ {name}: {{ notIn: [] }} }}"), true));
                    }
                }
            }
            let plural = ty.plural;
            let all =
                voice.data(&format!("{{ {plural} {{ totalCount }} }}"), Map::new()).await[plural]["totalCount"].clone();
            for some in cases.chunks(40) {
                let parts: Vec<String> = some
                    .iter()
                    .enumerate()
                    .map(|(i, (filter, _))| {
                        format!("a{i}: {plural}(first: 1, filter: {filter}) {{ totalCount nodes {{ id }} }}")
                    })
                    .collect();
                let data = voice.data(&format!("{{ {} }}", parts.join(" ")), Map::new()).await;
                for (i, (filter, matches)) in some.iter().enumerate() {
                    let right = if *matches { all.clone() } else { json!(0) };
                    let list = &data[format!("a{i}")];
                    assert_eq!(list["totalCount"], right, "{}: {plural} {filter}", voice.seat);
                    let rows = list["nodes"].as_array().unwrap().len();
                    assert_eq!(rows, usize::from(right != 0), "{}: {plural} {filter}", voice.seat);
                }
            }
            filters += cases.len();
        }
    }
    println!("empty filters on {:?}: {filters}", hub.dialect());
}

async fn empty_filters_in_variables_open_nothing(hub: Hub) {
    let all: Vec<Json> = vec![
        json!({}),
        json!({ "and": [] }),
        json!({ "not": { "or": [] } }),
        json!({ "id": { "notIn": [] } }),
        json!(null),
    ];
    let none: Vec<Json> =
        vec![json!({ "or": [] }), json!({ "not": {} }), json!({ "id": { "in": [] } }), json!({ "not": { "and": [] } })];
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
            let plural = ty.plural;
            let document = format!(
                "query q($f: {0}Filter) {{ {plural}(filter: $f) {{ totalCount }} {1}Aggregate(filter: $f) {{ count }} }}",
                ty.name,
                ty.singular()
            );
            let aggregate = format!("{}Aggregate", ty.singular());
            let count = voice.data(&document, Map::new()).await[plural]["totalCount"].clone();
            for (filters, right) in [(&all, &count), (&none, &json!(0))] {
                for filter in filters {
                    let variables = json!({ "f": filter }).as_object().unwrap().clone();
                    let data = voice.data(&document, variables).await;
                    assert_eq!(data[plural]["totalCount"], *right, "{}: {plural} {filter}", voice.seat);
                    assert_eq!(data[&aggregate][0]["count"], *right, "{}: {aggregate} {filter}", voice.seat);
                }
            }
        }
    }
}
