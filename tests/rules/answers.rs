//! R12: a supplier's planner answers until Friday, 18 o'clock UTC, before the week begins; never for another, never
//! for a forecast that was replaced; and what it gave it can read for as long as was agreed (R18).

use entente::{
    access::connect::Dialect,
    export::{self, Args},
};
use serde_json::{Value, json};

use super::{AQUA, AQUA_MACHINE, BERGMANN, CERAM, count};
use crate::{
    harness::{Hub, tests},
    writes::{absent, answer, ask, change, fault, first, refused, write},
};

tests! {
    changing:
        a_supplier_answers_open_weeks,
        an_answer_closes_on_friday_at_six,
        nobody_answers_for_another,
        a_replaced_forecast_is_answered_anew,
        two_planners_do_not_overwrite_each_other,
        only_what_is_the_suppliers_to_say_is_written,
        a_new_answer_is_given,
        what_a_partner_gave_stays_readable,
        it_stays_for_as_long_as_was_agreed;
}

const SHOWN: &str = "id qty reasonCode commentShared rowVersion status committedAt committedBy { slug } bucketStart";
const OWN: &str = "qty reasonCode commentShared rowVersion committedAt";

async fn a_supplier_answers_open_weeks(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    let mut input = change(&row, "222.5");
    input["reasonCode"] = json!("CAPACITY");
    input["commentShared"] = json!("two shifts only");
    let written = write(&hub, AQUA, "updateSupplyCommitment", input, OWN).await;
    let now = json!({
        "qty": "222.5", "reasonCode": "CAPACITY", "commentShared": "two shifts only", "rowVersion": 2,
        "committedAt": "2026-06-15T10:00:00Z",
    });
    assert_eq!(written, now);
    let after = answer(&hub, "nordwind/planner", "2026-06-29").await;
    assert!(after["qty"].is_string());
    assert_eq!(hub.number("SELECT count(*) FROM supply_commitment WHERE row_version = 2").await, 1);
}

async fn an_answer_closes_on_friday_at_six(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-22").await;
    hub.set_clock("2026-06-19T17:59:59.999999Z");
    let row = write(&hub, AQUA, "updateSupplyCommitment", change(&row, "100"), "id rowVersion qty").await;
    assert_eq!(row["qty"], "100");
    for at in ["2026-06-19T18:00:00Z", "2026-06-19T18:00:00.001Z", "2026-06-22T00:00:00Z", "2026-07-01T00:00:00Z"] {
        hub.set_clock(at);
        let (code, message) = refused(&hub, AQUA, "updateSupplyCommitment", change(&row, "101")).await;
        assert_eq!(code, "FORBIDDEN", "{at}: {message}");
        assert!(message.contains("`qty`") && message.contains("its time has passed"), "{message}");
        assert_eq!(answer(&hub, AQUA, "2026-06-22").await["qty"], "100", "read only, {at}");
    }
    // the week after is still open
    hub.set_clock("2026-06-19T18:00:00Z");
    let next = answer(&hub, AQUA, "2026-06-29").await;
    write(&hub, AQUA, "updateSupplyCommitment", change(&next, "101"), "id").await;
}

async fn nobody_answers_for_another(hub: Hub) {
    let theirs = answer(&hub, CERAM, "2026-06-29").await;
    // C's row under C's id, a row that is not there, and one of another type's numbers: one answer
    let mut answers = Vec::new();
    for id in [theirs["id"].clone(), json!("SupplyCommitment_AAAAAAAAAAAAAAAAAAAAAA")] {
        let mut input = change(&theirs, "1");
        input["id"] = id;
        answers.push(refused(&hub, AQUA, "updateSupplyCommitment", input).await);
    }
    // and C's row under the id that A's hub would give it
    let key = "SELECT $id FROM supply_commitment WHERE supplier_id = (SELECT id FROM organisation WHERE slug = 'ceram-motors')";
    let key = key_of(&hub, key).await;
    let mut input = change(&theirs, "1");
    input["id"] = own_id(&hub, "SupplyCommitment", key).await;
    answers.push(refused(&hub, AQUA, "updateSupplyCommitment", input).await);
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == "NOT_FOUND"), "{answers:?}");
    for seat in [AQUA_MACHINE, BERGMANN, "nordwind/planner", "nordwind/admin"] {
        absent(&hub, seat, "updateSupplyCommitment").await;
        absent(&hub, seat, "createSupplyCommitment").await;
    }
    assert_eq!(hub.number("SELECT count(*) FROM supply_commitment WHERE row_version > 1").await, 0);
}

/// The id that A would have for the row, if it saw it.
async fn own_id(hub: &Hub, ty: &str, key: uuid::Uuid) -> Value {
    let codec = hub.app().graphql.codec(organisation(hub, "aqua-seals").await);
    json!(codec.id(entente::catalogue::CATALOGUE.by_name(ty).unwrap().id, key))
}

async fn organisation(hub: &Hub, slug: &str) -> uuid::Uuid {
    key_of(hub, &format!("SELECT $id FROM organisation WHERE slug = '{slug}'")).await
}

/// The key that a statement gives as text.
async fn key_of(hub: &Hub, sql: &str) -> uuid::Uuid {
    let text = if hub.dialect() == Dialect::Sqlite { "hex(id)" } else { "CAST(id AS text)" };
    hub.texts(&sql.replace("$id", text)).await[0].as_deref().unwrap().parse().unwrap()
}

async fn a_replaced_forecast_is_answered_anew(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    hub.sql("UPDATE forecast_version SET status = 'superseded' WHERE status = 'published'").await;
    let (code, message) = refused(&hub, AQUA, "updateSupplyCommitment", change(&row, "1")).await;
    assert_eq!(code, "FORBIDDEN", "{message}");
}

async fn two_planners_do_not_overwrite_each_other(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    write(&hub, AQUA, "updateSupplyCommitment", change(&row, "10"), "id").await;
    let (code, message) = refused(&hub, AQUA, "updateSupplyCommitment", change(&row, "20")).await;
    assert_eq!(code, "CONFLICT");
    assert!(message.contains("read it again"), "{message}");
    let row = answer(&hub, AQUA, "2026-06-29").await;
    assert_eq!((&row["qty"], &row["rowVersion"]), (&json!("10"), &json!(2)));
    // both at once: one of them is told
    let (first, second) = tokio::join!(
        ask(&hub, AQUA, "updateSupplyCommitment", change(&row, "30"), "rowVersion"),
        ask(&hub, AQUA, "updateSupplyCommitment", change(&row, "40"), "rowVersion"),
    );
    let lost: Vec<_> = [first, second].iter().filter(|r| r.json().get("errors").is_some()).map(fault).collect();
    assert!(matches!(&lost[..], [(code, _)] if code == "CONFLICT"), "{lost:?}");
    assert_eq!(answer(&hub, AQUA, "2026-06-29").await["rowVersion"], 3);
}

async fn only_what_is_the_suppliers_to_say_is_written(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    for (field, value) in [
        ("commentPrivate", json!("mine")),
        ("supplier", row["id"].clone()),
        ("committedBy", row["id"].clone()),
        ("committedAt", json!("2026-06-15T10:00:00Z")),
        ("bucketStart", json!("2026-07-06")),
        ("status", json!("COMMITTED")),
        ("nonsense", json!("x")),
    ] {
        let mut input = change(&row, "1");
        input[field] = value;
        let (code, message) = refused(&hub, AQUA, "updateSupplyCommitment", input).await;
        assert!(["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code.as_str()), "{field}: {code} {message}");
        assert_eq!(message.replace(field, "…"), {
            let mut input = change(&row, "1");
            input["another"] = json!("x");
            refused(&hub, AQUA, "updateSupplyCommitment", input).await.1.replace("another", "…")
        });
    }
    assert_eq!(answer(&hub, AQUA, "2026-06-29").await["rowVersion"], 1);
}

async fn a_new_answer_is_given(hub: Hub) {
    let bucket = first(
        &hub,
        AQUA,
        "demandBuckets",
        "filter: { bucketStart: { eq: \"2026-09-07\" }, series: { product: { sku: { eq: \"S40\" } } } }",
        "series { id } version { id } bucketStart",
    )
    .await;
    let me = hub.data(AQUA, "{ viewer { organisation { id } } }").await["viewer"]["organisation"]["id"].clone();
    let input = json!({
        "series": bucket["series"]["id"], "version": bucket["version"]["id"], "bucketStart": bucket["bucketStart"],
        "supplier": me, "qty": "55", "status": "COMMITTED",
    });
    let mut late = input.clone();
    late["bucketStart"] = json!("2026-06-15");
    assert_eq!(refused(&hub, AQUA, "createSupplyCommitment", late).await.0, "FORBIDDEN");
    let given = write(&hub, AQUA, "createSupplyCommitment", input.clone(), SHOWN).await;
    assert_eq!(
        (&given["rowVersion"], &given["qty"], &given["committedBy"]["slug"]),
        (&json!(1), &json!("55"), &json!("alice"))
    );
    // once
    let (code, message) = refused(&hub, AQUA, "createSupplyCommitment", input.clone()).await;
    assert_eq!(code, "CONFLICT", "{message}");
    // not for a series that it does not see, and not for another
    let key = "SELECT $id FROM demand_series WHERE supplier_id = (SELECT id FROM organisation WHERE slug = 'ceram-motors') LIMIT 1";
    let hidden = own_id(&hub, "DemandSeries", key_of(&hub, key).await).await;
    let mut answers = Vec::new();
    for series in [answer_series(&hub, CERAM).await, hidden, json!("DemandSeries_AAAAAAAAAAAAAAAAAAAAAA")] {
        let mut foreign = input.clone();
        foreign["series"] = series;
        answers.push(refused(&hub, AQUA, "createSupplyCommitment", foreign).await);
    }
    let unknown = ("NOT_FOUND".to_owned(), "`series` names no DemandSeries that you can see".to_owned());
    assert!(answers.iter().all(|answer| *answer == unknown), "{answers:?}");
}

async fn answer_series(hub: &Hub, seat: &str) -> Value {
    first(hub, seat, "demandSeries", "filter: { product: { sku: { eq: \"S40\" } } }", "id").await["id"].clone()
}

/// What a seat exports of a type, line by line.
async fn exported(hub: &Hub, seat: &str, ty: &str) -> Vec<String> {
    let mut out = Vec::new();
    export::run(hub.app(), &Args { ty: ty.into(), seat: seat.into() }, &mut out).await.unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

async fn what_a_partner_gave_stays_readable(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    write(&hub, AQUA, "updateSupplyCommitment", change(&row, "77"), "id").await;
    let [answers, signals] = [count(&hub, AQUA, "supplyCommitments").await, count(&hub, AQUA, "demandSignals").await];
    assert!(answers > 1 && signals > 0);
    // the agreement is over, and with it the demand, for all but ninety days
    hub.set_clock("2027-03-31T23:59:59.999Z");
    assert_eq!(count(&hub, AQUA, "demandSeries").await, 0);
    let given = "filter: { bucketStart: { eq: \"2026-06-29\" } }";
    assert_eq!(first(&hub, AQUA, "supplyCommitments", given, "qty").await["qty"], "77");
    let sheet = exported(&hub, AQUA, "SupplyCommitment").await;
    assert_eq!(sheet.len(), answers + 1, "with its header");
    assert!(sheet.iter().any(|line| line.contains(row["id"].as_str().unwrap()) && line.contains(",77,")), "{sheet:?}");
    assert_eq!(exported(&hub, AQUA, "DemandSignal").await.len(), signals + 1);

    hub.set_clock("2027-04-01T00:00:00Z");
    let gave = [
        ("supplyCommitments", "SupplyCommitment"),
        ("demandSignals", "DemandSignal"),
        ("capacityBuckets", "CapacityBucket"),
        ("caseMessages", "CaseMessage"),
    ];
    for (list, ty) in gave {
        assert_eq!(count(&hub, AQUA, list).await, 0, "{list}");
        assert_eq!(exported(&hub, AQUA, ty).await.len(), 1, "{ty}");
        hub.set_clock("2027-03-31T23:59:59.999Z");
        let rows = count(&hub, AQUA, list).await;
        assert!(rows > 0, "{list}");
        assert_eq!(exported(&hub, AQUA, ty).await.len(), rows + 1, "{ty}");
        hub.set_clock("2027-04-01T00:00:00Z");
    }
    assert!(count(&hub, "nordwind/planner", "supplyCommitments").await >= answers - 1, "we keep them");
}

async fn it_stays_for_as_long_as_was_agreed(hub: Hub) {
    let answers = count(&hub, AQUA, "supplyCommitments").await;
    let agreed = async |days: i64, from: &str, until: &str| {
        hub.sql(&format!("UPDATE sharing_agreement SET read_after_end_days = {days}")).await;
        hub.set_clock(from);
        assert_eq!(count(&hub, AQUA, "supplyCommitments").await, answers, "{days} days, {from}");
        hub.set_clock(until);
        assert_eq!(count(&hub, AQUA, "supplyCommitments").await, 0, "{days} days, {until}");
    };
    agreed(0, "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z").await;
    agreed(10, "2027-01-10T23:59:59.999Z", "2027-01-11T00:00:00Z").await;
    hub.sql("UPDATE sharing_agreement SET read_after_end_days = 2147483647").await;
    assert_eq!(count(&hub, AQUA, "supplyCommitments").await, answers, "for ever");
    // an agreement that follows carries on with what was given under the last
    hub.set_clock("2027-06-01T00:00:00Z");
    hub.sql("UPDATE sharing_agreement SET read_after_end_days = 0").await;
    assert_eq!(count(&hub, AQUA, "supplyCommitments").await, 0);
    hub.sql("UPDATE sharing_agreement SET valid_to = NULL WHERE title = 'Supply collaboration 2026'").await;
    assert_eq!(count(&hub, AQUA, "supplyCommitments").await, answers);
    // whoever never had an agreement has none that could have ended; a draft is none
    hub.sql("UPDATE sharing_agreement SET status = 'draft', valid_to = valid_from").await;
    assert_eq!(count(&hub, AQUA, "supplyCommitments").await, answers);
}
