//! The only source of time and of new ids. Time decides rights here, so tests own it: nothing else in
//! the hub asks the system for the time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use entities::Instant;
use uuid::{ContextV7, Timestamp, Uuid};

#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// Keeps ids of the same millisecond in order.
    ids: Mutex<ContextV7>,
}

#[derive(Debug)]
enum Source {
    /// The system's time, moved by so many microseconds.
    Running { ahead: i64 },
    /// Stands still until it is set.
    Held(AtomicI64),
}

impl Clock {
    pub fn system() -> Self {
        Clock::from(Source::Running { ahead: 0 })
    }

    /// Starts at the instant and runs on from there.
    pub fn starting_at(at: Instant) -> Self {
        Clock::from(Source::Running { ahead: at.0 - system_micros() })
    }

    /// Stands still; see [`Clock::set`].
    pub fn held(at: Instant) -> Self {
        Clock::from(Source::Held(AtomicI64::new(at.0)))
    }

    fn from(source: Source) -> Self {
        Clock(Arc::new(Inner { source, ids: Mutex::new(ContextV7::new()) }))
    }

    /// Moves a held clock, for everybody who has a copy of it. A running clock cannot be moved.
    pub fn set(&self, at: Instant) {
        if let Source::Held(held) = &self.0.source {
            held.store(at.0, Ordering::SeqCst);
        }
    }

    pub fn now(&self) -> Instant {
        match &self.0.source {
            Source::Running { ahead } => Instant(system_micros() + ahead),
            Source::Held(at) => Instant(at.load(Ordering::SeqCst)),
        }
    }

    /// A new UUIDv7 of this clock's time.
    pub fn id(&self) -> Uuid {
        let now = self.now().0.max(0).unsigned_abs();
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        let nanos = u32::try_from(micros * 1_000).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(&self.0.ids, seconds, nanos))
    }
}

fn system_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_clock_moves_only_when_set() {
        let clock = Clock::held(Instant(1_000_000));
        let copy = clock.clone();
        assert_eq!(copy.now(), Instant(1_000_000));
        clock.set(Instant(5_000_000));
        assert_eq!(copy.now(), Instant(5_000_000));
    }

    #[test]
    fn ids_of_one_instant_are_ordered() {
        let clock = Clock::held("2026-09-01T09:00:00Z".parse().expect("valid"));
        let ids: Vec<_> = (0..1000).map(|_| clock.id()).collect();
        assert!(ids.is_sorted() && ids[0] != ids[1]);
        assert_eq!(ids[0].get_timestamp().map(|t| t.to_unix().0), Some(1_788_253_200));
    }

    #[test]
    fn a_started_clock_runs() {
        let at: Instant = "2020-01-01T00:00:00Z".parse().expect("valid");
        let clock = Clock::starting_at(at);
        let now = clock.now();
        assert!(now >= at && now.0 < at.0 + 60_000_000);
    }
}
