//! One class of fields and what is asked about it. Fields of a class are decided alike, so that one
//! question answers for all of them.

use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, CompiledSchema, Env, SymEnv};

use super::{
    Proof,
    claim::{Claim, turned},
    solver::{Solver, failure},
};
use crate::{
    access::Treatment,
    catalogue::Type,
    error::{Error, Result},
    policy::{FieldClass, Rule, Shown, schema::ASKER},
};

pub struct Scene<'a> {
    schema: &'a CompiledSchema,
    pub ty: &'static Type,
    pub class: &'a FieldClass,
    env: RequestEnv,
    symbols: SymEnv,
    /// Those that show something; the legal ones apart.
    permits: Vec<&'a Arc<Rule>>,
    forbids: Vec<&'a Arc<Rule>>,
    legal: Vec<&'a Arc<Rule>>,
}

/// What the hub allows in a scene: by one of two sets.
pub struct Decided {
    sets: Vec<(Tier, CompiledPolicySet)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The permits, under the forbids.
    Usual,
    /// Anything, under the forbids of a file.
    Given,
    /// The permits by law.
    Legal,
}

impl<'a> Scene<'a> {
    pub fn new(proof: &'a Proof, ty: &'static Type, class: &'a FieldClass) -> Result<Self> {
        let named = |name: &str| name.parse().map_err(|e| Error::internal(format!("`{name}` is no type: {e}")));
        let env = RequestEnv::new(named(ASKER)?, class.action.clone(), named(ty.name)?);
        let schema = &proof.schemas[ty.id.0];
        let symbols = schema.sym_env(&env).map_err(failure)?;
        let policies = || class.rules.iter().filter(|rule| !proof.is_claim(rule));
        let permits = |legal: bool| {
            policies()
                .filter(move |r| r.policy.effect() == Effect::Permit && r.legal == legal && r.shown != Shown::Hidden)
        };
        Ok(Scene {
            schema,
            ty,
            class,
            permits: permits(false).collect(),
            legal: permits(true).collect(),
            forbids: policies().filter(|r| r.policy.effect() == Effect::Forbid).collect(),
            env,
            symbols,
        })
    }

    /// The actions of the class.
    pub fn names(&self) -> Vec<String> {
        let asked = self.class.action.id().unescaped();
        if self.class.fields.is_empty() {
            return vec![asked.to_owned()];
        }
        let end = asked.rfind(':').map_or("", |at| &asked[at..]);
        self.class.fields.iter().map(|f| format!("{}.{}{end}", self.ty.name, self.ty.fields[*f].name)).collect()
    }

    pub fn speaks(&self, rule: &Rule) -> bool {
        self.class.rules.iter().any(|r| r.id == rule.id && r.place == rule.place)
    }

    pub fn rules(&self) -> impl Iterator<Item = &'a Arc<Rule>> {
        [&self.permits, &self.legal, &self.forbids].into_iter().flatten().copied()
    }

    /// What the policies allow; with a file given, what any policies could beside its forbids.
    pub fn decided(&self, given: Option<&str>) -> Result<Decided> {
        let mut sets = Vec::new();
        match given {
            None if self.permits.is_empty() => {}
            None => sets.push((Tier::Usual, self.set(texts(self.permits.iter().chain(&self.forbids)))?)),
            Some(file) => {
                let forbids = self.forbids.iter().filter(|r| r.place.file == file);
                sets.push((Tier::Given, self.set(texts(forbids).chain([anything()?]))?));
            }
        }
        if !self.legal.is_empty() {
            sets.push((Tier::Legal, self.set(texts(&self.legal))?));
        }
        Ok(Decided { sets })
    }

    /// What the claim says is never allowed, but for one exception perhaps.
    pub fn reach(&self, claim: &Claim, but: Option<&Rule>) -> Result<CompiledPolicySet> {
        let exceptions = claim.exceptions.iter().filter(|e| self.speaks(e) && but.is_none_or(|but| but.id != e.id));
        let turned = std::iter::once(&claim.rule).chain(exceptions).map(|r| turned(&r.policy));
        self.set(turned.collect::<Result<Vec<_>>>()?)
    }

    /// Could the permit give something here that none of the others gives?
    pub async fn gives(&self, rule: &Rule, others: &[&Arc<Rule>], solver: &mut Solver) -> Result<bool> {
        let (legal, usual): (Vec<&Arc<Rule>>, Vec<&Arc<Rule>>) =
            others.iter().filter(|o| self.speaks(o)).partition(|o| o.legal);
        let above = legal.into_iter().map(|r| turned(&r.policy)).collect::<Result<Vec<_>>>()?;
        let alone = std::iter::once(rule.policy.clone()).chain(above);
        if rule.legal {
            let alone = self.set(alone)?;
            let usual = self.set(texts(usual.iter().chain(&self.forbids)))?;
            return Ok(!solver.within(&alone, &usual).await?);
        }
        let beside = usual.into_iter().map(|r| turned(&r.policy)).collect::<Result<Vec<_>>>()?;
        let alone = self.set(alone.chain(beside).chain(texts(&self.forbids)))?;
        Ok(!solver.never_allows(&alone).await?)
    }

    /// The permits that show at least as much as this one, where they hold.
    pub fn others(&self, rule: &Rule) -> Vec<&'a Arc<Rule>> {
        let full = Shown::As(Treatment::Full);
        // what holds for an hour makes nothing needless that holds always
        let covers = |o: &&&Arc<Rule>| {
            o.id != rule.id && (rule.glass || !o.glass) && (o.shown == full || (o.shown == rule.shown && !rule.legal))
        };
        self.permits.iter().chain(&self.legal).filter(covers).copied().collect()
    }

    pub async fn can_match(&self, rule: &Rule, solver: &mut Solver) -> Result<bool> {
        let compiled = CompiledPolicy::compile_with_custom_symenv(
            &rule.policy,
            &self.env,
            self.schema.schema(),
            self.symbols.clone(),
        );
        Ok(!solver.never_matches(&compiled.map_err(failure)?).await?)
    }

    fn set(&self, policies: impl IntoIterator<Item = Policy>) -> Result<CompiledPolicySet> {
        let set =
            PolicySet::from_policies(policies).map_err(|e| Error::internal(format!("a set that is none: {e}")))?;
        let symbols = self.symbols.clone();
        CompiledPolicySet::compile_with_custom_symenv(&set, &self.env, self.schema.schema(), symbols).map_err(failure)
    }
}

impl Decided {
    pub async fn meets(&self, reach: &CompiledPolicySet, solver: &mut Solver) -> Result<Option<Tier>> {
        for (tier, set) in &self.sets {
            if !solver.apart(set, reach).await? {
                return Ok(Some(*tier));
            }
        }
        Ok(None)
    }

    /// A request that this tier allows and that is reached.
    pub async fn example(&self, tier: Tier, reach: &CompiledPolicySet, solver: &mut Solver) -> Result<Option<Env>> {
        match self.sets.iter().find(|(t, _)| *t == tier) {
            Some((_, set)) => solver.both(set, reach).await,
            None => Ok(None),
        }
    }
}

fn texts<'r>(rules: impl IntoIterator<Item = &'r &'r Arc<Rule>>) -> impl Iterator<Item = Policy> {
    rules.into_iter().map(|r| r.policy.clone())
}

/// The name of a permit that stands for whatever may be added.
pub const ANYTHING: &str = "(anything)";

pub fn anything() -> Result<Policy> {
    Policy::parse(Some(PolicyId::new(ANYTHING)), "permit (principal, action, resource);")
        .map_err(|e| Error::internal(format!("cannot parse the widest permit: {e}")))
}
