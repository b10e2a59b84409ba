//! R6: sums that name nobody. B's marketing reads pump demand by family, country and month, but no number behind
//! which fewer than five customers stand, or of which one has more than three quarters; nor what gives such a
//! number by subtraction, in one answer or over many.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use entente::policy::Rules;
use serde_json::{Value, json};

use super::{ADMIN, BERGMANN, BERGMANN_MARKETING, absent, at, no_list};
use crate::harness::{Hub, policies, tests};

tests! {
    reading:
        marketing_reads_demand_in_sums_only,
        small_countries_are_told_together,
        no_word_of_a_document_tells_a_hidden_country,
        what_is_wrong_with_a_guarded_question_is_told;
    changing:
        the_rules_have_sharp_edges,
        nothing_that_the_rules_forbid_can_be_computed,
        no_sum_holds_what_must_not_be_known,
        what_was_told_together_is_never_told_apart,
        sums_end_with_the_agreement,
        an_agreement_can_name_the_threshold,
        orders_are_summed_by_who_placed_them;
    alone:
        a_guard_that_is_not_whole_is_refused;
}

const SUMS: &str = "demandBucketAggregate";

/// (region, family, month)
type Place = (String, String, String);

#[derive(Clone, Debug, Default)]
struct Cell {
    qty: i64,
    customers: i64,
    /// In hundredths of a piece.
    top: i64,
}

fn whole(value: &Value, pointer: &str) -> i64 {
    at(value, pointer).parse().unwrap_or_else(|_| panic!("{pointer} of {value}"))
}

/// What the guard must work with, as the operator sees it row by row.
async fn there(hub: &Hub) -> BTreeMap<Place, Cell> {
    let rows = "{ demandBuckets(first: 1000, filter: { granularity: { eq: MONTH }, version: { status: { eq: PUBLISHED } }, \
                series: { product: { embargoUntil: { isNull: true } } } }) { totalCount nodes { bucketStart qty \
                contributors topShare series { region product { family } } } } }";
    let data = hub.data(ADMIN, rows).await["demandBuckets"].take();
    let rows = data["nodes"].as_array().unwrap();
    assert_eq!(data["totalCount"], rows.len());
    let mut cells: BTreeMap<Place, Cell> = BTreeMap::new();
    for row in rows {
        let place = (
            at(row, "/series/region").to_owned(),
            at(row, "/series/product/family").to_owned(),
            at(row, "/bucketStart").to_owned(),
        );
        let (cell, qty) = (cells.entry(place).or_default(), whole(row, "/qty"));
        let share = row["topShare"].as_str().map_or(1.0, |share| share.parse::<f64>().unwrap());
        cell.qty += qty;
        cell.customers = cell.customers.max(row["contributors"].as_i64().unwrap());
        cell.top += qty * (share * 100.0).round() as i64;
    }
    cells
}

fn passes<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> bool {
    let mut all = Cell::default();
    for cell in cells {
        all.qty += cell.qty;
        all.customers = all.customers.max(cell.customers);
        all.top += cell.top;
    }
    all.customers >= 5 && all.qty > 0 && all.top <= 75 * all.qty
}

async fn ask(hub: &Hub, arguments: &str) -> Vec<Value> {
    let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
    let keys = "seriesRegion seriesProductFamily bucketStartMonth";
    let document =
        format!("{{ {SUMS}{arguments} {{ count suppressed key {{ {keys} }} sum {{ qty }} avg {{ qty }} }} }}");
    hub.data(BERGMANN_MARKETING, &document).await[SUMS].as_array().unwrap().clone()
}

fn sums(groups: &[Value], key: &str) -> Vec<(Option<String>, bool, i64)> {
    let key = |group: &Value| group["key"][key].as_str().map(String::from);
    groups.iter().map(|g| (key(g), g["suppressed"].as_bool().unwrap(), whole(g, "/sum/qty"))).collect()
}

async fn marketing_reads_demand_in_sums_only(hub: Hub) {
    for list in ["demandBuckets", "demandSeries", "forecastVersions"] {
        no_list(&hub, BERGMANN_MARKETING, list).await;
    }
    for word in ["min", "max"] {
        let document = format!("{{ {SUMS} {{ $ {{ qty }} }} }}");
        absent(&hub, BERGMANN_MARKETING, &document, word).await;
    }
    for field in ["qtyLow", "qtyHigh", "contributors", "topShare"] {
        absent(&hub, BERGMANN_MARKETING, &format!("{{ {SUMS} {{ sum {{ $ }} }} }}"), field).await;
    }
    for key in
        ["seriesProductSku", "seriesUom", "firmness", "source", "bucketStart", "bucketStartWeek", "seriesCategory"]
    {
        absent(&hub, BERGMANN_MARKETING, &format!("{{ {SUMS} {{ key {{ $ }} }} }}"), key).await;
    }
    // what other seats filter rows by is no word of this schema
    for filter in ["qty: { gt: 1 }", "series: { region: { eq: \"CH\" } }", "bucketStart: { eq: \"2026-07-01\" }"] {
        let document = format!("{{ {SUMS}(filter: {{ {filter} }}) {{ count }} }}");
        assert_eq!(hub.refusal(BERGMANN_MARKETING, &document).await.0, "GRAPHQL_VALIDATION_FAILED", "{filter}");
    }
    let names = "{ __schema { types { name } } }";
    let data = hub.data(BERGMANN_MARKETING, names).await;
    let names: BTreeSet<&str> = data["__schema"]["types"].as_array().unwrap().iter().map(|t| at(t, "/name")).collect();
    let about = names.iter().copied().filter(|name| name.starts_with("Demand")).collect::<Vec<_>>();
    let parts = ["Avg", "Group", "GroupBy", "Key", "KeyFilter", "Sum"].map(|part| format!("DemandBucket{part}"));
    assert_eq!(about, parts);
    let rights = "{ viewer { rights { type fields { field access } } } }";
    let rights = hub.data(BERGMANN_MARKETING, rights).await["viewer"]["rights"].take();
    let demand: Vec<_> = rights.as_array().unwrap().iter().filter(|r| at(r, "/type").starts_with("Demand")).collect();
    assert_eq!(
        json!(demand),
        json!([{ "type": "DemandBucket", "fields": [{ "field": "qty", "access": "AGGREGATE" }] }])
    );
    // its colleague in sales is told nothing of it
    absent(&hub, BERGMANN, "{ $ { count } }", SUMS).await;
}

async fn small_countries_are_told_together(hub: Hub) {
    let there = there(&hub).await;
    let place = |place: &Place| (place.0.as_str() == "CH" || place.0.as_str() == "FR", place.2.clone());
    // as the demo world promises: Switzerland stands for 3 customers, in France one has 81 %
    for ((region, family, month), cell) in &there {
        assert_eq!(passes([cell]), region == "DE" || region == "AT", "{region} {family} {month}");
    }
    let groups = ask(&hub, "groupBy: [SERIES_REGION, SERIES_PRODUCT_FAMILY, BUCKET_START_MONTH]").await;
    let mut expected: BTreeMap<(Option<String>, String, String), i64> = BTreeMap::new();
    for ((region, family, month), cell) in &there {
        let region = ["DE", "AT"].contains(&region.as_str()).then(|| region.clone());
        *expected.entry((region, family.clone(), month.clone())).or_default() += cell.qty;
    }
    assert_eq!((groups.len(), expected.len()), (2 * 37 * 3, 2 * 37 * 3));
    for group in &groups {
        let key = |name: &str| group["key"][name].as_str().map(String::from);
        let of = (key("seriesRegion"), key("seriesProductFamily").unwrap(), key("bucketStartMonth").unwrap());
        assert_eq!(expected.get(&of), Some(&whole(group, "/sum/qty")), "{group}");
        assert_eq!(group["suppressed"], of.0.is_none(), "{group}");
    }
    // by month, by country, in all: nothing is lost, and nothing hidden can be told from it
    let mut months: BTreeMap<String, i64> = BTreeMap::new();
    let mut regions: BTreeMap<bool, i64> = BTreeMap::new();
    for (of, cell) in &there {
        let (small, month) = place(of);
        *months.entry(month).or_default() += cell.qty;
        *regions.entry(small).or_default() += cell.qty;
    }
    let by_month = sums(&ask(&hub, "groupBy: BUCKET_START_MONTH").await, "bucketStartMonth");
    assert_eq!(by_month, months.into_iter().map(|(month, qty)| (Some(month), false, qty)).collect::<Vec<_>>());
    let by_region = sums(&ask(&hub, "groupBy: SERIES_REGION").await, "seriesRegion");
    let names: Vec<_> = by_region.iter().map(|(region, suppressed, _)| (region.as_deref(), *suppressed)).collect();
    assert_eq!(names, [(Some("AT"), false), (Some("DE"), false), (None, true)]);
    assert_eq!((by_region[2].2, by_region[0].2 + by_region[1].2), (regions[&true], regions[&false]));
    let all = ask(&hub, "").await;
    assert_eq!(sums(&all, "seriesRegion"), [(None, false, regions.values().sum::<i64>())]);
    // an average is a sum that is divided by what is told anyway
    let (count, sum) = (all[0]["count"].as_i64().unwrap(), whole(&all[0], "/sum/qty"));
    let average: f64 = at(&all[0], "/avg/qty").parse().unwrap();
    assert!((average - sum as f64 / count as f64).abs() < 0.0001);
}

/// L3, L4: groups, totals, filters and aliases of every kind, in one document and one by one.
async fn no_word_of_a_document_tells_a_hidden_country(hub: Hub) {
    let there = there(&hub).await;
    let month = "bucketStartMonth: { eq: \"2026-07-01\" }";
    let only = |region: &str, family: Option<&str>| -> i64 {
        let here =
            there.iter().filter(|((r, f, m), _)| r == region && family.is_none_or(|x| x == f) && m == "2026-07-01");
        here.map(|(_, cell)| cell.qty).sum()
    };
    // France, Switzerland, or all without one of them, however it is said
    for filter in [
        "seriesRegion: { eq: \"CH\" }",
        "seriesRegion: { in: [\"FR\"] }",
        "seriesRegion: { ne: \"FR\" }",
        "seriesRegion: { notIn: [\"CH\"] }",
        "not: { seriesRegion: { eq: \"CH\" } }",
        "seriesRegion: { like: \"C%\" }",
        "seriesRegion: { gt: \"DE\" }",
        "or: [{ seriesRegion: { eq: \"DE\" } }, { seriesRegion: { eq: \"FR\" } }]",
        "and: [{ seriesRegion: { ne: \"DE\" } }, { seriesRegion: { ne: \"CH\" } }]",
    ] {
        let groups = ask(&hub, &format!("filter: {{ {month}, {filter} }}")).await;
        assert_eq!(groups, [] as [Value; 0], "{filter}");
        for by in ["SERIES_REGION", "BUCKET_START_MONTH", "SERIES_PRODUCT_FAMILY"] {
            for group in ask(&hub, &format!("groupBy: {by}, filter: {{ {month}, {filter} }}")).await {
                let region = group["key"]["seriesRegion"].as_str();
                assert!(by == "SERIES_REGION" && ["DE", "AT"].contains(&region.unwrap()), "{filter}: {group}");
            }
        }
    }
    // a country that is not there looks like one that is hidden
    assert_eq!(ask(&hub, "filter: { seriesRegion: { eq: \"XX\" } }").await, [] as [Value; 0]);

    let document = format!(
        "{{ total: {SUMS}(filter: {{ {month} }}) {{ ...n }} regions: {SUMS}(groupBy: SERIES_REGION, filter: {{ {month} }}) {{ ...n }} \
           families: {SUMS}(groupBy: SERIES_PRODUCT_FAMILY, filter: {{ {month} }}) {{ ...n }} \
           both: {SUMS}(groupBy: [SERIES_PRODUCT_FAMILY, SERIES_REGION], filter: {{ {month} }}) {{ ...n }} \
           big: {SUMS}(filter: {{ {month}, seriesRegion: {{ in: [\"DE\", \"AT\"] }} }}) {{ ...n }} \
           small: {SUMS}(filter: {{ {month}, seriesRegion: {{ notIn: [\"DE\", \"AT\"] }} }}) {{ ...n }} }} \
         fragment n on DemandBucketGroup {{ suppressed sum {{ qty }} key {{ seriesRegion seriesProductFamily }} }}"
    );
    let data = hub.data(BERGMANN_MARKETING, &document).await;
    let numbers: Vec<i64> = data
        .as_object()
        .unwrap()
        .values()
        .flat_map(|groups| groups.as_array().unwrap())
        .map(|group| whole(group, "/sum/qty"))
        .collect();
    assert_eq!(numbers.len(), 1 + 3 + 2 + 6 + 1 + 1);
    assert_eq!(data["small"][0]["sum"]["qty"], data["regions"][2]["sum"]["qty"]);
    // no number of it, and no difference of two, is one of the hidden
    let families = [None, Some("circulation pumps"), Some("drainage pumps")];
    let hidden: Vec<i64> = ["CH", "FR"].iter().flat_map(|r| families.map(|f| only(r, f))).collect();
    for a in numbers.iter().chain([&0]) {
        for b in numbers.iter().chain([&0]) {
            assert!(!hidden.contains(&(a - b)), "{a} - {b}");
        }
    }
}

async fn what_is_wrong_with_a_guarded_question_is_told(hub: Hub) {
    let document = format!(
        "query($f: DemandBucketKeyFilter, $by: [DemandBucketGroupBy!]) {{ {SUMS}(groupBy: $by, filter: $f) {{ count }} }}"
    );
    let good = hub.data_with(
        BERGMANN_MARKETING,
        &document,
        json!({ "f": { "bucketStartMonth": { "gte": "2026-01-01" } }, "by": ["SERIES_REGION"] }),
    );
    assert_eq!(good.await[SUMS].as_array().unwrap().len(), 3);
    for (variables, part) in [
        (json!({ "f": { "bucketStartMonth": { "gte": "soon" } } }), "soon"),
        (json!({ "f": { "qty": { "gt": 5 } } }), "qty"),
        (json!({ "f": { "seriesRegion": "CH" } }), "seriesRegion"),
        (json!({ "by": ["FIRMNESS"] }), "FIRMNESS"),
    ] {
        let (code, message) = hub.refusal_with(BERGMANN_MARKETING, &document, variables).await;
        assert!(code == "BAD_USER_INPUT" && message.contains(part), "{code} {message}");
    }
}

/// A world of one month: what is left of pump demand then.
async fn one_month(hub: &Hub) {
    let version = "SELECT id FROM forecast_version WHERE status = 'published'";
    hub.sql(&format!(
        "DELETE FROM demand_bucket WHERE granularity <> 'month' OR bucket_start <> '2026-07-01' OR version_id NOT IN ({version})"
    ))
    .await;
}

/// The guard's memory, emptied as by an operator.
async fn forget(hub: &Hub) {
    hub.sql("DELETE FROM guard_tie").await;
}

async fn set(hub: &Hub, region: &str, change: &str) {
    forget(hub).await;
    let series = format!("SELECT id FROM demand_series WHERE region = '{region}' AND supplier_id IS NULL");
    assert!(hub.sql(&format!("UPDATE demand_bucket SET {change} WHERE series_id IN ({series})")).await > 0);
}

async fn the_rules_have_sharp_edges(hub: Hub) {
    one_month(&hub).await;
    let told = async || {
        let groups = sums(&ask(&hub, "groupBy: SERIES_REGION").await, "seriesRegion");
        groups.into_iter().map(|(region, _, _)| region.unwrap_or_else(|| "rest".into())).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told().await, "AT DE rest");
    // with France alone in the rest, Switzerland must keep it company
    set(&hub, "CH", "contributors = 5").await;
    assert_eq!(told().await, "AT DE rest");
    set(&hub, "CH", "contributors = 4").await;
    set(&hub, "FR", "top_share = 7500").await;
    assert_eq!(told().await, "DE FR rest", "four: Switzerland hides in Austria, the next smallest");
    set(&hub, "CH", "contributors = 5, top_share = 7500").await;
    assert_eq!(told().await, "AT CH DE FR", "five customers, and exactly three quarters");
    set(&hub, "CH", "top_share = 7501").await;
    assert_eq!(told().await, "DE FR rest");
    // a share that nobody told may be all of it
    set(&hub, "CH", "top_share = NULL").await;
    assert_eq!(told().await, "DE FR rest");
    set(&hub, "CH", "top_share = 2000, qty = 0").await;
    assert_eq!(told().await, "DE FR rest", "that nothing is demanded tells everybody's demand");
    // the rest fails until all are in it
    set(&hub, "CH", "top_share = 10000, qty = 40000000").await;
    assert_eq!(told().await, "");
    for region in ["DE", "AT", "FR", "CH"] {
        set(&hub, region, "contributors = 4").await;
    }
    set(&hub, "CH", "top_share = 1000").await;
    assert_eq!(told().await, "", "nobody has five customers");
    assert_eq!(ask(&hub, "").await, [] as [Value; 0]);
}

/// The cells of one month, worth powers of two beside a round number, so that every sum names its cells. From
/// all that is told in a session of questions nothing that the rules forbid may be a linear combination.
async fn nothing_that_the_rules_forbid_can_be_computed(hub: Hub) {
    one_month(&hub).await;
    // a series for each cell: one product of each family, and none that is not launched
    let series = "SELECT s.id FROM demand_series s JOIN product p ON p.id = s.product_id \
                  WHERE s.supplier_id IS NULL AND p.sku IN ('P100', 'P300')";
    hub.sql(&format!("DELETE FROM demand_bucket WHERE series_id NOT IN ({series})")).await;
    let places: Vec<(&str, &str)> =
        ["AT", "CH", "DE", "FR"].iter().flat_map(|r| ["P100", "P300"].map(|sku| (*r, sku))).collect();
    const ROUND: i64 = 1_000_000;
    let mut seed: u64 = 11;
    let mut roll = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut told, mut hidden) = (0, 0);
    for _ in 0..15 {
        forget(&hub).await;
        let mut world: Vec<Cell> = Vec::new();
        for (i, (region, sku)) in places.iter().enumerate() {
            let customers = [2, 3, 4, 5, 6, 9][roll(6) as usize];
            let share = [20, 40, 60, 75, 76, 85, 100][roll(7) as usize];
            let qty = ROUND * (1 + roll(3) as i64) + (1 << i);
            world.push(Cell { qty, customers, top: qty * share });
            let one = format!(
                "SELECT s.id FROM demand_series s JOIN product p ON p.id = s.product_id \
                 WHERE s.supplier_id IS NULL AND s.region = '{region}' AND p.sku = '{sku}'"
            );
            let change = format!("qty = {qty}0000, contributors = {customers}, top_share = {share}00");
            assert_eq!(hub.sql(&format!("UPDATE demand_bucket SET {change} WHERE series_id IN ({one})")).await, 1);
        }
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for _ in 0..6 {
            let by = ["", "SERIES_REGION", "SERIES_PRODUCT_FAMILY", "SERIES_REGION, SERIES_PRODUCT_FAMILY"]
                [roll(4) as usize];
            let some: Vec<&str> = ["AT", "CH", "DE", "FR"].into_iter().filter(|_| roll(3) > 0).collect();
            let filter = match roll(3) {
                0 => String::new(),
                1 => format!("seriesRegion: {{ in: {} }}", json!(some)),
                _ => "seriesProductFamily: { like: \"circ%\" }".into(),
            };
            for group in ask(&hub, &format!("groupBy: [{by}], filter: {{ {filter} }}")).await {
                let sum = whole(&group, "/sum/qty");
                let row: Vec<f64> =
                    (0..places.len()).map(|i| f64::from(u8::from(((sum % ROUND) >> i) & 1 == 1))).collect();
                let of = |i: &usize| row[*i] == 1.0;
                assert_eq!((0..places.len()).filter(of).map(|i| world[i].qty).sum::<i64>(), sum, "{group}");
                rows.push(row);
            }
        }
        reduce(&mut rows);
        for mask in 1..1_u32 << places.len() {
            let set: Vec<usize> = (0..places.len()).filter(|i| mask >> i & 1 == 1).collect();
            let row = (0..places.len()).map(|i| f64::from(u8::from(set.contains(&i)))).collect();
            let fine = passes(set.iter().map(|i| &world[*i]));
            if spanned(&rows, row) {
                told += 1;
                assert!(fine, "{set:?} of {world:?}");
            } else {
                hidden += usize::from(!fine);
            }
        }
    }
    assert!(told > 50 && hidden > 500, "{told} told, {hidden} hidden");
}

/// Gauss.
fn reduce(rows: &mut Vec<Vec<f64>>) {
    let mut done: Vec<Vec<f64>> = Vec::new();
    for row in rows.drain(..) {
        let row = left(&done, row);
        if let Some(pivot) = row.iter().position(|x| x.abs() > 1e-9) {
            let by = row[pivot];
            done.push(row.into_iter().map(|x| x / by).collect());
        }
    }
    *rows = done;
}

fn left(done: &[Vec<f64>], mut row: Vec<f64>) -> Vec<f64> {
    for known in done {
        let pivot = known.iter().position(|x| x.abs() > 1e-9).unwrap();
        let by = row[pivot];
        row.iter_mut().zip(known).for_each(|(x, k)| *x -= by * k);
    }
    row
}

fn spanned(done: &[Vec<f64>], row: Vec<f64>) -> bool {
    left(done, row).iter().all(|x| x.abs() < 1e-9)
}

/// R8, R9
async fn no_sum_holds_what_must_not_be_known(hub: Hub) {
    let before = ask(&hub, "groupBy: [SERIES_REGION, BUCKET_START_MONTH]").await;
    // demand of one customer under NDA, in a country that passes
    for name in ["Alpenstahl AG", "Donauwerk Sondertechnik GmbH"] {
        let customer = format!("SELECT id FROM customer WHERE name = '{name}'");
        assert_eq!(hub.number(&format!("SELECT count(*) FROM ({customer}) c")).await, 1);
        let series = "SELECT s.id FROM demand_series s JOIN product p ON p.id = s.product_id \
                      WHERE s.supplier_id IS NULL AND s.region = 'DE' AND p.sku = 'P100'";
        hub.sql(&format!("UPDATE demand_series SET customer_id = ({customer}) WHERE id IN ({series})")).await;
        let without = ask(&hub, "groupBy: [SERIES_REGION, BUCKET_START_MONTH]").await;
        assert_ne!(before, without, "{name}");
        hub.sql(&format!("UPDATE demand_bucket SET qty = 990000 WHERE series_id IN ({series})")).await;
        assert_eq!(ask(&hub, "groupBy: [SERIES_REGION, BUCKET_START_MONTH]").await, without, "{name}");
    }
    // the new pump is in no sum before its day
    let total = async || whole(&ask(&hub, "").await[0], "/sum/qty");
    hub.set_clock("2026-09-01T08:59:59Z");
    let known = total().await;
    hub.set_clock("2026-09-01T09:00:00Z");
    assert!(total().await > known);
    let day: NaiveDate = "2026-09-01".parse().unwrap();
    assert_eq!(hub.clock().now().utc().date_naive(), day);
}

/// The same question before and after the data changed: what hid then is not told by the difference.
async fn what_was_told_together_is_never_told_apart(hub: Hub) {
    one_month(&hub).await;
    let told = async |hub: &Hub| sums(&ask(hub, "groupBy: SERIES_REGION").await, "seriesRegion");
    let names = |told: &[(Option<String>, bool, i64)]| {
        told.iter().map(|(region, ..)| region.clone().unwrap_or_else(|| "rest".into())).collect::<Vec<_>>().join(" ")
    };
    let ties = async || hub.number("SELECT count(*) FROM guard_tie").await;
    let change = async |region: &str, change: &str| {
        let series = format!("SELECT id FROM demand_series WHERE region = '{region}' AND supplier_id IS NULL");
        assert!(hub.sql(&format!("UPDATE demand_bucket SET {change} WHERE series_id IN ({series})")).await > 0);
    };
    assert_eq!(ties().await, 0);
    let first = told(&hub).await;
    assert_eq!(names(&first), "AT DE rest");
    // Switzerland and France, of two families
    assert_eq!(ties().await, 4);
    // France would pass now, and Switzerland would hide in Austria
    change("FR", "top_share = 7000").await;
    assert_eq!(told(&hub).await, first);
    // another process has the same memory
    let other = hub.with(|_| ()).await;
    assert_eq!(told(&other).await, first);
    // France alone fails the more: Austria joins both
    change("FR", "top_share = 9500").await;
    assert_eq!(names(&told(&hub).await), "DE rest");
    change("FR", "top_share = 2000").await;
    change("CH", "contributors = 9").await;
    assert_eq!(names(&told(&hub).await), "DE rest", "nor is Austria told again");
    assert_eq!(ties().await, 6);
    let by_family = ask(&hub, "groupBy: SERIES_PRODUCT_FAMILY").await;
    assert_eq!(by_family.len(), 2, "what is whole is told whole");
    // Switzerland is gone: a difference to what was told would tell it, so its companions go too
    let gone = "SELECT id FROM demand_series WHERE region = 'CH' AND supplier_id IS NULL";
    hub.sql(&format!("DELETE FROM demand_bucket WHERE series_id IN ({gone})")).await;
    assert_eq!(names(&told(&hub).await), "DE");
    assert_eq!(ask(&hub, "").await, [] as [Value; 0]);
    // an operator may take a new start
    forget(&hub).await;
    assert_eq!(names(&told(&hub).await), "AT DE FR");
    assert_eq!(ties().await, 0);
}

async fn sums_end_with_the_agreement(hub: Hub) {
    assert!(!ask(&hub, "").await.is_empty());
    hub.sql("UPDATE agreement_scope SET product_family = 'drainage pumps' WHERE object_type = 'demand' AND product_family = 'circulation pumps'").await;
    let families = sums(&ask(&hub, "groupBy: SERIES_PRODUCT_FAMILY").await, "seriesProductFamily");
    assert_eq!(families.iter().map(|(family, ..)| family.as_deref()).collect::<Vec<_>>(), [Some("drainage pumps")]);
    hub.sql(
        "UPDATE sharing_agreement SET status = 'suspended' WHERE title = 'Distribution Germany, Austria, Switzerland'",
    )
    .await;
    absent(&hub, BERGMANN_MARKETING, "{ $ { count } }", SUMS).await;
}

/// Takes policies besides those of the hub.
pub async fn with(hub: &Hub, text: &str) -> (Hub, tempfile::TempDir) {
    let folder = policies();
    let file = folder.path().join("demand.cedar");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let start = shipped.find("@id(\"demand.marketing\")").unwrap();
    let end = start + shipped[start..].find("};\n").unwrap() + 3;
    std::fs::write(&file, format!("{}{text}{}", &shipped[..start], &shipped[end..])).unwrap();
    (hub.with(|config| config.policies = Some(folder.path().into())).await, folder)
}

async fn an_agreement_can_name_the_threshold(hub: Hub) {
    one_month(&hub).await;
    let policy = "@id(\"demand.marketing\") @doc(\"As agreed.\") @treatment(\"agreement\") \
        @by(\"series.region series.product.family bucketStart.month\") \
        permit (principal in Role::\"partner_marketing\", action == Action::\"DemandBucket.qty\", resource is DemandBucket) \
        when { !(resource has supplier) && resource.series in principal.organisation.sharedDemand };\n";
    let (hub, _folder) = with(&hub, policy).await;
    absent(&hub, BERGMANN_MARKETING, "{ $ { count } }", SUMS).await;
    let title = "title = 'Distribution Germany, Austria, Switzerland'";
    let id = match hub.dialect() {
        entente::access::connect::Dialect::Sqlite => "randomblob(16)",
        entente::access::connect::Dialect::Postgres => "gen_random_uuid()",
    };
    hub.sql(&format!(
        "INSERT INTO agreement_field (id, agreement_id, object_type, field, treatment, param, writable) \
         SELECT {id}, id, 'demand_bucket', 'qty', 'aggregate_only', '0.85', FALSE FROM sharing_agreement WHERE {title}"
    ))
    .await;
    let told = async || {
        let groups = sums(&ask(&hub, "groupBy: SERIES_REGION").await, "seriesRegion");
        groups.into_iter().map(|(region, ..)| region.unwrap_or_else(|| "rest".into())).collect::<Vec<_>>().join(" ")
    };
    // five customers, says the agreement; in France nobody has more than 85 %
    assert_eq!(told().await, "DE FR rest");
    hub.sql(&format!("UPDATE sharing_agreement SET k_threshold = 3 WHERE {title}")).await;
    assert_eq!(told().await, "DE FR rest", "what was told together is not told apart");
    forget(&hub).await;
    assert_eq!(told().await, "AT CH DE FR");
    hub.sql("UPDATE agreement_field SET param = '9,0.85' WHERE treatment = 'aggregate_only'").await;
    assert_ne!(told().await, "AT CH DE FR");
    // what nobody can read is hidden
    hub.sql("UPDATE agreement_field SET param = 'many' WHERE treatment = 'aggregate_only'").await;
    absent(&hub, BERGMANN_MARKETING, "{ $ { count } }", SUMS).await;
}

/// Where the rows say whose they are, who stands behind a sum is counted.
async fn orders_are_summed_by_who_placed_them(hub: Hub) {
    let policy = "@id(\"order.marketing\") @doc(\"For a test.\") @treatment(\"aggregate_only:3,0.6\") \
        @by(\"order.shipToRegion product.family orderedOn.year\") \
        permit (principal in Role::\"partner_marketing\", action in [Action::\"OrderLine.qty\", Action::\"OrderLine.lineNo\"], \
          resource is OrderLine);\n";
    let (hub, _folder) = with(&hub, policy).await;
    let lines = "qty lineNo orderedOn product { family embargoUntil } order { shipToRegion customer { id ndaLevel } }";
    let mut rows = Vec::new();
    for row in super::all(&hub, ADMIN, "orderLines", lines).await {
        // what the partner must not know of is in no sum; nor is what has no place that it may know
        if row["order"]["customer"]["ndaLevel"] == 0 && row["product"]["embargoUntil"].is_null() {
            rows.push(row);
        }
    }
    let naive = |keep: &dyn Fn(&Value) -> bool| {
        let mut of: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for row in rows.iter().filter(|row| keep(row)) {
            let one = of.entry(at(row, "/order/customer/id")).or_default();
            *one = (one.0 + whole(row, "/qty"), one.1 + 1);
        }
        let (sum, count) = of.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let most = of.values().fold((0, 0), |most: (i64, i64), one| (most.0.max(one.0), most.1.max(one.1)));
        (sum, count, of.len() >= 3 && most.0 * 10 <= sum * 6 && most.1 * 10 <= count * 6)
    };
    let sums = "orderLineAggregate";
    let ask = async |by: &str| {
        let document = format!(
            "{{ {sums}(groupBy: [{by}]) {{ count suppressed sum {{ qty lineNo }} key {{ orderShipToRegion productFamily orderedOnYear }} }} }}"
        );
        hub.data(BERGMANN_MARKETING, &document).await[sums].as_array().unwrap().clone()
    };
    let total = naive(&|_| true);
    let (mut shown, mut rests) = (0, 0);
    for by in [
        "",
        "PRODUCT_FAMILY",
        "ORDER_SHIP_TO_REGION, ORDERED_ON_YEAR",
        "ORDER_SHIP_TO_REGION, PRODUCT_FAMILY, ORDERED_ON_YEAR",
    ] {
        let groups = ask(by).await;
        let (mut sum, mut count) = (0, 0);
        for group in &groups {
            sum += whole(group, "/sum/qty");
            count += group["count"].as_i64().unwrap();
            if group["suppressed"] == true {
                rests += 1;
                continue;
            }
            let is = |key: &str, value: &str| group["key"][key].as_str().is_none_or(|k| k.starts_with(value));
            let (expected, lines, fine) = naive(&|row| {
                is("orderShipToRegion", at(row, "/order/shipToRegion"))
                    && is("productFamily", at(row, "/product/family"))
                    && is("orderedOnYear", &at(row, "/orderedOn")[..4])
            });
            assert_eq!((whole(group, "/sum/qty"), group["count"].as_i64()), (expected, Some(lines)), "{by}: {group}");
            assert!(fine, "{by}: {group}");
            shown += 1;
        }
        assert_eq!((sum, count), (total.0, total.1), "{by}");
    }
    assert!(shown > 3 && rests > 0, "{shown} groups, {rests} rests");
}

async fn a_guard_that_is_not_whole_is_refused() {
    let refused = |annotations: &str, scope: &str| {
        let text = format!("@id(\"x\") @doc(\"For a test.\") {annotations}\npermit (principal, {scope});\n");
        let refusals = Rules::parse(&[("x.cedar".into(), text)]).map(|_| ()).unwrap_err();
        refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let qty = "action == Action::\"DemandBucket.qty\", resource is DemandBucket";
    let by = "@by(\"series.region\")";
    let guarded = "@treatment(\"aggregate_only:5,0.75\")";
    for (annotations, scope, part) in [
        (guarded.to_string(), qty, "say by what it may be grouped"),
        (by.to_string(), qty, "@by goes with the treatment"),
        (format!("@treatment(\"aggregate_only\") {by}"), qty, "`aggregate_only:5,0.75`"),
        (format!("@treatment(\"aggregate_only:1,0.75\") {by}"), qty, "two at least"),
        (format!("@treatment(\"aggregate_only:5,1\") {by}"), qty, "below 1"),
        (format!("{guarded} {by}"), "action == Action::\"DemandBucket.qty\", resource", "`resource is DemandBucket`"),
        (
            format!("{guarded} @by(\"name\")"),
            "action == Action::\"Product.listPrice\", resource is Product",
            "who stands behind",
        ),
        (format!("{guarded} @by(\"series.colour\")"), qty, "DemandSeries has no field `colour`"),
        (format!("{guarded} @by(\"series.product\")"), qty, "ends with a reference"),
        (format!("{guarded} @by(\"qty\")"), qty, "cannot be grouped by"),
        (format!("{guarded} @by(\"id\")"), qty, "no field `id`"),
        (format!("{guarded} @by(\"updatedAt\")"), qty, "cannot be grouped by"),
        (format!("{guarded} @by(\"bucketStart.fortnight\")"), qty, "no span of time"),
        (format!("{guarded} @by(\"bucketStart.month.year\")"), qty, "cannot be grouped by"),
        (format!("{guarded} @by(\"firmness firmness\")"), qty, "twice"),
        (format!("{guarded} @by(\"\")"), qty, "one to eight"),
    ] {
        let told = refused(&annotations, scope);
        assert!(told.starts_with("x.cedar:1: ") && told.contains(part), "{annotations}: {told}");
    }
    // two grids of one type would tell by their difference
    let one =
        |id: &str, by: &str| format!("@id(\"{id}\") @doc(\"x\") {guarded} @by(\"{by}\")\npermit (principal, {qty});\n");
    let text = one("a", "series.region") + &one("b", "firmness");
    let refusals = Rules::parse(&[("x.cedar".into(), text)]).map(|_| ()).unwrap_err();
    assert!(
        refusals[0].to_string().contains("x.cedar:3: policy `b`: DemandBucket has another @by at x.cedar:1"),
        "{}",
        refusals[0]
    );
    let text = one("a", "series.region") + &one("b", "series.region");
    assert!(Rules::parse(&[("x.cedar".into(), text)]).is_ok());
}
