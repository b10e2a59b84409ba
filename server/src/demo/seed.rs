//! Time, keys and chance of the demo world. All three follow from the clock's instant alone, so that
//! the world of a held clock is the same in every run.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use entities::{Decimal, Instant};
use uuid::{Builder, Uuid};

pub(super) struct Seed {
    now: DateTime<Utc>,
    keys: u64,
    chance: u64,
}

impl Seed {
    pub(super) fn new(now: Instant) -> Self {
        Seed { now: now.utc(), keys: 0, chance: 0x6e6f_7264_7769_6e64 }
    }

    /// Keys rise in the order in which they are asked for, and stay below those that the clock gives later.
    pub(super) fn id(&mut self) -> Uuid {
        const PER_MILLISECOND: u64 = 1 << 12;
        const BEFORE_NOW: u64 = 1_000;
        let at = u64::try_from(self.now.timestamp_millis()).unwrap_or_default();
        let (millis, place) = (self.keys / PER_MILLISECOND, self.keys % PER_MILLISECOND);
        self.keys += 1;
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&u16::try_from(place).unwrap_or_default().to_be_bytes());
        rest[2..].copy_from_slice(&mixed(self.keys).to_be_bytes());
        Builder::from_unix_timestamp_millis(at.saturating_sub(BEFORE_NOW) + millis, &rest).into_uuid()
    }

    /// A number below `below`.
    pub(super) fn pick(&mut self, below: i64) -> i64 {
        self.chance = self.chance.wrapping_add(1);
        i64::try_from(mixed(self.chance) % below.max(1).unsigned_abs()).unwrap_or_default()
    }

    /// One of these; there must be some.
    pub(super) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.pick(of.len() as i64)).unwrap_or_default();
        &of[at]
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_utc(self.now)
    }

    pub(super) fn year(&self) -> i32 {
        self.now.year()
    }

    /// So many days from today.
    pub(super) fn day(&self, days: i64) -> NaiveDate {
        self.now.date_naive() + TimeDelta::days(days)
    }

    /// So many days from today, at a full hour.
    pub(super) fn at(&self, days: i64, hour: u32) -> Instant {
        let hour = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
        Instant::from_utc(self.day(days).and_time(hour).and_utc())
    }

    /// So many hours from now.
    pub(super) fn hours(&self, hours: i64) -> Instant {
        Instant::from_utc(self.now + TimeDelta::hours(hours))
    }

    /// The Monday of the week that is so many weeks from this one.
    pub(super) fn monday(&self, weeks: i64) -> NaiveDate {
        let today = self.day(0);
        today - Days::new(u64::from(today.weekday().num_days_from_monday())) + TimeDelta::weeks(weeks)
    }

    /// The first of the month that is so many months from this one.
    pub(super) fn first_of_month(&self, months: i32) -> NaiveDate {
        let month = self.now.year() * 12 + self.now.month0().cast_signed() + months;
        date(month.div_euclid(12), month.rem_euclid(12).cast_unsigned() + 1, 1)
    }

    /// Midnight of the first of January, so many years from this one.
    pub(super) fn new_year(&self, years: i32) -> Instant {
        moment(date(self.year() + years, 1, 1), 0)
    }

    /// The next time that the calendar shows this day and hour.
    pub(super) fn next(&self, month: u32, day: u32, hour: u32) -> Instant {
        let this = moment(date(self.year(), month, day), hour);
        if this > self.now() { this } else { moment(date(self.year() + 1, month, day), hour) }
    }
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

fn moment(day: NaiveDate, hour: u32) -> Instant {
    Instant::from_utc(day.and_time(NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default()).and_utc())
}

/// SplitMix64: well mixed, and the same everywhere.
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) const fn whole(n: i64) -> Decimal {
    Decimal::from_int(n)
}

/// Hundredths: cents of a price, percent of a share.
pub(super) const fn hundredths(n: i64) -> Decimal {
    Decimal(n * (Decimal::SCALE / 100))
}

pub(super) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A business number that tells nothing of how many there are: every `n` below the modulus, a prime,
/// gives another.
pub(super) fn number(prefix: &str, n: usize) -> String {
    format!("{prefix}-{}", 10_000 + (n as u64 + 1) * 48_271 % 89_989)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed::new("2026-07-15T10:30:00Z".parse().expect("valid"))
    }

    #[test]
    fn keys_rise_and_repeat_with_the_clock() {
        let keys = |mut seed: Seed| (0..10_000).map(|_| seed.id()).collect::<Vec<_>>();
        let all = keys(seed());
        assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(all, keys(seed()));
        assert_eq!(all[0].get_version_num(), 7);
    }

    #[test]
    fn days_are_counted_from_today() {
        let seed = seed();
        assert_eq!(seed.monday(0).to_string(), "2026-07-13");
        assert_eq!(seed.monday(-1).to_string(), "2026-07-06");
        assert_eq!(seed.first_of_month(-7).to_string(), "2025-12-01");
        assert_eq!(seed.first_of_month(6).to_string(), "2027-01-01");
        assert_eq!(seed.next(9, 1, 9).to_string(), "2026-09-01T09:00:00Z");
        assert_eq!(seed.next(7, 1, 0).to_string(), "2027-07-01T00:00:00Z");
        assert_eq!(seed.new_year(1).to_string(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn numbers_differ() {
        let all: std::collections::HashSet<_> = (0..20_000).map(|n| number("SO", n)).collect();
        assert_eq!(all.len(), 20_000);
    }
}
