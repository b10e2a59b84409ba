//! What each membership of the model yields in a small world, through bound parameters on both databases.

use std::collections::BTreeSet;

use entities::{
    Instant, REGISTRY,
    meta::{Holder, Membership},
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use crate::{
    harness::{Fresh, migrated},
    world::{self, day, now},
};

fn membership(name: &str) -> &'static Membership {
    REGISTRY.iter().flat_map(|entity| entity.memberships).find(|m| m.name == name).expect("is in the model")
}

/// The sub-select as part of a greater statement, with numbered parameters.
async fn rows(fresh: &Fresh, name: &str, holder: Uuid, now: Instant) -> Vec<sea_orm_migration::sea_orm::QueryResult> {
    let today = now.utc().date_naive();
    let mut sql = format!("SELECT DISTINCT m.* FROM ({}) AS m", membership(name).sql);
    let mut values: Vec<Value> = Vec::new();
    for (placeholder, value) in [("{holder}", holder.into()), ("{now}", now.into()), ("{today}", today.into())] {
        if sql.contains(placeholder) {
            values.push(value);
            let sign = if fresh.backend() == DbBackend::Postgres { '$' } else { '?' };
            sql = sql.replace(placeholder, &format!("{sign}{}", values.len()));
        }
    }
    fresh.db.query_all_raw(Statement::from_sql_and_values(fresh.backend(), &sql, values)).await.expect(name)
}

async fn ids(fresh: &Fresh, name: &str, holder: Uuid, now: Instant) -> BTreeSet<Uuid> {
    rows(fresh, name, holder, now).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn codes(fresh: &Fresh, name: &str, holder: Uuid, now: Instant) -> BTreeSet<String> {
    rows(fresh, name, holder, now).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

fn set<const N: usize>(members: [Uuid; N]) -> BTreeSet<Uuid> {
    members.into()
}

#[tokio::test]
async fn every_membership_runs_on_both_databases() {
    for fresh in migrated().await {
        for membership in REGISTRY.iter().flat_map(|entity| entity.memberships) {
            rows(&fresh, membership.name, Uuid::now_v7(), now()).await;
            let part = ["SELECT", "WITH"].iter().any(|word| membership.sql.starts_with(word));
            assert!(part && !membership.sql.contains(';'), "{}", membership.name);
        }
        fresh.drop().await;
    }
}

#[tokio::test]
async fn a_supplier_holds_the_cases_of_its_parts_on_the_day_of_delivery() {
    for fresh in migrated().await {
        let world = world::build(&fresh.db).await;
        assert_eq!(ids(&fresh, "suppliedCases", world.aqua, now()).await, set([world.old_seal.0, world.pump_set.0]));
        assert_eq!(ids(&fresh, "suppliedLots", world.aqua, now()).await, set([world.old_seal.1, world.pump_set.1]));
        assert_eq!(ids(&fresh, "suppliedCases", world.ceram, now()).await, set([world.new_seal.0]));
        assert_eq!(ids(&fresh, "suppliedLots", world.ceram, now()).await, set([world.new_seal.1]));
        assert!(ids(&fresh, "suppliedCases", world.bergmann, now()).await.is_empty());
        fresh.drop().await;
    }
}

#[tokio::test]
async fn parties_and_safety_open_single_cases() {
    for fresh in migrated().await {
        let world = world::build(&fresh.db).await;
        let danger = world.danger.0;
        assert_eq!(ids(&fresh, "safetyCases", world.aqua, now()).await, set([danger]));
        assert_eq!(ids(&fresh, "safetyCases", world.bergmann, now()).await, set([danger]));
        assert!(ids(&fresh, "safetyCases", world.ceram, now()).await.is_empty());
        assert_eq!(ids(&fresh, "safetyLots", world.aqua, now()).await, set([world.danger.1]));
        assert_eq!(ids(&fresh, "safetyProducts", world.bergmann, now()).await, set([world.pump]));
        assert_eq!(ids(&fresh, "partyCases", world.ceram, now()).await, set([world.old_seal.0]));
        assert!(ids(&fresh, "partyCases", world.aqua, now()).await.is_empty());
        fresh.drop().await;
    }
}

#[tokio::test]
async fn agreements_and_relations_name_products() {
    for fresh in migrated().await {
        let world = world::build(&fresh.db).await;
        assert_eq!(ids(&fresh, "namedProducts", world.aqua, now()).await, set([world.pump]));
        assert!(ids(&fresh, "namedProducts", world.aqua, day("2027-01-01")).await.is_empty());
        assert!(ids(&fresh, "namedProducts", world.ceram, now()).await.is_empty());
        assert!(ids(&fresh, "suppliedProducts", world.aqua, now()).await.is_empty());
        assert_eq!(ids(&fresh, "suppliedProducts", world.aqua, day("2025-12-31")).await, set([world.seal]));
        assert_eq!(ids(&fresh, "suppliedProducts", world.ceram, day("2026-01-01")).await, set([world.seal]));
        assert_eq!(ids(&fresh, "distributedProducts", world.bergmann, now()).await, set([world.pump]));
        assert_eq!(ids(&fresh, "counterparties", world.aqua, now()).await, set([world.nordwind]));
        assert_eq!(ids(&fresh, "counterparties", world.nordwind, now()).await, set([world.aqua]));
        fresh.drop().await;
    }
}

#[tokio::test]
async fn consent_counts_while_it_lives_and_for_whom_it_names() {
    for fresh in migrated().await {
        let world = world::build(&fresh.db).await;
        let anna = world.anna;
        assert_eq!(ids(&fresh, "consentedContacts", world.bergmann, now()).await, set([anna]));
        assert!(ids(&fresh, "consentedContacts", world.aqua, now()).await.is_empty());
        assert!(ids(&fresh, "consentedContacts", world.bergmann, day("2027-01-01")).await.is_empty());
        assert_eq!(ids(&fresh, "marketingContacts", world.nordwind, now()).await, set([anna]));
        assert!(ids(&fresh, "marketingContacts", world.bergmann, now()).await.is_empty());
        // her last case was closed on the first of July
        assert_eq!(ids(&fresh, "activeCaseContacts", world.nordwind, day("2026-07-31")).await, set([anna]));
        assert!(ids(&fresh, "activeCaseContacts", world.nordwind, day("2026-08-01")).await.is_empty());
        assert!(ids(&fresh, "activeCaseContacts", world.bergmann, now()).await.is_empty());
        fresh.drop().await;
    }
}

#[tokio::test]
async fn people_hold_their_territory_and_their_accounts() {
    for fresh in migrated().await {
        let world = world::build(&fresh.db).await;
        assert_eq!(codes(&fresh, "territory", world.rita, now()).await, ["AT", "DACH", "DE"].map(String::from).into());
        assert!(codes(&fresh, "territory", world.otto, now()).await.is_empty());
        assert_eq!(ids(&fresh, "accounts", world.rita, now()).await, set([world.customer]));
        assert!(ids(&fresh, "accounts", world.otto, now()).await.is_empty());
        let persons = REGISTRY.iter().flat_map(|e| e.memberships).filter(|m| m.holder == Holder::Principal);
        assert_eq!(persons.map(|m| m.name).collect::<BTreeSet<_>>(), ["accounts", "territory"].into());
        fresh.drop().await;
    }
}
