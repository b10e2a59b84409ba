//! How a field is shown. A treatment is part of the SQL, so the raw value never leaves the database,
//! and filters, orders, groups and aggregates see the treated value too.

use entities::{Decimal, meta::Kind};
use sha2::{Digest, Sha256};

use super::{guard::Threshold, sql::PSEUDONYM};
use crate::catalogue::{Field, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    Full,
    /// `anna@firm.example` → `a***@firm.example`
    EmailMask,
    /// The first characters.
    Prefix(u32),
    /// Rounded down to a multiple, in ten-thousandths.
    Band(i64),
    /// How many whole days it lasts at the average demand of so many days from today, and no more than those.
    DaysOfSupply(u32),
    /// A name that stands for the value: the same for the same value, another for each organisation.
    Pseudonym,
    /// Never in a row, only in numbers behind which enough customers stand.
    Aggregate(Threshold),
}

impl Treatment {
    /// The text of an annotation or of an agreement's row. `None`: hidden.
    pub fn parse(name: &str, param: Option<&str>) -> Result<Option<Self>, String> {
        let param = param.map(str::trim);
        Ok(Some(match name {
            "full" => Treatment::Full,
            "email_mask" => Treatment::EmailMask,
            "prefix" => {
                let n = param.and_then(|p| p.parse().ok()).filter(|n| (1..=64).contains(n));
                Treatment::Prefix(n.ok_or("`prefix` needs a number of characters between 1 and 64, as in `prefix:2`")?)
            }
            "band" => {
                let width = param.and_then(|p| p.parse::<Decimal>().ok()).filter(|d| d.0 > 0);
                Treatment::Band(width.ok_or("`band` needs a positive width, as in `band:5`")?.0)
            }
            "days_of_supply" => {
                let days =
                    param.and_then(|p| p.parse().ok()).filter(|n: &u32| (7..=364).contains(n) && n.is_multiple_of(7));
                Treatment::DaysOfSupply(days.ok_or(
                    "`days_of_supply` needs the days to look ahead, whole weeks up to 364, as in `days_of_supply:28`",
                )?)
            }
            "pseudonym" => Treatment::Pseudonym,
            "aggregate_only" => Treatment::Aggregate(param.unwrap_or_default().parse()?),
            "hidden" => return Ok(None),
            other => {
                return Err(format!(
                    "`{other}` is no treatment; use full, email_mask, prefix:N, band:N, days_of_supply:N, pseudonym, \
                     aggregate_only:K,SHARE, hidden or agreement"
                ));
            }
        }))
    }

    /// A value of a closed set cannot be shown as another text, and only what somebody needs lasts.
    pub fn fits(self, ty: &Type, field: &Field) -> bool {
        match self {
            Treatment::Full => true,
            Treatment::EmailMask | Treatment::Prefix(_) | Treatment::Pseudonym => {
                field.kind == Kind::Text && field.one_of.is_empty()
            }
            Treatment::Band(_) | Treatment::Aggregate(_) => matches!(field.kind, Kind::Int | Kind::Decimal),
            Treatment::DaysOfSupply(_) => ty.demand.is_some() && field.kind == Kind::Decimal,
        }
    }

    /// Whether it shows nothing in any row.
    pub fn is_in_sums(self) -> bool {
        matches!(self, Treatment::Aggregate(_))
    }

    /// The fuller of two treatments wins where several permits hold for a row: larger is fuller.
    pub fn fullness(self) -> (u8, i64) {
        match self {
            Treatment::Full => (6, 0),
            Treatment::EmailMask => (5, 0),
            Treatment::Prefix(n) => (4, i64::from(n)),
            Treatment::Band(width) => (3, -width),
            Treatment::DaysOfSupply(days) => (2, i64::from(days)),
            Treatment::Pseudonym => (1, 0),
            Treatment::Aggregate(threshold) => (0, -threshold.customers),
        }
    }
}

/// As PostgreSQL computes it from `sha256(secret || value)`.
pub fn pseudonym(secret: &str, value: &str) -> String {
    let digest = Sha256::new().chain_update(secret).chain_update(value).finalize();
    digest[..PSEUDONYM / 2].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl std::fmt::Display for Treatment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Treatment::Full => f.write_str("full"),
            Treatment::EmailMask => f.write_str("email_mask"),
            Treatment::Prefix(n) => write!(f, "prefix:{n}"),
            Treatment::Band(width) => write!(f, "band:{}", Decimal(*width)),
            Treatment::DaysOfSupply(days) => write!(f, "days_of_supply:{days}"),
            Treatment::Pseudonym => f.write_str("pseudonym"),
            Treatment::Aggregate(threshold) => write!(f, "aggregate_only:{threshold}"),
        }
    }
}
