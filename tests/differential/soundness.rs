//! The rows, fields and treatments that a compiled view gives, by its SQL and in memory, are Cedar's own
//! decisions, on random worlds, under random policies and the shipped ones, at random moments.
//! `SOUNDNESS_CASES` sets the number of policy sets, `SOUNDNESS_SEED` the first one; a failure names its seed
//! and the policies that are needed for it. A long run, some minutes on each database:
//! `SOUNDNESS_CASES=500 SOUNDNESS_SEED=1000 cargo test -p server --test entente -- differential::soundness`

use std::{fs, sync::Arc};

use entente::{
    access::{Gate, Seat, Treatment, View, connect::Dialect},
    catalogue::CATALOGUE,
    policy::Rules,
};
use entities::Instant;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    grammar::Grammar,
    images::apart,
    reference::{Asker, Court, Law},
    verdict::{Exam, Verdict},
    world::{ROLES, World},
};
use crate::harness::{Hub, tests};

tests! {
    empty:
        random_policies_show_what_cedar_allows,
        the_shipped_policies_show_what_cedar_allows;
}

/// Sets of policies per database, each over some worlds.
const SETS: u64 = 16;
const WORLDS: u64 = 3;
/// Decisions that the usual run compares at least.
const LEAST: usize = 10_000;
/// Worlds under the shipped policies.
const WORLDS_SHIPPED: u64 = 3;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[derive(Default)]
pub(super) struct Tally {
    views: usize,
    rows: usize,
    questions: usize,
    shown: usize,
    treated: usize,
    decisions: usize,
    /// Time edges, and those at which something changes.
    edges: usize,
    turns: usize,
    refused: usize,
    policies: usize,
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.rows += verdict.rows();
        for shown in verdict.fields() {
            self.questions += 1;
            self.shown += usize::from(shown.is_some());
            self.treated += usize::from(shown.is_some_and(|t| t != Treatment::Full));
        }
    }
}

async fn random_policies_show_what_cedar_allows(hub: Hub) {
    let mut tally = Tally::default();
    let first = number("SOUNDNESS_SEED", 1);
    for seed in first..first + number("SOUNDNESS_CASES", SETS) {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.gen_range(6..16);
        let world = World::random(seed * WORLDS);
        let drawn = match std::env::var("SOUNDNESS_POLICIES") {
            Ok(file) => vec![fs::read_to_string(file).unwrap()],
            Err(_) => Grammar { rng: &mut rng, world: &world }.policies(count),
        };
        let (bench, policies) = Bench::random(&hub, drawn, &mut tally).await;
        for world in (0..WORLDS).map(|n| World::random(seed * WORLDS + n)) {
            fill(&hub, &world).await;
            let askers = askers(&world, &mut rng, 3);
            if let Some(wrong) = bench.differs(&world, &askers, &mut tally).await {
                let few = shrink(&hub, &world, policies, &askers).await;
                panic!("seed {seed}: {wrong}\n\nunder these policies:\n{}", few.join("\n"));
            }
        }
    }
    assert!(tally.refused * 20 <= tally.policies, "{} of {} policies refused", tally.refused, tally.policies);
    assert!(tally.questions >= LEAST || std::env::var_os("SOUNDNESS_CASES").is_some(), "{} decisions", tally.questions);
    report(&hub, "random", &tally);
}

async fn the_shipped_policies_show_what_cedar_allows(hub: Hub) {
    let mut tally = Tally::default();
    let bench = Bench::open(&hub, None).await.unwrap();
    let first = number("SOUNDNESS_SEED", 1) + 1_000_000;
    for seed in first..first + WORLDS_SHIPPED.max(number("SOUNDNESS_CASES", SETS) / 8) {
        let world = World::random(seed);
        fill(&hub, &world).await;
        let askers = askers(&world, &mut StdRng::seed_from_u64(seed), 3);
        if let Some(wrong) = bench.differs(&world, &askers, &mut tally).await {
            panic!("seed {seed}, shipped policies: {wrong}");
        }
    }
    report(&hub, "shipped", &tally);
}

fn report(hub: &Hub, what: &str, tally: &Tally) {
    let Tally { views, rows, questions, shown, treated, decisions, edges, turns, .. } = tally;
    println!(
        "soundness, {what} policies on {:?}: {views} views, {rows} rows with {questions} fields ({shown} shown, {treated} treated), each by SQL, in memory and by Cedar, which decided {decisions} times; {edges} time edges, something changes at {turns}",
        hub.dialect()
    );
}

/// Puts the world in the place of what was there.
pub(super) async fn fill(hub: &Hub, world: &World) {
    let deletes = CATALOGUE.types.iter().rev().map(|ty| format!("DELETE FROM \"{}\"", ty.table));
    match hub.dialect() {
        Dialect::Sqlite => {
            for delete in deletes {
                hub.sql(&delete).await;
            }
        }
        Dialect::Postgres => {
            hub.sql(&deletes.collect::<Vec<_>>().join("; ")).await;
        }
    }
    let mut load = hub.db().load().await.unwrap();
    for ty in &CATALOGUE.types {
        let columns: Vec<usize> = (0..ty.fields.len()).collect();
        load.insert(ty, &columns, &world.rows[ty.id.0]).await.unwrap_or_else(|e| panic!("{}: {e}", ty.name));
    }
    load.commit().await.unwrap();
}

/// A gate over the database, under some policies, and the same policies for Cedar.
pub(super) struct Bench {
    pub(super) gate: Gate,
    pub(super) law: Law,
    _folder: Option<TempDir>,
}

impl Bench {
    pub(super) async fn open(hub: &Hub, policies: Option<&[String]>) -> Result<Self, String> {
        let folder = policies.map(|policies| {
            let folder = TempDir::new().unwrap();
            for (number, policy) in policies.iter().enumerate() {
                fs::write(folder.path().join(file(number)), policy).unwrap();
            }
            folder
        });
        let path = folder.as_ref().map(|f| f.path().to_owned());
        let gate = Gate::open(hub.db().clone(), path, hub.clock().clone()).await.map_err(|e| e.to_string())?;
        let law = Law::new(&gate.rules());
        Ok(Bench { gate, law, _folder: folder })
    }

    /// Without the policies that are refused; there must be few.
    pub(super) async fn random(hub: &Hub, mut policies: Vec<String>, tally: &mut Tally) -> (Self, Vec<String>) {
        tally.policies += policies.len();
        loop {
            if let Ok(bench) = Bench::open(hub, Some(&policies)).await {
                return (bench, policies);
            }
            let files: Vec<_> = policies.iter().enumerate().map(|(i, policy)| (file(i), policy.clone())).collect();
            let refusals = Rules::parse(&files).expect_err("what the gate does not take");
            let mut number = 0;
            policies.retain(|policy| {
                let why = refusals.iter().find(|refusal| refusal.place.file == file(number));
                number += 1;
                if let Some(why) = why
                    && std::env::var_os("SOUNDNESS_REFUSED").is_some()
                {
                    println!("{why}\n{policy}");
                }
                tally.refused += usize::from(why.is_some());
                why.is_none()
            });
        }
    }

    /// The first difference, in words.
    async fn differs(&self, world: &World, askers: &[Vec<Asker>], tally: &mut Tally) -> Option<String> {
        let mut together: Vec<(Arc<View>, Asker)> = Vec::new();
        let mut rng = StdRng::seed_from_u64(tally.views as u64);
        for asker in askers.iter().flatten() {
            let seat = Seat { organisation: asker.organisation, role: asker.role.clone() };
            let view = self.gate.seat_view(&seat, asker.now).await.unwrap();
            let mut court = Court::new(&self.law, world, asker.clone());
            let verdict = Verdict::of(&mut court, world);
            tally.views += 1;
            tally.decisions += court.decisions;
            tally.add(&verdict);
            let turn = tally.views;
            let exam = Exam { gate: &self.gate, view: &view, recalled: &view, world, asker, verdict: &verdict, turn };
            if let Some(wrong) = exam.differs().await {
                return Some(format!("{wrong}\nfor {asker:?}"));
            }
            // a missing edge hides behind those that are there, so some views are followed for longer
            match exam.lasts(if turn.is_multiple_of(5) { 15 } else { 1 }, &mut rng).await {
                Ok([edges, turns]) => {
                    tally.edges += edges;
                    tally.turns += turns;
                }
                Err(wrong) => return Some(format!("{wrong}\nfor {asker:?}")),
            }
            if asker.now == world.now {
                together.push((view, asker.clone()));
            }
        }
        apart(&self.gate, world, &together).await
    }
}

fn file(number: usize) -> String {
    format!("{number:03}.cedar")
}

/// Seats of the world, each with somebody in it and some moments in any order: a view is kept for as long
/// as it is the same.
pub(super) fn askers(world: &World, rng: &mut StdRng, count: usize) -> Vec<Vec<Asker>> {
    let people: Vec<(Uuid, Uuid)> =
        world.all("Principal").map(|p| (p.key(), p.id("organisation_id").expect("its home"))).collect();
    let partners: Vec<(Uuid, Uuid)> = people
        .iter()
        .copied()
        .filter(|(_, home)| world.all("SharingAgreement").any(|a| a.id("grantee_id") == Some(*home)))
        .collect();
    (0..count)
        .map(|i| {
            let among = if i % 4 == 0 || partners.is_empty() { &people } else { &partners };
            let (person, organisation) = *among.choose(rng).expect("some");
            let role = (*ROLES.choose(rng).expect("some")).to_string();
            let mut moments: Vec<Instant> = [
                world.now,
                world.instant(rng),
                Instant(world.now.0 + *[-1000, -1, 1, 500, 1000].choose(rng).expect("some")),
            ]
            .into();
            moments.shuffle(rng);
            let asker = |now| Asker { organisation, role: role.clone(), person, now };
            moments.into_iter().map(asker).collect()
        })
        .collect()
}

/// The policies without those that the difference does not need.
async fn shrink(hub: &Hub, world: &World, mut policies: Vec<String>, askers: &[Vec<Asker>]) -> Vec<String> {
    let mut at = 0;
    let mut last = String::new();
    while policies.len() > 1 && at < policies.len() {
        let mut fewer = policies.clone();
        fewer.remove(at);
        let bench = Bench::open(hub, Some(&fewer)).await.unwrap();
        match bench.differs(world, askers, &mut Tally::default()).await {
            Some(wrong) => {
                policies = fewer;
                last = wrong;
            }
            None => at += 1,
        }
    }
    policies.push(format!("// {}", last.replace('\n', "\n// ")));
    policies
}
