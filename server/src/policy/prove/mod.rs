//! `entente policy prove`: what the invariants say is shown for every world by a solver, or a world is
//! told in which it is false. Proofs speak of Cedar; that the SQL decides the same, the differential
//! tests show.

mod claim;
mod idle;
mod report;
mod scene;
mod solver;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use cedar_policy::{Authorizer, Decision, Effect, Policy, PolicySet, Schema};
use cedar_policy_symcc::{CompiledSchema, Env};
use tokio::task::JoinSet;

use self::{
    claim::{Claim, attributes, turned},
    scene::{ANYTHING, Decided, Scene, Tier, anything},
    solver::{Solver, failure},
    world::World,
};
use super::{FieldClass, Rule, Rules, Shown, Sorted, schema, source};
use crate::{
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
    progress::Progress,
};

pub use report::{Claimed, IdleRule, Report};

/// The policies and what is claimed of them.
pub struct Proof {
    rules: Rules,
    claims: Vec<Claim>,
    /// As the policies' own, to read and to write, and split where a claim names a field. By type, in the
    /// catalogue's order.
    classes: Vec<Vec<FieldClass>>,
    /// By type: the schema with the attributes that its policies name, which keeps the questions small.
    schemas: Vec<CompiledSchema>,
}

/// What was found, of one type or of all.
#[derive(Default)]
struct Found {
    questions: usize,
    /// By claim.
    claims: BTreeMap<usize, Held>,
    /// The policies that decide something of their own.
    useful: BTreeSet<String>,
}

/// How a claim fared.
#[derive(Default)]
struct Held {
    questions: usize,
    fields: usize,
    /// Some request is what it speaks of.
    reached: bool,
    /// The exceptions without which it would be false.
    needed: BTreeSet<String>,
    /// A world in which it is false.
    world: Option<String>,
    broken: Vec<String>,
}

impl Proof {
    /// The policies in the binary and their invariants, or those of a folder.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let rules = Rules::load(folder)?;
        let claims = claim::read(folder, &rules)?;
        let claimed = claims.iter().flat_map(|c| std::iter::once(&c.rule).chain(&c.exceptions));
        let all: Vec<Arc<Rule>> = rules.all.iter().chain(claimed).cloned().collect();
        let sorted = Sorted::new(&rules.schema, &all);
        let writes =
            sorted.writes().into_iter().map(|w| w.create.into_iter().chain(w.delete).chain(w.fields).chain(w.manage));
        let beside = writes.zip(sorted.exports()).map(|(writes, export)| writes.chain([export]));
        let classes: Vec<Vec<FieldClass>> = sorted
            .reads()
            .into_iter()
            .zip(beside)
            .map(|(reads, beside)| reads.into_iter().chain(beside).collect())
            .collect();
        let schemas = classes.iter().map(|of_type| narrowed(of_type)).collect::<Result<_>>()?;
        Ok(Proof { rules, claims, classes, schemas })
    }

    /// How many steps [`Proof::run`] takes.
    pub fn steps(&self) -> u64 {
        self.classes.iter().flatten().count() as u64
    }

    /// Asks everything, of so many solvers at once.
    pub async fn run(self, solvers: usize, progress: Progress) -> Result<Report> {
        let started = Instant::now();
        let proof = Arc::new(self);
        let next = Arc::new(AtomicUsize::new(0));
        let progress = Arc::new(progress);
        let mut crew = JoinSet::new();
        for _ in 0..solvers {
            let (proof, next, progress, mut solver) = (proof.clone(), next.clone(), progress.clone(), Solver::start()?);
            crew.spawn(async move {
                let mut found = Vec::new();
                while let Some(ty) = CATALOGUE.types.get(next.fetch_add(1, Ordering::Relaxed)) {
                    found.push((ty.id.0, proof.of_type(ty, &progress, &mut solver).await?));
                }
                Ok::<_, Error>(found)
            });
        }
        let mut parts = Vec::new();
        while let Some(done) = crew.join_next().await {
            parts.extend(done.map_err(|e| Error::internal(format!("a proof broke off: {e}")))??);
        }
        parts.sort_by_key(|(ty, _)| *ty);
        let mut found = Found::default();
        parts.into_iter().for_each(|(_, part)| found.add(part));
        let idle = proof.idle(&mut found).await?;
        Ok(proof.report(&found, &idle, started.elapsed()))
    }

    async fn of_type(&self, ty: &'static Type, progress: &Progress, solver: &mut Solver) -> Result<Found> {
        let mut found = Found::default();
        let before = solver.asked;
        for class in &self.classes[ty.id.0] {
            progress.at(class.action.id().unescaped());
            let scene = Scene::new(self, ty, class)?;
            let mut decided: BTreeMap<Option<&str>, Decided> = BTreeMap::new();
            for (i, claim) in self.claims.iter().enumerate().filter(|(_, c)| scene.speaks(&c.rule)) {
                let given = claim.given.as_deref();
                let decided = match decided.entry(given) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(scene.decided(given)?),
                };
                let held = found.claims.entry(i).or_default();
                let asked = self.ask(claim, &scene, decided, held, solver).await;
                asked.map_err(|error| about(error, &claim.rule, class))?;
            }
            for rule in scene.rules() {
                if !found.useful.contains(&rule.id) {
                    let useful = scene.useful(rule, solver).await.map_err(|error| about(error, rule, class))?;
                    found.useful.extend(useful.then(|| rule.id.clone()));
                }
            }
            progress.add(1);
        }
        found.questions = solver.asked - before;
        Ok(found)
    }

    /// Does the claim hold for the fields of this class?
    async fn ask(
        &self,
        claim: &Claim,
        scene: &Scene<'_>,
        decided: &Decided,
        held: &mut Held,
        solver: &mut Solver,
    ) -> Result<()> {
        let before = solver.asked;
        let reach = scene.reach(claim, None)?;
        held.fields += scene.names().len();
        held.reached = held.reached || !solver.never_allows(&reach).await?;
        if let Some(tier) = decided.meets(&reach, solver).await? {
            held.broken.extend(scene.names());
            if held.world.is_none() {
                let Some(env) = decided.example(tier, &reach, solver).await? else {
                    return Err(Error::internal("the solver has no world for what it found to be possible"));
                };
                held.world = Some(self.tell(claim, tier, &env)?);
            }
        }
        for exception in claim.exceptions.iter().filter(|e| scene.speaks(e)) {
            if !held.needed.contains(&exception.id) {
                let wider = scene.reach(claim, Some(exception))?;
                if decided.meets(&wider, solver).await?.is_some() {
                    held.needed.insert(exception.id.clone());
                }
            }
        }
        held.questions += solver.asked - before;
        Ok(())
    }

    /// The world in words, once Cedar's own authorizer has allowed the request in it.
    fn tell(&self, claim: &Claim, tier: Tier, env: &Env) -> Result<String> {
        let usual = |r: &&Arc<Rule>| !r.legal && r.shown != Shown::Hidden;
        let policies: Vec<Policy> = match (tier, &claim.given) {
            (Tier::Legal, _) => self.rules.all.iter().filter(|r| r.legal).map(|r| r.policy.clone()).collect(),
            (Tier::Given, Some(file)) => {
                let given = |r: &&Arc<Rule>| r.place.file == *file && r.policy.effect() == Effect::Forbid;
                let forbids = self.rules.all.iter().filter(given).map(|r| r.policy.clone());
                forbids.chain([anything()?]).collect()
            }
            _ => self.rules.all.iter().filter(usual).map(|r| r.policy.clone()).collect(),
        };
        let allowed = replay(&policies, env)?;
        let turned = std::iter::once(&claim.rule).chain(&claim.exceptions).map(|r| turned(&r.policy));
        let reached = replay(&turned.collect::<Result<Vec<_>>>()?, env)?;
        if allowed.is_empty() || reached.is_empty() {
            let id = &claim.rule.id;
            return Err(Error::internal(format!(
                "the solver and Cedar's authorizer disagree about `{id}`, no answer of this run counts; world: {env}"
            )));
        }
        let by: Vec<&Arc<Rule>> = self.rules.all.iter().filter(|r| allowed.contains(&r.id)).collect();
        let in_question = by.iter().copied().chain([&claim.rule]).chain(&claim.exceptions).map(|r| &r.policy);
        let mut text = World::new(env, in_question)?.tell();
        for rule in by {
            text.push_str(&format!("allowed by {} ({}): {}\n", rule.id, rule.place, rule.doc));
        }
        if allowed.iter().any(|id| id == ANYTHING) {
            text.push_str("allowed by any permit that may be added: no forbid of the given file is in its way\n");
        }
        Ok(text)
    }

    fn is_claim(&self, rule: &Rule) -> bool {
        source::is_invariant(&rule.place)
    }
}

fn narrowed(classes: &[FieldClass]) -> Result<CompiledSchema> {
    let named = attributes(classes.iter().flat_map(|class| &class.rules).map(|rule| &rule.policy))?;
    let (schema, _) = Schema::from_cedarschema_str(&schema::narrowed(&CATALOGUE, &named))
        .map_err(|e| Error::internal(format!("the schema with fewer attributes is none: {e}")))?;
    CompiledSchema::new(&schema).map_err(failure)
}

impl Found {
    fn add(&mut self, part: Found) {
        self.questions += part.questions;
        self.useful.extend(part.useful);
        for (claim, more) in part.claims {
            let held = self.claims.entry(claim).or_default();
            held.questions += more.questions;
            held.fields += more.fields;
            held.reached |= more.reached;
            held.needed.extend(more.needed);
            held.broken.extend(more.broken);
            held.world = held.world.take().or(more.world);
        }
    }
}

/// The permits by which the set allows the request; none if it does not.
fn replay(policies: &[Policy], env: &Env) -> Result<Vec<String>> {
    let set = PolicySet::from_policies(policies.iter().cloned());
    let set = set.map_err(|e| Error::internal(format!("cannot replay the request: {e}")))?;
    let answer = Authorizer::new().is_authorized(&env.request, &set, &env.entities);
    Ok(match answer.decision() {
        Decision::Allow => answer.diagnostics().reason().map(ToString::to_string).collect(),
        Decision::Deny => Vec::new(),
    })
}

/// What the solver was asked when it failed.
fn about(error: Error, rule: &Rule, class: &FieldClass) -> Error {
    match error {
        Error::Unavailable(text) => {
            Error::Unavailable(format!("{}: `{}`, {}: {text}", rule.place, rule.id, class.action))
        }
        other => other,
    }
}
