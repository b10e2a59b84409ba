//! Planned documents against the naive reading of them: a corpus of the forms that a document can take,
//! and random ones, each as several seats. `DOCUMENTS_CASES` sets the number of random documents per seat,
//! `DOCUMENTS_SEED` the first.

use std::collections::HashMap;

use entente::catalogue::{CATALOGUE, Type, screaming};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Map, Value as Json, json};

use super::{
    corpus::CORPUS,
    draw::{Draw, INTROSPECTION, Shape, Walk},
    dump::Dump,
    naive::{self, MARK},
    voice::Voice,
};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_corpus_of_documents_means_what_it_says,
        references_are_followed_as_far_as_they_go,
        large_filters_are_answered_or_refused,
        random_documents_mean_what_they_say;
}

const DOCUMENTS: u64 = 150;

/// How the hub refuses what names a field, or an id of a type, that the seat does not see.
const UNFIT: [&str; 3] =
    ["GRAPHQL_VALIDATION_FAILED", "is unknown, see the filter's type", "expected an id as the hub gives it"];

/// Seats that see much, little, treated and by the row.
const SEATS: &[&str] = &[
    "nordwind/admin",
    "nordwind/planner",
    "nordwind/sales_rep",
    "nordwind/support_agent",
    "aqua-seals/partner_planner",
    "bergmann/partner_sales",
    "lindner/partner_planner",
];

/// Which cursor stands for which row of which list, learned from answers: each for one, one for each.
#[derive(Default)]
struct Book {
    meaning: HashMap<String, String>,
    cursor: HashMap<String, String>,
}

impl Book {
    /// Puts the cursors of the answer in the place of what stands for them.
    fn settle(&mut self, expected: &mut Json, actual: &Json) -> Result<(), String> {
        match (expected, actual) {
            (Json::String(meaning), Json::String(cursor)) if meaning.starts_with(MARK) => {
                let known = self.meaning.entry(cursor.clone()).or_insert_with(|| meaning.clone());
                let given = self.cursor.entry(meaning.clone()).or_insert_with(|| cursor.clone());
                if known != meaning || given != cursor {
                    return Err(format!("the cursor {cursor} stands for {known} and for {meaning}"));
                }
                *meaning = cursor.clone();
            }
            (Json::Object(fields), Json::Object(others)) => {
                for (name, value) in fields {
                    self.settle(value, others.get(name).unwrap_or(&Json::Null))?;
                }
            }
            (Json::Array(items), Json::Array(others)) => {
                for (item, other) in items.iter_mut().zip(others) {
                    self.settle(item, other)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

struct Bench {
    voice: Voice,
    dump: Dump,
    book: Book,
    asked: usize,
    bytes: usize,
}

impl Bench {
    async fn of(hub: &Hub, seat: &str) -> Self {
        let voice = Voice::of(hub, seat).await;
        let dump = Dump::of(&voice).await;
        Bench { voice, dump, book: Book::default(), asked: 0, bytes: 0 }
    }

    /// Asks, and fails unless the answer is the naive one; gives the answer.
    async fn check(&mut self, document: &str, variables: &Map<String, Json>) -> String {
        let ast = async_graphql::parser::parse_query(document).unwrap_or_else(|e| panic!("{e}\n{document}"));
        let answer = self.voice.ask_with(document, variables.clone()).await;
        let fail = |why: &str| -> ! { panic!("{} as {}\n{document}\n{}\n", why, self.voice.seat, json!(variables)) };
        let actual: Json = serde_json::from_str(&answer).unwrap_or_else(|e| fail(&format!("no JSON ({e}): {answer}")));
        if actual.get("errors").is_some() {
            fail(&answer);
        }
        let meaning = &self.book.meaning;
        let mut expected = naive::answer(&self.dump, &ast, variables, &|cursor| meaning.get(cursor).cloned());
        if let Err(why) = self.book.settle(&mut expected, &actual) {
            fail(&why);
        }
        let expected = expected.to_string();
        if expected != answer {
            let at = expected.bytes().zip(answer.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(60);
            let cut = |text: &str| text.get(at..).unwrap_or(text).chars().take(400).collect::<String>();
            fail(&format!("the hub: …{}\nnaively: …{}\n", cut(&answer), cut(&expected)));
        }
        self.asked += 1;
        self.bytes += answer.len();
        answer
    }

    /// Ids and cursors in the place of what stands for them.
    async fn put_in(&mut self, json: &mut Json) {
        match json {
            Json::Array(items) => {
                for item in items {
                    Box::pin(self.put_in(item)).await;
                }
            }
            Json::Object(fields) => {
                for value in fields.values_mut() {
                    Box::pin(self.put_in(value)).await;
                }
            }
            Json::String(text) => {
                if let Some((ty, place)) = text.strip_prefix('#').and_then(|t| t.split_once('/')) {
                    let row = self.dump.rows(CATALOGUE.by_name(ty).unwrap()).get(place.parse::<usize>().unwrap());
                    *text = row.map_or_else(|| format!("{ty}_AAAAAAAAAAAAAAAAAAAAAA"), |row| row.id.clone());
                } else if let Some(rest) = text.strip_prefix('§') {
                    let [list, order, place] = rest.split('|').collect::<Vec<_>>()[..] else { panic!("{rest}") };
                    let order = if order.is_empty() { String::new() } else { format!(", orderBy: {order}") };
                    let document = format!("{{ {list}(first: 1000{order}) {{ edges {{ cursor node {{ id }} }} }} }}");
                    if !self.voice.ask(&document).await.contains(UNFIT[0]) {
                        let answer: Json = serde_json::from_str(&self.check(&document, &Map::new()).await).unwrap();
                        let edges = answer["data"][list]["edges"].as_array().unwrap();
                        let place = place.parse::<usize>().unwrap().min(edges.len().saturating_sub(1));
                        *json = edges.get(place).map_or(Json::Null, |edge| edge["cursor"].clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// Lists in some orders, with cursors of their rows.
    async fn walks(&mut self, rng: &mut StdRng) -> HashMap<&'static str, Vec<Walk>> {
        let mut out: HashMap<&'static str, Vec<Walk>> = HashMap::new();
        let seen: Vec<_> = CATALOGUE.types.iter().filter(|t| self.dump.class.sees_type(t.id)).collect();
        for ty in seen {
            for n in 0..3 {
                let scalars = self.dump.values(ty).filter(|f| f.to.is_none() && f.kind != entities::meta::Kind::Json);
                let scalars: Vec<String> = scalars.map(|f| screaming(&f.name)).collect();
                let direction = if rng.gen_bool(0.5) { "DESC" } else { "ASC" };
                let field = scalars.choose(rng).unwrap();
                let order = if n == 0 { String::new() } else { format!("{{field: {field}, direction: {direction}}}") };
                let argument = if n == 0 { String::new() } else { format!(", orderBy: {order}") };
                let document =
                    format!("{{ {}(first: 12{argument}) {{ edges {{ cursor node {{ id }} }} }} }}", ty.plural);
                let answer: Json = serde_json::from_str(&self.check(&document, &Map::new()).await).unwrap();
                let edges = answer["data"][ty.plural]["edges"].as_array().unwrap().clone();
                let cursors: Vec<String> = edges.iter().map(|e| e["cursor"].as_str().unwrap().to_string()).collect();
                if !cursors.is_empty() {
                    out.entry(ty.name).or_default().push(Walk { order, cursors });
                }
            }
        }
        out
    }
}

async fn a_corpus_of_documents_means_what_it_says(hub: Hub) {
    for seat in SEATS {
        let mut bench = Bench::of(&hub, seat).await;
        let mut unfit = 0;
        for case in CORPUS {
            for variables in case.variables {
                let mut variables: Json = serde_json::from_str(variables).unwrap();
                bench.put_in(&mut variables).await;
                let variables = variables.as_object().unwrap();
                if *seat != SEATS[0] {
                    let answer = bench.voice.ask_with(case.document, variables.clone()).await;
                    if UNFIT.iter().any(|sign| answer.contains(sign)) {
                        unfit += 1;
                        continue;
                    }
                }
                bench.check(case.document, variables).await;
            }
        }
        println!(
            "documents of the corpus as {seat} on {:?}: {} answers, {} bytes, {unfit} unfit",
            hub.dialect(),
            bench.asked,
            bench.bytes
        );
        assert!(bench.asked > 20, "{seat} can ask nothing of the corpus");
    }
}

/// Everything that a row leads to, step by step further. A limit may refuse it; nothing else may.
async fn references_are_followed_as_far_as_they_go(hub: Hub) {
    for seat in [SEATS[0], SEATS[4], SEATS[5]] {
        let mut bench = Bench::of(&hub, seat).await;
        let mut refused = 0;
        let class = bench.dump.class.clone();
        for ty in CATALOGUE.types.iter().filter(|t| class.sees_type(t.id)) {
            for depth in 1..=5 {
                let document =
                    format!("{{ {}(first: 3) {{ nodes {} }} }}", ty.plural, everything(&bench.dump, ty, depth));
                let answer = bench.voice.ask(&document).await;
                if answer.contains("COST_LIMIT_EXCEEDED") {
                    refused += 1;
                    break;
                }
                bench.check(&document, &Map::new()).await;
            }
        }
        println!("references followed as {seat} on {:?}: {} answers, {refused} refused", hub.dialect(), bench.asked);
    }
}

fn everything(dump: &Dump, ty: &'static Type, depth: usize) -> String {
    let fields = dump.values(ty).filter_map(|field| match field.to {
        None => Some(field.name.clone()),
        Some(_) if depth == 0 => None,
        Some(to) => Some(format!("{} {}", field.name, everything(dump, CATALOGUE.ty(to), depth - 1))),
    });
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(" "))
}

async fn random_documents_mean_what_they_say(hub: Hub) {
    // sees each document once, with the variables of the second run only: a plan that is used again
    // must answer as one that is made for them
    let fresh = hub.with(|_| ()).await;
    let number = |name: &str, usual: u64| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (first, count) = (number("DOCUMENTS_SEED", 1), number("DOCUMENTS_CASES", DOCUMENTS));
    for seat in SEATS {
        let mut bench = Bench::of(&hub, seat).await;
        let other = Voice::of(&fresh, seat).await;
        let shape = Shape::new(&bench.voice.data(INTROSPECTION, Map::new()).await);
        let walks = bench.walks(&mut StdRng::seed_from_u64(first)).await;
        let mut large = 0;
        for seed in first..first + count {
            let mut rng = StdRng::seed_from_u64(seed);
            let drawn = Draw::new(&mut rng, &bench.dump, &shape, &walks).document();
            if bench.voice.ask_with(&drawn.text, drawn.first.clone()).await.contains("COST_LIMIT_EXCEEDED") {
                large += 1;
                continue;
            }
            bench.check(&drawn.text, &drawn.first).await;
            let again = bench.check(&drawn.text, &drawn.second).await;
            let anew = other.ask_with(&drawn.text, drawn.second.clone()).await;
            assert_eq!(again, anew, "{}", drawn.text);
        }
        assert!(large * 20 <= count, "{large} of {count} documents are too large");
        println!("random documents as {seat} on {:?}: {} answers, {} bytes", hub.dialect(), bench.asked, bench.bytes);
    }
}

/// A filter is as large as its limit allows, on both databases; a list of values may be longer.
async fn large_filters_are_answered_or_refused(hub: Hub) {
    let voice = Voice::of(&hub, SEATS[0]).await;
    let document = "query q($f: ProductFilter) { products(filter: $f) { totalCount } }";
    let ask = async |filter: Json| {
        let variables = json!({ "f": filter });
        let answer = voice.ask_with(document, variables.as_object().unwrap().clone()).await;
        let answer: Json = serde_json::from_str(&answer).unwrap();
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_string()
    };
    for item in [
        json!({ "sku": { "eq": "a" } }),
        json!({ "not": { "orderLines": { "some": {} } } }),
        json!({ "and": [{ "sku": { "ne": "a" }, "not": { "name": { "like": "a%" } } }] }),
    ] {
        for word in ["or", "and"] {
            for count in [1, 10, 80, 300, 1000, 3000] {
                let code = ask(json!({ word: vec![item.clone(); count] })).await;
                let right = if count > 250 { "COST_LIMIT_EXCEEDED" } else { "" };
                assert_eq!(code, right, "{count} times {item} under {word}");
            }
        }
    }
    assert_eq!(ask(json!({ "sku": { "in": vec!["a"; 3000] } })).await, "");
}
