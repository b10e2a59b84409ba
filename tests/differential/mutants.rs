//! The comparison can fail: each of the three evaluators, mutated by a policy that it lacks and the others have, is
//! told from them wherever that policy decides about anything that is shown.

use entente::{
    access::Seat,
    catalogue::{CATALOGUE, Value},
};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    grammar::Grammar,
    reference::{Asker, Court},
    soundness::{Bench, Tally, askers, fill},
    verdict::{Exam, Verdict},
    world::World,
};
use crate::harness::{Hub, tests};

tests! {
    empty: a_mutant_of_each_evaluator_is_told;
}

/// Sets of policies, and how many there are in each.
const SETS: u64 = 4;
const POLICIES: usize = 10;
/// Policies that decide something, at least.
const LEAST: usize = 20;

async fn a_mutant_of_each_evaluator_is_told(hub: Hub) {
    let mut told = 0;
    for seed in 1..=SETS {
        let mut rng = StdRng::seed_from_u64(seed);
        let world = World::random(seed);
        let drawn = Grammar { rng: &mut rng, world: &world }.policies(POLICIES);
        let (bench, policies) = Bench::random(&hub, drawn, &mut Tally::default()).await;
        fill(&hub, &world).await;
        let askers: Vec<Asker> =
            askers(&world, &mut rng, 3).into_iter().filter_map(|seat| seat.into_iter().next()).collect();
        for (lacking, policy) in policies.iter().enumerate() {
            let mut fewer = policies.clone();
            fewer.remove(lacking);
            let mutant = Bench::open(&hub, Some(&fewer)).await.unwrap();
            for asker in &askers {
                let seat = Seat { organisation: asker.organisation, role: asker.role.clone() };
                let view = bench.gate.seat_view(&seat, asker.now).await.unwrap();
                let other = mutant.gate.seat_view(&seat, asker.now).await.unwrap();
                let right = Verdict::of(&mut Court::new(&bench.law, &world, asker.clone()), &world);
                let wrong = Verdict::of(&mut Court::new(&mutant.law, &world, asker.clone()), &world);
                let (gate, world) = (&bench.gate, &world);
                let exam = Exam { gate, view: &view, recalled: &view, world, asker, verdict: &right, turn: 0 };
                let mutants = [
                    ("Cedar", Exam { verdict: &wrong, ..exam }),
                    ("SQL", Exam { view: &other, ..exam }),
                    ("memory", Exam { recalled: &other, ..exam }),
                ];
                if shown(&exam) == shown(&mutants[0].1) {
                    continue;
                }
                for (which, mutant) in mutants {
                    let difference = mutant.differs().await;
                    assert!(difference.is_some(), "seed {seed}, {asker:?}: {which} is not told that lacks\n{policy}");
                }
                told += 1;
            }
        }
    }
    assert!(told >= LEAST, "{told} policies decided anything");
    println!("mutants on {:?}: {told} of each evaluator, all told", hub.dialect());
}

/// By type and row, the values that are shown; nothing of rows that are not.
fn shown(exam: &Exam<'_>) -> Vec<Vec<Vec<Option<Value>>>> {
    let types = CATALOGUE.types.iter().map(|ty| {
        let rows = exam.verdict.0[ty.id.0].iter().enumerate();
        let rows = rows.map(|(row, fields)| {
            let fields = fields.iter().enumerate();
            fields.map(|(field, shown)| shown.map(|_| exam.right(ty.id, row, field))).collect()
        });
        rows.collect()
    });
    types.collect()
}
