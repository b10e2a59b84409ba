//! The two value types that SQLite has no faithful column for. Both are kept as a 64-bit integer on
//! both databases, so that sums are exact, comparisons are index look-ups and the same text is read
//! everywhere. `Decimal` counts ten-thousandths, `Instant` microseconds since 1970 in UTC.

use std::{fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

/// An exact decimal number with four digits behind the point, as Cedar's `decimal`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, DeriveValueType, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal(pub i64);

impl Decimal {
    pub const SCALE: i64 = 10_000;

    pub const fn from_int(n: i64) -> Self {
        Decimal(n * Self::SCALE)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / 10_000, self.0.unsigned_abs() % 10_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{part:04}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDecimalError;

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a decimal number with at most four digits behind the point, such as `12.50`")
    }
}

impl std::error::Error for ParseDecimalError {}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        // more digits are taken only when they are zeros: nothing is rounded silently
        let (part, rest) = part.split_at(part.len().min(4));
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) || rest.bytes().any(|b| b != b'0') {
            return Err(ParseDecimalError);
        }
        let part: i64 = format!("{part:0<4}").parse().map_err(|_| ParseDecimalError)?;
        let whole: i64 = whole.parse().map_err(|_| ParseDecimalError)?;
        let value = whole.checked_mul(Self::SCALE).and_then(|w| w.checked_add(part)).ok_or(ParseDecimalError)?;
        Ok(Decimal(if negative { -value } else { value }))
    }
}

impl TryFrom<String> for Decimal {
    type Error = ParseDecimalError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Decimal> for String {
    fn from(value: Decimal) -> Self {
        value.to_string()
    }
}

/// A moment in UTC, to the microsecond.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, DeriveValueType, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(pub i64);

impl Instant {
    pub fn from_utc(at: DateTime<Utc>) -> Self {
        Instant(at.timestamp_micros())
    }

    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseInstantError;

impl fmt::Display for ParseInstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an instant in RFC 3339, such as `2026-09-01T09:00:00Z`")
    }
}

impl std::error::Error for ParseInstantError {}

impl FromStr for Instant {
    type Err = ParseInstantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| ParseInstantError)?;
        Ok(Instant::from_utc(at.with_timezone(&Utc)))
    }
}

impl TryFrom<String> for Instant {
    type Error = ParseInstantError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Instant> for String {
    fn from(value: Instant) -> Self {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_refuse_what_they_cannot_hold() {
        for (text, kept) in [("12.50", "12.5"), ("-0.0001", "-0.0001"), ("7", "7"), ("1.20000", "1.2")] {
            assert_eq!(text.parse::<Decimal>().map(|d| d.to_string()), Ok(kept.to_string()));
        }
        for text in ["", ".5", "1.00001", "1e3", "9223372036854775807", "- 1", "1,5"] {
            assert_eq!(text.parse::<Decimal>(), Err(ParseDecimalError), "{text}");
        }
    }

    #[test]
    fn instants_keep_microseconds() {
        let at: Instant = "2026-09-01T11:00:00.000001+02:00".parse().expect("valid");
        assert_eq!(at.to_string(), "2026-09-01T09:00:00.000001Z");
    }
}
