//! Part 6 of the view, the aggregate guard: fields that no row shows, only sums behind which enough customers
//! stand and none of them stands out. What may be told is a sum of whole atoms: see [`atoms`].

mod atoms;
mod cell;
mod ledger;

use std::{fmt, str::FromStr, sync::Arc};

use entities::{
    Decimal,
    meta::{Behind, Kind},
};

pub(super) use cell::{CELLS, Release};
pub(super) use ledger::release;

use super::{pred::Pred, select::Bucket, treat::Treatment};
use crate::catalogue::{CATALOGUE, Type, TypeId, pascal};

/// The threshold rule and the dominance rule of statistical disclosure control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold {
    /// So many customers must stand behind a number.
    pub customers: i64,
    /// None of them may have more of it, in ten-thousandths.
    pub share: i64,
}

impl Threshold {
    pub fn strictest(self, other: Self) -> Self {
        Threshold { customers: self.customers.max(other.customers), share: self.share.min(other.share) }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (customers, share) = text.split_once(',')?;
            let customers = customers.trim().parse().ok().filter(|k| (2..=1_000_000).contains(k))?;
            let share = share.trim().parse::<Decimal>().ok().filter(|s| (1..Decimal::SCALE).contains(&s.0))?;
            Some(Threshold { customers, share: share.0 })
        };
        read().ok_or_else(|| {
            "`aggregate_only` needs how many customers must stand behind a number, two at least, and the largest share \
             that one may have, below 1, as in `aggregate_only:5,0.75`"
                .to_string()
        })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.customers, Decimal(self.share))
    }
}

/// What numbers may be grouped by and filtered by: one side of the grid. Its cells are the finest that is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// `seriesProductFamily`, `bucketStartMonth`
    pub name: String,
    /// The references that lead to the field.
    pub steps: Vec<usize>,
    /// The type that has the field.
    pub of: TypeId,
    pub field: usize,
    pub bucket: Option<Bucket>,
}

impl Dimension {
    /// `series.product.family`, `bucketStart.month`
    pub fn parse(ty: &'static Type, text: &str) -> Result<Self, String> {
        let (mut of, mut steps, mut name) = (ty, Vec::new(), String::new());
        let mut words = text.split('.');
        let field = loop {
            let word = words.next().ok_or_else(|| format!("`{text}` ends with a reference, name a field behind it"))?;
            let index = of.field_index(word).filter(|i| *i > 0);
            let index = index.ok_or_else(|| format!("`{text}`: {} has no field `{word}` to group by", of.name))?;
            name.push_str(&if name.is_empty() { word.to_string() } else { pascal(word) });
            match of.fields[index].to {
                None => break index,
                Some(to) => {
                    steps.push(index);
                    of = CATALOGUE.ty(to);
                }
            }
        };
        let bucket = match words.next() {
            None => None,
            Some(word) => {
                name.push_str(&pascal(word));
                Some(Bucket::named(word).ok_or_else(|| format!("`{text}`: `{word}` is no span of time"))?)
            }
        };
        let fits = match of.fields[field].kind {
            Kind::Text | Kind::Int | Kind::Bool => bucket.is_none(),
            Kind::Date => bucket != Some(Bucket::Day),
            Kind::Instant => bucket.is_some(),
            Kind::Id | Kind::Decimal | Kind::Json => false,
        };
        if !fits || words.next().is_some() {
            return Err(format!(
                "`{text}` cannot be grouped by; name a text, or a day with a span as in `orderedOn.month`"
            ));
        }
        Ok(Dimension { name, steps, of: of.id, field, bucket })
    }

    /// The kind of its values.
    pub fn kind(&self) -> Kind {
        if self.bucket.is_some() { Kind::Date } else { CATALOGUE.ty(self.of).fields[self.field].kind }
    }
}

/// How a type is shown that no row is shown of.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The rows that count.
    pub(super) row: Arc<Pred>,
    pub(super) threshold: Threshold,
    pub shape: Shape,
}

impl Guard {
    pub fn row(&self) -> &Arc<Pred> {
        &self.row
    }

    pub fn treatment(&self) -> Treatment {
        Treatment::Aggregate(self.threshold)
    }

    /// Could it tell of the same rows what the other does not?
    pub fn tells_beyond(&self, other: &Guard) -> bool {
        self.shape.grid != other.shape.grid || self.threshold.strictest(other.threshold) != self.threshold
    }
}

/// What of a guard can be seen: it decides the GraphQL schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The fields that are summed.
    pub measures: Vec<usize>,
    pub grid: Arc<[Dimension]>,
}

impl Shape {
    /// The sides of the grid.
    pub fn names(&self) -> String {
        self.grid.iter().map(|side| side.name.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Can the field be summed under guard?
pub(super) fn can_be_measured(ty: &Type, field: usize) -> bool {
    let def = &ty.fields[field];
    match ty.behind {
        None => false,
        // the stored share is that of this field
        Some(Behind::Told { of, .. }) => def.column == of,
        Some(Behind::One(_)) => matches!(def.kind, Kind::Int | Kind::Decimal),
    }
}

#[cfg(test)]
mod tests;
