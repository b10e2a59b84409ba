//! What happens while nodes die: writes through GraphQL, each with a key and sent again until it is answered, and an
//! operator who changes rows, rights and policies past the hub.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::kills::Run;
use crate::{feed::storm, harness};
use entente::access::connect::Dialect;

pub const SUPPORT: &str = "nordwind/support_agent";
/// Opens the texts that writers write.
pub const MARK: &str = "written under load";

/// One who writes messages about a case and edits it in turn.
pub async fn write(run: Arc<Run>, nth: usize, mut rng: StdRng) {
    let query = json!({ "query": "{ cases(first: 20, orderBy: [{ field: NUMBER }]) { nodes { id } } }" });
    let case = run.insist(SUPPORT, &query).await["data"]["cases"]["nodes"][nth]["id"].clone();
    for n in 0.. {
        {
            let _load = run.load.read().await;
            if run.is_over() {
                return;
            }
            let key = format!("{MARK} {} {nth} {n}", run.seed);
            if n % 2 == 0 {
                message(&run, &case, &key).await;
            } else {
                edit(&run, &case, &key).await;
            }
        }
        sleep(Duration::from_millis(rng.gen_range(0..60))).await;
    }
}

async fn message(run: &Run, case: &Value, key: &str) {
    let document =
        "mutation ($input: CreateCaseMessageInput!) { createCaseMessage(input: $input) { caseMessage { body } } }";
    let input = json!({ "case": case, "visibility": "INTERNAL", "body": key, "idempotencyKey": key });
    let answer = run.insist(SUPPORT, &json!({ "query": document, "variables": { "input": input } })).await;
    match answer["data"]["createCaseMessage"]["caseMessage"]["body"] == key {
        true => run.counts.add(&run.counts.messages, 1),
        false => run.fault(format!("a message is refused: {answer}")),
    }
}

async fn edit(run: &Run, case: &Value, key: &str) {
    let document = "mutation ($input: UpdateCaseInput!) { updateCase(input: $input) { case { rootCause } } }";
    let input = json!({ "id": case, "rootCause": key, "subjectShared": key, "idempotencyKey": key });
    let answer = run.insist(SUPPORT, &json!({ "query": document, "variables": { "input": input } })).await;
    match answer["data"]["updateCase"]["case"]["rootCause"] == key {
        true => run.counts.add(&run.counts.edits, 1),
        false => run.fault(format!("an edit is refused: {answer}")),
    }
}

/// An operator at the database.
pub async fn operate(run: Arc<Run>, mut rng: StdRng) {
    loop {
        {
            let _load = run.load.read().await;
            if run.is_over() {
                return;
            }
            let statement = match rng.gen_range(0..100) {
                0..97 => Some(rows(&run, &mut rng)),
                97..99 => Some(rights(&mut rng)),
                _ => None,
            };
            match statement {
                Some(statement) => _ = run.hub.sql(&statement).await,
                None => policies(run.policies.path(), &mut rng),
            }
            run.counts.add(&run.counts.statements, 1);
        }
        sleep(Duration::from_millis(rng.gen_range(30..250))).await;
    }
}

fn rows(run: &Run, rng: &mut StdRng) -> String {
    let nth = |table: &str, rng: &mut StdRng, of: usize| {
        format!("(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {})", rng.gen_range(0..of))
    };
    match rng.gen_range(0..8) {
        0 => {
            let id = Uuid::from_u128(rng.r#gen());
            let id = match run.hub.dialect() {
                Dialect::Sqlite => format!("X'{}'", id.simple()),
                Dialect::Postgres => format!("'{id}'::uuid"),
            };
            let columns = "series_id, version_id, supplier_id, granularity, qty, qty_low, qty_high, firmness, \
                           contributors, top_share, source, updated_at";
            let day = format!("20{}-06-15", rng.gen_range(20..90));
            format!(
                "INSERT INTO demand_bucket (id, bucket_start, {columns}) SELECT {id}, {}, {columns} \
                 FROM demand_bucket WHERE id = {} ON CONFLICT DO NOTHING",
                if run.hub.dialect() == Dialect::Postgres { format!("date '{day}'") } else { format!("'{day}'") },
                nth("demand_bucket", rng, 200)
            )
        }
        1 => {
            let (status, severity) = (["open", "waiting", "closed"].choose(rng).unwrap(), rng.gen_range(1..5));
            format!(
                "UPDATE crm_case SET status = '{status}', severity = {severity} WHERE id = {}",
                nth("crm_case", rng, 12)
            )
        }
        2 => format!(
            "UPDATE inventory_position SET qty = {} WHERE id = {}",
            rng.gen_range(0..90) * 10_000,
            nth("inventory_position", rng, 20)
        ),
        // rights are moved below, and more rarely: and no case that is written about comes under an NDA
        _ => std::iter::repeat_with(|| storm::write(rng))
            .find(|sql| {
                !["sharing_agreement", "nda_level", "crm_case SET customer_id"].iter().any(|of| sql.contains(of))
            })
            .unwrap(),
    }
}

/// Agreements end and are signed again, customers are put under NDA, a deputy's task ends and begins.
fn rights(rng: &mut StdRng) -> String {
    let status = ["active", "ended"].choose(rng).unwrap();
    match rng.gen_range(0..7) {
        0 => {
            format!("UPDATE sharing_agreement SET status = '{status}' WHERE title LIKE 'Supply collaboration, motors%'")
        }
        1 => format!(
            "UPDATE sharing_agreement SET status = '{status}' WHERE title LIKE 'Distribution Germany, Austria%'"
        ),
        2 => format!("UPDATE sharing_agreement SET status = '{status}' WHERE title LIKE 'Supply collaboration 2026%'"),
        3 => format!(
            // not of those whose cases are written about
            "UPDATE customer SET nda_level = {} WHERE id = (SELECT id FROM customer WHERE id NOT IN \
             (SELECT customer_id FROM crm_case WHERE customer_id IS NOT NULL) ORDER BY id LIMIT 1 OFFSET {})",
            rng.gen_range(0..3),
            rng.gen_range(0..6)
        ),
        4 => format!(
            "UPDATE agreement_scope SET region = {} WHERE id = (SELECT s.id FROM agreement_scope s \
             JOIN sharing_agreement a ON a.id = s.agreement_id WHERE a.title LIKE 'Supply collaboration%' \
             AND s.object_type = 'demand' ORDER BY s.id LIMIT 1 OFFSET {})",
            ["NULL", "'DE'", "'AT'"].choose(rng).unwrap(),
            rng.gen_range(0..6)
        ),
        5 => {
            let until: entities::Instant = harness::NOW.parse().unwrap();
            let month = 30 * 86_400 * 1_000_000;
            format!("UPDATE delegation SET valid_to = {}", until.0 + month * [-1, 12].choose(rng).unwrap())
        }
        _ => {
            format!("UPDATE crm_case SET safety_flag = {} WHERE severity = {}", rng.gen_bool(0.5), rng.gen_range(1..5))
        }
    }
}

/// How far ahead suppliers look is another number now.
fn policies(folder: &Path, rng: &mut StdRng) {
    let shipped = fs::read_to_string(harness::repository().join("policies/demand.cedar")).unwrap();
    let days = ["546d", "100d"].choose(rng).unwrap();
    let (file, new) = (folder.join("demand.cedar"), folder.join("demand.new"));
    fs::write(&new, shipped.replace("duration(\"546d\")", &format!("duration(\"{days}\")"))).unwrap();
    fs::rename(new, file).unwrap();
}
