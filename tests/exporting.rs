//! What `entente export` writes is what a query of the same seat is answered, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entente::{
    catalogue::{CATALOGUE, Type},
    export::{self, Args},
};
use serde_json::Value;

use crate::harness::{Hub, tests};

tests! {
    reading:
        every_seat_exports_what_it_can_query,
        a_hidden_type_is_as_unknown_as_none;
    empty:
        an_export_pages_through_everything;
}

const SEATS: &[&str] = &[
    "nordwind/admin",
    "nordwind/planner",
    "nordwind/sales_rep",
    "nordwind/support_agent",
    "nordwind/finance",
    "nordwind/marketing",
    "aqua-seals/partner_planner",
    "bergmann/partner_sales",
    "bergmann/partner_marketing",
    "ceram-motors/partner_planner",
    "dauphin/partner_sales",
    "lindner/partner_planner",
];

/// By id, the row's values by column.
type Rows = BTreeMap<String, BTreeMap<String, String>>;

async fn exported(hub: &Hub, ty: &Type, seat: &str) -> entente::error::Result<(BTreeSet<String>, Rows)> {
    let mut out = Vec::new();
    export::run(hub.app(), &Args { ty: ty.name.into(), seat: seat.into() }, &mut out).await?;
    let mut sheet = csv::Reader::from_reader(&out[..]);
    let header: Vec<String> = sheet.headers().unwrap().iter().map(str::to_owned).collect();
    let row = |row: csv::StringRecord| {
        let cells = header.iter().cloned().zip(row.iter().map(str::to_owned));
        (row[0].to_owned(), cells.collect())
    };
    let rows = sheet.records().map(|record| row(record.unwrap())).collect();
    Ok((header.iter().cloned().collect(), rows))
}

/// The fields of a type in the seat's schema that are one value each; none if it has no such type.
async fn shown(hub: &Hub, ty: &Type, seat: &str) -> Option<BTreeSet<String>> {
    let document = format!("{{ __type(name: \"{}\") {{ fields {{ name args {{ name }} }} }} }}", ty.name);
    let fields = hub.data(seat, &document).await["__type"]["fields"].take();
    let fields = fields.as_array()?.iter().filter(|field| field["args"].as_array().is_none_or(Vec::is_empty));
    Some(fields.map(|field| field["name"].as_str().unwrap().to_owned()).collect())
}

async fn queried(hub: &Hub, ty: &Type, seat: &str, shown: &BTreeSet<String>) -> Rows {
    let field = |name: &str| CATALOGUE.ty(ty.id).field(name).unwrap();
    let asked = |name: &String| if field(name).to.is_some() { format!("{name} {{ id }}") } else { name.clone() };
    let asked = shown.iter().map(asked).collect::<Vec<_>>().join(" ");
    let text = |name: &String, value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) if !field(name).one_of.is_empty() => text.to_lowercase(),
        Value::String(text) if field(name).kind != entities::meta::Kind::Json => text.clone(),
        Value::Object(row) if field(name).to.is_some() => row["id"].as_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    let (mut rows, mut after) = (Rows::new(), String::new());
    loop {
        let list = ty.plural;
        let document =
            format!("{{ {list}(first: 100{after}) {{ nodes {{ {asked} }} pageInfo {{ hasNextPage endCursor }} }} }}");
        let page = hub.data(seat, &document).await[list].take();
        for node in page["nodes"].as_array().unwrap() {
            let row: BTreeMap<_, _> = shown.iter().map(|name| (name.clone(), text(name, &node[name]))).collect();
            rows.insert(row["id"].clone(), row);
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return rows;
        }
        after = format!(", after: {}", page["pageInfo"]["endCursor"]);
    }
}

/// JSON is compared as a value: the databases space it differently.
fn normal(ty: &Type, rows: &mut Rows) {
    for (name, text) in rows.values_mut().flatten() {
        if ty.field(name).unwrap().kind == entities::meta::Kind::Json
            && let Ok(value) = serde_json::from_str::<Value>(text)
        {
            *text = value.to_string();
        }
    }
}

async fn every_seat_exports_what_it_can_query(hub: Hub) {
    let mut compared = 0;
    for seat in SEATS {
        for ty in &CATALOGUE.types {
            let exported = exported(&hub, ty, seat).await;
            let Some(shown) = shown(&hub, ty, seat).await else {
                assert!(exported.is_err(), "{seat} exports {}, which it cannot query", ty.name);
                continue;
            };
            let (header, mut rows) = exported.unwrap_or_else(|error| panic!("{seat}: {error}"));
            assert_eq!(header, shown, "{seat}: {}", ty.name);
            let mut there = queried(&hub, ty, seat, &shown).await;
            normal(ty, &mut rows);
            normal(ty, &mut there);
            assert_eq!(rows, there, "{seat}: {}", ty.name);
            compared += rows.len();
        }
    }
    assert!(compared > 3_000, "{compared}");
}

async fn a_hidden_type_is_as_unknown_as_none(hub: Hub) {
    let seat = "aqua-seals/partner_planner";
    let hidden = hub.cli(&["export", "Customer", "--as", seat]).run().await;
    let unknown = hub.cli(&["export", "Nothing", "--as", seat]).run().await;
    assert_eq!(hidden.sentence(2).replace("`Customer`", "`Nothing`"), unknown.sentence(2));
    assert_eq!(hidden.stdout, "");
    let nobody = hub.cli(&["export", "Product", "--as", "aqua-seals/king"]).run().await;
    assert_eq!(nobody.code, Some(2), "{}", nobody.stderr);
}

async fn an_export_pages_through_everything(hub: Hub) {
    let sizes = "--seed 1 --customers 50 --products 20 --partners 10 --weeks 20 --lines 2500";
    let mut arguments = vec!["generate", "--base", "2026-06-15T00:00:00Z"];
    arguments.extend(sizes.split(' '));
    hub.cli(&arguments).run().await.good();
    let said = hub.cli(&["export", "OrderLine", "--as", "host/finance"]).run().await.good();
    let ids: HashSet<_> = said.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!((said.lines().count(), ids.len()), (2_501, 2_500));
}
