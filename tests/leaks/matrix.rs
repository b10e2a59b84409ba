//! The access matrix of the demo world and some of the SQL behind it, as snapshots that a change of a
//! policy shows in. `cargo insta review`, or `INSTA_UPDATE=always`, takes a change over.

use std::fmt::Write;

use entente::{
    access::{
        Treatment, View,
        connect::Dialect,
        select::{OrderBy, Select, Test},
        view::FieldView,
    },
    catalogue::{CATALOGUE, TypeId},
};

use crate::{
    differential::voice::Voice,
    harness::{Hub, tests},
};

tests! {
    reading: the_access_matrix, the_sql_of_some_views;
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// `x` as it is, `?` by the row, a treatment by its name, `.` hidden.
fn cell(view: &View, ty: TypeId, field: usize) -> String {
    if let Some(guard) = view.of(ty).guarding(field) {
        return guard.treatment().to_string();
    }
    let FieldView { levels } = &view.of(ty).fields[field];
    if levels.is_empty() {
        return ".".into();
    }
    let parts: Vec<String> = levels
        .iter()
        .map(|(_, shown)| if *shown == Treatment::Full { "x".to_string() } else { shown.to_string() })
        .collect();
    let by_row = if levels.last().is_some_and(|(p, _)| p.is_always()) { "" } else { "?" };
    parts.join("/") + by_row
}

async fn the_access_matrix(hub: Hub) {
    let voices = Voice::all(&hub).await;
    let mut views = Vec::new();
    for voice in &voices {
        views.push(voice.view().await);
    }
    let mut text = String::from(
        "What each seat of the demo world sees of each field: x as it is, a treatment by its name, ? only in some\n\
         of the rows that it sees of the type, . never. `rows`: which it sees of the type; of sums, none.\n\n",
    );
    for (i, voice) in voices.iter().enumerate() {
        writeln!(text, "{:>3}  {}", i + 1, voice.seat).unwrap();
    }
    for ty in &CATALOGUE.types {
        let mut table: Vec<Vec<String>> = Vec::new();
        let rows = |view: &View| match () {
            () if view.of(ty.id).guard.is_some() => "sums",
            () if !view.sees_type(ty.id) => ".",
            () if view.of(ty.id).row.is_always() => "all",
            () => "some",
        };
        table.push(std::iter::once(String::new()).chain((1..=views.len()).map(|n| n.to_string())).collect());
        table.push(std::iter::once("rows".to_string()).chain(views.iter().map(|v| rows(v).to_string())).collect());
        for (i, field) in ty.fields.iter().enumerate().skip(1) {
            let cells = views.iter().map(|view| cell(view, ty.id, i));
            table.push(std::iter::once(field.name.clone()).chain(cells).collect());
        }
        writeln!(text, "\n{}", ty.name).unwrap();
        let width = |column: usize| table.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        for line in &table {
            let cells: Vec<String> =
                line.iter().enumerate().map(|(i, cell)| format!("{cell:<w$}", w = width(i))).collect();
            writeln!(text, "  {}", cells.join("  ").trim_end()).unwrap();
        }
    }
    // the same on both databases
    snapshot("access_matrix", &text);
}

async fn the_sql_of_some_views(hub: Hub) {
    let dialect = hub.dialect();
    let field = |ty: &str, name: &str| CATALOGUE.by_name(ty).unwrap().field_index(name).unwrap();
    let id = |ty: &str| CATALOGUE.by_name(ty).unwrap().id;
    let mut text = String::new();
    let mut note = |what: &str, sql: &str| {
        let lines = sql
            .replace(" FROM ", "\nFROM ")
            .replace(" LEFT JOIN ", "\n  LEFT JOIN ")
            .replace(" WHERE ", "\nWHERE ")
            .replace(" ORDER BY ", "\nORDER BY ");
        writeln!(text, "-- {what}\n{lines}\n").unwrap();
    };

    let view = Voice::of(&hub, "aqua-seals/partner_planner").await.view().await;
    let (mut select, row) = Select::rows(&view, dialect, id("DemandBucket"));
    let (week, of) = (field("DemandBucket", "bucketStart"), id("DemandBucket"));
    select.order(&[OrderBy { field: week, descending: false }], false);
    for name in ["bucketStart", "qty", "firmness", "qtyLow"] {
        let i = field("DemandBucket", name);
        if view.sees(of, i) {
            select.column(row, i);
        }
    }
    let test = select.test(row, week, Test::Gte, 0);
    select.keep(test);
    note("supplier A: a page of demand from a week on", select.page(100).sql());

    let view = Voice::of(&hub, "bergmann/partner_sales").await.view().await;
    let (mut select, row) = Select::rows(&view, dialect, id("Customer"));
    for name in ["name", "region", "postcode"] {
        select.column(row, field("Customer", name));
        select.flag(row, field("Customer", name));
    }
    note("distributor B: a page of customers", select.page(20).sql());

    let view = Voice::of(&hub, "nordwind/finance").await.view().await;
    let (mut select, row) = Select::rows(&view, dialect, id("SalesOrder"));
    for name in ["number", "total", "margin"] {
        select.column(row, field("SalesOrder", name));
    }
    let customer = select.join(row, field("SalesOrder", "customer")).unwrap();
    select.column(customer, field("Customer", "creditLimit"));
    note("finance: a page of orders with the customers' credit limits", select.page(20).sql());

    let view = Voice::of(&hub, "bergmann/partner_sales").await.view().await;
    let (mut select, row) = Select::rows(&view, dialect, id("Customer"));
    select.column(row, 0);
    note("distributor B, three levels: customers", select.page(5).sql());
    let by = field("SalesOrder", "customer");
    let (mut select, row) = Select::children(&view, dialect, id("SalesOrder"), by);
    select.order(&[], false);
    select.column(row, field("SalesOrder", "number"));
    note("… their orders", select.page_of_each(by, 0, 5).sql());
    let by = field("OrderLine", "order");
    let (mut select, row) = Select::children(&view, dialect, id("OrderLine"), by);
    select.order(&[], false);
    select.column(row, field("OrderLine", "qty"));
    let product = select.join(row, field("OrderLine", "product")).unwrap();
    select.column(product, field("Product", "sku"));
    note("… and the lines of these", select.page_of_each(by, 0, 5).sql());
    let (select, _) = Select::children(&view, dialect, id("OrderLine"), by);
    note("… which are counted", select.count_of_each(by, 0).sql());

    let name = match dialect {
        Dialect::Sqlite => "sql_of_views_sqlite",
        Dialect::Postgres => "sql_of_views_postgres",
    };
    snapshot(name, &text);
}
