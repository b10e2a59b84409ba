//! What somebody may ask for in a minute: a bucket for each person and machine, which holds one minute's worth
//! and fills evenly. Of this process alone: two hubs give two budgets.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::Limits,
    error::{Error, Result},
};

/// Buckets that are kept; one that has not been used for long is full again anyway.
const BUCKETS: usize = 10_000;

type Bucket = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>;

pub struct Budgets {
    enabled: bool,
    /// For those whose roles say nothing.
    usual: u32,
    clock: Clock,
    /// Who changes its budget begins anew.
    buckets: Cache<(Uuid, NonZeroU32), Arc<Bucket>>,
}

impl Budgets {
    pub fn new(limits: &Limits, clock: Clock) -> Self {
        Budgets { enabled: limits.budgets, usual: limits.cost_per_minute, clock, buckets: Cache::new(BUCKETS) }
    }

    /// Whether it can be spent.
    pub fn has_end(&self, budget: Option<u32>) -> bool {
        self.enabled && budget.unwrap_or(self.usual) > 0
    }

    /// Takes the cost out of the person's budget, `None` for the usual one, if so much is left.
    pub fn spend(&self, principal: Uuid, budget: Option<u32>, cost: u32) -> Result<()> {
        let (Some(budget), true) = (NonZeroU32::new(budget.unwrap_or(self.usual)), self.enabled) else { return Ok(()) };
        let Some(cost) = NonZeroU32::new(cost) else { return Ok(()) };
        let bucket = || Ok::<_, std::convert::Infallible>(Arc::new(self.bucket(budget)));
        let Ok(bucket) = self.buckets.get_or_insert_with(&(principal, budget), bucket);
        match bucket.check_n(cost) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.ticks());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(Error::RateLimited {
                    text: format!(
                        "{cost} objects are more than is left of the {budget} that you have in a minute; ask again in {seconds} s"
                    ),
                    retry_after: seconds,
                })
            }
            Err(_) => Err(Error::Cost(format!(
                "{cost} objects are more than the {budget} that you have in a minute; ask for smaller pages"
            ))),
        }
    }

    /// The same of what cannot be asked for in smaller parts: no more than all of the budget.
    pub fn spend_at_most(&self, principal: Uuid, budget: Option<u32>, cost: u32) -> Result<()> {
        let most = budget.unwrap_or(self.usual);
        self.spend(principal, budget, if most == 0 { cost } else { cost.min(most) })
    }

    fn bucket(&self, budget: NonZeroU32) -> Bucket {
        RateLimiter::direct_with_clock(Quota::per_minute(budget), Ticks(self.clock.clone()))
    }

    fn ticks(&self) -> Nanos {
        governor::clock::Clock::now(&Ticks(self.clock.clone()))
    }
}

/// The hub's clock, as buckets read it.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_micros(self.0.now().0.max(0).unsigned_abs()).into()
    }
}

#[cfg(test)]
mod tests {
    use entities::Instant;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn budgets(clock: &Clock, usual: u32) -> Budgets {
        let mut limits = crate::config::Config::load(&Default::default()).expect("defaults").limits;
        (limits.cost_per_minute, limits.budgets) = (usual, true);
        Budgets::new(&limits, clock.clone())
    }

    #[test]
    fn a_budget_is_spent_and_fills_evenly() {
        let clock = Clock::held(Instant(1_000 * SECOND));
        let budgets = budgets(&clock, 0);
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let spend = |who, cost| budgets.spend(who, Some(60), cost);
        spend(me, 60).expect("a minute's worth at once");
        let Err(Error::RateLimited { retry_after, .. }) = spend(me, 10) else { panic!("nothing is left") };
        assert_eq!(retry_after, 10);
        spend(other, 60).expect("everybody has its own");
        clock.set(Instant(1_010 * SECOND - 1));
        assert!(spend(me, 10).is_err());
        clock.set(Instant(1_010 * SECOND));
        spend(me, 10).expect("ten seconds bring ten");
        assert!(spend(me, 1).is_err());
        assert!(matches!(spend(other, 61), Err(Error::Cost(_))), "it would never be taken");
    }

    #[test]
    fn who_has_no_budget_has_the_usual_one() {
        let clock = Clock::held(Instant(1_000 * SECOND));
        assert!((0..1_000).all(|_| budgets(&clock, 0).spend(Uuid::nil(), None, 1_000).is_ok()));
        let budgets = budgets(&clock, 5);
        budgets.spend(Uuid::nil(), None, 5).expect("the usual one");
        assert!(budgets.spend(Uuid::nil(), None, 1).is_err());
        assert!((0..10).all(|_| budgets.spend(Uuid::nil(), Some(0), 1_000).is_ok()), "zero is no limit");
    }
}
