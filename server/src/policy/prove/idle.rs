//! Policies that decide nothing: no request meets their condition, the forbids take all that they give,
//! or others give it already.

use std::sync::Arc;

use cedar_policy::Effect;

use super::{Found, Proof, Scene, Solver};
use crate::{
    catalogue::CATALOGUE,
    error::Result,
    policy::{Rule, Shown},
};

/// A policy that decides nothing, and why.
pub struct Idle {
    pub rule: Arc<Rule>,
    pub why: String,
}

impl Scene<'_> {
    /// Does the policy decide something here that no other does? Forbids may overlap: two that say no
    /// are a guard, two that say yes are a riddle.
    pub async fn useful(&self, rule: &Rule, solver: &mut Solver) -> Result<bool> {
        match rule.policy.effect() {
            Effect::Forbid => self.can_match(rule, solver).await,
            Effect::Permit => self.gives(rule, &self.others(rule), solver).await,
        }
    }
}

impl Proof {
    pub(super) async fn idle(&self, found: &mut Found) -> Result<Vec<Idle>> {
        let mut idle = Vec::new();
        let mut solver = Solver::start()?;
        for rule in self.rules.all.iter().filter(|r| !found.useful.contains(&r.id)) {
            idle.push(Idle { rule: rule.clone(), why: self.why_idle(rule, &mut solver).await? });
        }
        found.questions += solver.asked;
        Ok(idle)
    }

    async fn why_idle(&self, rule: &Rule, solver: &mut Solver) -> Result<String> {
        if rule.shown == Shown::Hidden {
            return Ok("it shows nothing".into());
        }
        let scenes = self.scenes(rule)?;
        let mut matches = false;
        for scene in &scenes {
            matches = matches || scene.can_match(rule, solver).await?;
        }
        if !matches {
            return Ok("no request meets its condition".into());
        }
        if !gives(&scenes, rule, &[], solver).await? {
            return Ok("the forbids take all that it gives".into());
        }
        // as few as give all of it; the later ones are asked first, so that a wide policy at the head stays
        let mut others: Vec<&Arc<Rule>> = Vec::new();
        for other in scenes.iter().flat_map(|scene| scene.others(rule)) {
            if !others.iter().any(|o| o.id == other.id) {
                others.push(other);
            }
        }
        for i in (0..others.len()).rev() {
            let mut fewer = others.clone();
            fewer.remove(i);
            if !gives(&scenes, rule, &fewer, solver).await? {
                others = fewer;
            }
        }
        let names: Vec<String> = others.iter().map(|o| format!("{} ({})", o.id, o.place)).collect();
        Ok(format!("all that it gives is given by {}", names.join(" and ")))
    }

    /// The classes that a policy speaks of.
    fn scenes(&self, rule: &Rule) -> Result<Vec<Scene<'_>>> {
        let mut out = Vec::new();
        for (ty, classes) in CATALOGUE.types.iter().zip(&self.classes) {
            for class in classes {
                let scene = Scene::new(self, ty, class)?;
                if scene.speaks(rule) {
                    out.push(scene);
                }
            }
        }
        Ok(out)
    }
}

async fn gives(scenes: &[Scene<'_>], rule: &Rule, others: &[&Arc<Rule>], solver: &mut Solver) -> Result<bool> {
    for scene in scenes {
        let mine: Vec<&Arc<Rule>> = others.iter().filter(|o| scene.speaks(o)).copied().collect();
        if scene.gives(rule, &mine, solver).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
