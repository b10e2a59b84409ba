//! What suppliers answer, what they can make, and what is off.

use entities::{capacity_bucket, exception_item, supply_commitment};
use uuid::Uuid;

use super::{
    cast::Cast,
    demand::Demand,
    seed::{Seed, whole},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast, demand: &Demand) -> Result<()> {
    let answers = answers(seed, cast, demand);
    let late = answers.iter().find(|a| a.status == "rejected").map(|a| a.id);
    write::<supply_commitment::Entity>(load, answers).await?;
    let mut capacity = Vec::new();
    for week in -4..=26 {
        capacity.push(capacity_of(seed, cast.aqua, "Seals line 1", week, 380));
        capacity.push(capacity_of(seed, cast.ceram, "Motor line", week, 600));
        capacity.push(capacity_of(seed, cast.ceram, "Seal cell", week, 250));
    }
    write::<capacity_bucket::Entity>(load, capacity).await?;
    let exceptions = exceptions(seed, cast, demand, late);
    write::<exception_item::Entity>(load, exceptions).await
}

fn answers(seed: &mut Seed, cast: &Cast, demand: &Demand) -> Vec<supply_commitment::Model> {
    let mut rows = Vec::new();
    let mut answer = |supplier_id, series_id, version_id, week, qty, status: &str, reason: Option<&str>| {
        let by = if supplier_id == cast.aqua { cast.people.alice } else { cast.people.carl };
        let given = status != "draft";
        rows.push(supply_commitment::Model {
            id: seed.id(),
            series_id,
            version_id,
            bucket_start: seed.monday(week),
            supplier_id,
            qty: whole(qty),
            upside_qty: (status == "committed").then(|| whole(qty / 10)),
            status: status.into(),
            reason_code: reason.map(String::from),
            comment_shared: reason.map(|r| format!("short for {r}, rest follows a week later")),
            comment_private: reason.map(|_| "second time this quarter".into()),
            committed_by_id: given.then_some(by),
            committed_at: given.then(|| seed.at(-1, 15)),
            row_version: 1,
        });
    };
    for week in 0..=8 {
        let (status, reason) = match week {
            3 => ("partial", Some("capacity")),
            6 => ("rejected", Some("material")),
            7 | 8 => ("draft", None),
            _ => ("committed", None),
        };
        answer(cast.aqua, demand.s40_aqua, demand.published, week, 300 - 20 * (week % 4), status, reason);
    }
    for week in 0..=5 {
        let (status, reason) = if week == 2 { ("partial", Some("quality")) } else { ("committed", None) };
        answer(cast.ceram, demand.s40_ceram, demand.published, week, 200 - 15 * (week % 3), status, reason);
        answer(cast.ceram, demand.m12, demand.published, week, 420, "committed", None);
    }
    // answers to the run before stay on record
    for week in -4..=0 {
        answer(cast.aqua, demand.s40_aqua, demand.superseded, week, 280, "committed", None);
        answer(cast.ceram, demand.s40_ceram, demand.superseded, week, 190, "auto_committed", None);
    }
    rows
}

fn capacity_of(seed: &mut Seed, supplier_id: Uuid, group: &str, week: i64, maximum: i64) -> capacity_bucket::Model {
    capacity_bucket::Model {
        id: seed.id(),
        group_name: group.into(),
        supplier_id,
        bucket_start: seed.monday(week),
        actual: whole(maximum * (70 + week.rem_euclid(5) * 5) / 100),
        maximum: whole(maximum),
        agreed: Some(whole(maximum * 9 / 10)),
    }
}

fn exceptions(seed: &mut Seed, cast: &Cast, demand: &Demand, late: Option<Uuid>) -> Vec<exception_item::Model> {
    let mut item =
        |kind: &str, object: &str, object_id, organisation_id, severity, delta, status: &str| exception_item::Model {
            id: seed.id(),
            kind: kind.into(),
            object_type: object.into(),
            object_id,
            organisation_id,
            severity,
            threshold: Some(whole(10)),
            delta: Some(whole(delta)),
            status: status.into(),
            opened_at: seed.at(-3, 9),
            due_at: Some(seed.at(2, 18)),
            closed_at: (status == "resolved").then(|| seed.at(-1, 9)),
        };
    let (aqua, ceram) = (Some(cast.aqua), Some(cast.ceram));
    vec![
        item("past_due_commit", "DemandSeries", demand.s40_aqua, aqua, 2, -300, "open"),
        item("commit_mismatch", "SupplyCommitment", late.unwrap_or(demand.s40_aqua), aqua, 1, -40, "open"),
        item("forecast_change", "DemandSeries", demand.s40_aqua, aqua, 3, 50, "resolved"),
        item("commit_mismatch", "DemandSeries", demand.s40_ceram, ceram, 2, -15, "acknowledged"),
        item("forecast_change", "DemandSeries", demand.m12, ceram, 3, 42, "open"),
        item("stale_data", "DemandSeries", demand.m12, Some(cast.nordwind), 3, 0, "open"),
        item("below_min", "OrgUnit", cast.units.linz, Some(cast.lindner), 2, -60, "open"),
    ]
}
