//! Everything that a seat can ask of what it sees: rows, counts, orders, filters, groups and numbers over
//! every field of every type. Two worlds that a seat cannot tell apart give the same bytes to all of it.

use entente::{
    access::View,
    catalogue::{CATALOGUE, Field, Type, pascal, screaming},
};
use entities::meta::Kind;
use serde_json::Value as Json;

use crate::differential::dump::{Dump, Node};

fn fields<'v>(view: &'v View, ty: &'static Type) -> impl Iterator<Item = &'static Field> + 'v {
    ty.fields.iter().enumerate().filter_map(move |(i, f)| {
        let leads = f.to.map_or(i == 0 || f.kind != Kind::Id, |to| view.sees_type(to));
        (view.sees(ty.id, i) && leads).then_some(f)
    })
}

/// A flat list with everything in it.
pub fn rows(view: &View, ty: &'static Type, first: usize) -> String {
    let fields: Vec<String> = fields(view, ty)
        .map(|f| if f.to.is_some() { format!("{} {{ id }}", f.name) } else { f.name.clone() })
        .collect();
    format!(
        "{{ {}(first: {first}) {{ totalCount nodes {{ {} }} edges {{ cursor }} pageInfo {{ hasNextPage endCursor }} }} }}",
        ty.plural,
        fields.join(" ")
    )
}

/// All questions, with values to filter by out of the rows that are seen.
pub fn all(view: &View, dump: &Dump) -> Vec<String> {
    let mut all = vec![
        "{ viewer { seat role rights { type fields { field access } } } }".to_string(),
        "{ __schema { types { name fields { name args { name } } inputFields { name } enumValues { name } } } }"
            .to_string(),
    ];
    for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
        all.push(rows(view, ty, 500));
        let mut parts = Vec::new();
        orders(view, ty, &mut parts);
        lists(view, ty, &mut parts);
        filters(view, ty, dump, &mut parts);
        numbers(view, ty, &mut parts);
        for some in parts.chunks(30) {
            let some: Vec<String> = some.iter().enumerate().map(|(i, part)| format!("a{i}: {part}")).collect();
            all.push(format!("{{ {} }}", some.join(" ")));
        }
        // by id, in one and in many
        let ids: Vec<String> = dump.rows(ty).iter().step_by(7).take(20).map(|row| format!("\"{}\"", row.id)).collect();
        if let Some(id) = ids.first() {
            all.push(format!("{{ node(id: {id}) {{ id __typename }} nodes(ids: [{}]) {{ id }} }}", ids.join(", ")));
        }
    }
    all
}

fn orders(view: &View, ty: &'static Type, parts: &mut Vec<String>) {
    for field in fields(view, ty).filter(|f| f.to.is_none() && f.kind != Kind::Json) {
        let order = format!("orderBy: {{ field: {}, direction: DESC }}", screaming(&field.name));
        parts.push(format!("{}(first: 15, {order}) {{ edges {{ cursor }} }}", ty.plural));
    }
}

fn lists(view: &View, ty: &'static Type, parts: &mut Vec<String>) {
    for list in ty.lists.iter().filter(|l| view.sees(l.of, l.by)) {
        let (plural, name) = (ty.plural, list.name);
        parts.push(format!("{plural}(first: 10) {{ nodes {{ {name}(first: 2) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage }} }} }} }}"));
        parts.push(format!("{plural}(filter: {{ {name}: {{ some: {{}} }} }}) {{ totalCount }}"));
        parts.push(format!("{plural}(filter: {{ {name}: {{ none: {{}} }} }}) {{ totalCount }}"));
    }
    for field in fields(view, ty).filter(|f| f.to.is_some()) {
        parts.push(format!("{}(filter: {{ {}: {{}} }}) {{ totalCount }}", ty.plural, field.name));
    }
}

fn filters(view: &View, ty: &'static Type, dump: &Dump, parts: &mut Vec<String>) {
    let mut add = |test: String| parts.push(format!("{}(filter: {{ {test} }}) {{ totalCount }}", ty.plural));
    for field in fields(view, ty).filter(|f| f.to.is_none() && f.kind != Kind::Json) {
        let name = &field.name;
        add(format!("{name}: {{ isNull: true }}"));
        let seen = |row: &Node| row.fields.get(name).filter(|v| !v.is_null()).cloned();
        let Some(value) = dump.rows(ty).iter().find_map(seen) else { continue };
        let literal = match &value {
            Json::String(word) if !field.one_of.is_empty() => word.clone(),
            value => value.to_string(),
        };
        add(format!("{name}: {{ ne: {literal} }}"));
        if field.kind != Kind::Bool {
            add(format!("{name}: {{ notIn: [{literal}] }}"));
        }
        if field.name != "id" && field.kind != Kind::Bool && field.one_of.is_empty() {
            add(format!("{name}: {{ gte: {literal} }}"));
        }
        if field.kind == Kind::Text && field.one_of.is_empty() {
            add(format!("not: {{ {name}: {{ like: \"%a%\" }} }}"));
        }
    }
}

fn numbers(view: &View, ty: &'static Type, parts: &mut Vec<String>) {
    let aggregate = format!("{}Aggregate", ty.singular());
    let scalars = || fields(view, ty).filter(|f| f.to.is_none() && f.name != "id");
    let names = |keep: &dyn Fn(&Field) -> bool| {
        scalars().filter(|f| keep(f)).map(|f| f.name.clone()).collect::<Vec<_>>().join(" ")
    };
    let numeric = names(&|f| matches!(f.kind, Kind::Int | Kind::Decimal));
    let ordered = names(&|f| matches!(f.kind, Kind::Int | Kind::Decimal | Kind::Instant | Kind::Date));
    let mut asked = "count".to_string();
    for (words, of) in [(["sum", "avg"], numeric), (["min", "max"], ordered)] {
        if !of.is_empty() {
            asked += &words.map(|word| format!(" {word} {{ {of} }}")).concat();
        }
    }
    parts.push(format!("{aggregate} {{ {asked} }}"));
    let mut keys: Vec<String> = Vec::new();
    for field in scalars() {
        match field.kind {
            Kind::Text | Kind::Int | Kind::Bool => keys.push(field.name.clone()),
            Kind::Date | Kind::Instant => keys.push(format!("{}Month", field.name)),
            _ => {}
        }
    }
    for over in fields(view, ty).filter(|f| f.to.is_some()) {
        let to = CATALOGUE.ty(over.to.expect("a reference"));
        let texts = fields(view, to).filter(|f| f.kind == Kind::Text);
        keys.extend(texts.map(|f| format!("{}{}", over.name, pascal(&f.name))));
    }
    for key in keys {
        parts.push(format!("{aggregate}(groupBy: {}) {{ count key {{ {key} }} }}", screaming(&key)));
    }
}
