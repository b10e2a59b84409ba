//! When an event that was not taken is tried again: after 5 s, 20 s, 80 s and so on, up to 8 hours, for days. Each time
//! is moved by up to a fifth, so that those who failed together do not come back together.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use entities::Instant;
use rand::Rng;

const SECOND: i64 = 1_000_000;
const FIRST: i64 = 5 * SECOND;
const LONGEST: i64 = 8 * 3600 * SECOND;
/// Nobody is left alone for longer because they ask for it.
const PATIENCE: i64 = 24 * 3600 * SECOND;

/// Adds seconds.
pub fn after(at: Instant, seconds: u32) -> Instant {
    Instant(at.0.saturating_add(i64::from(seconds) * SECOND))
}

/// The instant of the next attempt after so many that failed.
pub fn next(now: Instant, failed: i32, asked: Option<Instant>) -> Instant {
    let own = Instant(now.0 + moved(wait(failed), rand::thread_rng().gen_range(-0.2..=0.2)));
    match asked {
        Some(asked) => own.max(asked.min(Instant(now.0 + PATIENCE))),
        None => own,
    }
}

fn wait(failed: i32) -> i64 {
    let doublings = u32::try_from(failed.saturating_sub(1)).unwrap_or_default().saturating_mul(2);
    // 2^14 × 5 s is beyond the longest
    (FIRST << doublings.min(14)).min(LONGEST)
}

fn moved(wait: i64, by: f64) -> i64 {
    // far below 2^52, so nothing is lost
    wait + (wait as f64 * by) as i64
}

/// What `Retry-After` says: seconds, or a date.
pub fn retry_after(text: &str, now: Instant) -> Option<Instant> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(after(now, seconds));
    }
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    Some(Instant(DateTime::<Utc>::from(date).timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_fourfold_up_to_eight_hours() {
        let seconds: Vec<i64> = (1..=9).map(|failed| wait(failed) / SECOND).collect();
        assert_eq!(seconds, [5, 20, 80, 320, 1280, 5120, 20480, 28800, 28800]);
        assert_eq!(wait(i32::MAX), LONGEST);
        assert_eq!((moved(100, -0.2), moved(100, 0.2)), (80, 120));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_nor_for_ever() {
        let now = Instant(1_000_000_000 * SECOND);
        let at = |asked| next(now, 1, asked).0 - now.0;
        assert!((4 * SECOND..=6 * SECOND).contains(&at(None)));
        assert_eq!(at(retry_after("3600", now)), 3600 * SECOND);
        assert!(at(retry_after("1", now)) >= 4 * SECOND);
        assert_eq!(at(retry_after("4294967295", now)), PATIENCE);
        assert_eq!(retry_after("Sun, 09 Sep 2001 02:46:40 GMT", now), Some(after(now, 3600)));
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(wrong, now), None, "{wrong}");
        }
    }
}
