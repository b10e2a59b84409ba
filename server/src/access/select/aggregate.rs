//! Groups and what is counted, summed and compared in them.

use entities::meta::Kind;

use super::{RowRef, Select, Statement};
use crate::{access::connect::Dialect, catalogue::CATALOGUE};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Bucket {
    pub const NAMED: [(&str, Bucket); 5] = [
        ("day", Bucket::Day),
        ("week", Bucket::Week),
        ("month", Bucket::Month),
        ("quarter", Bucket::Quarter),
        ("year", Bucket::Year),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, bucket)| *bucket)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    Sum,
    Min,
    Max,
    /// The number of values, from which an average is made exactly.
    Values,
}

impl Select<'_> {
    /// A group's key: the field as it is shown, cut to a bucket of time if asked.
    pub fn key(&mut self, row: RowRef, field: usize, bucket: Option<Bucket>) -> usize {
        self.learn(row, field);
        let (ty, alias) = self.source(row);
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        let text = bucket.map_or(shown.clone(), |b| bucketed(self.sql.dialect, &shown, kind, b));
        self.select(text)
    }

    pub fn aggregate(&mut self, field: usize, aggregate: Aggregate) -> usize {
        self.learn(RowRef(0), field);
        let (ty, alias) = self.source(RowRef(0));
        let shown = self.shown(ty, &alias, field);
        let text = match (aggregate, self.sql.dialect) {
            (Aggregate::Sum, Dialect::Postgres) => format!("sum({shown})::int8"),
            (Aggregate::Sum, Dialect::Sqlite) => format!("sum({shown})"),
            (Aggregate::Min, _) => format!("min({shown})"),
            (Aggregate::Max, _) => format!("max({shown})"),
            (Aggregate::Values, _) => format!("count({shown})"),
        };
        self.select(text)
    }

    pub fn count_column(&mut self) -> usize {
        self.select("count(*)".into())
    }

    /// One row for each group, ordered by its keys, which are the columns of these indices.
    /// With it the column of the version.
    pub fn groups(mut self, keys: &[usize], limit: usize) -> (Statement, usize) {
        let version = self.version();
        let nulls = if self.sql.dialect == Dialect::Sqlite { " NULLS LAST" } else { "" };
        let by: Vec<String> = keys.iter().map(|k| (k + 1).to_string()).collect();
        let order: Vec<String> = by.iter().map(|k| format!("{k}{nulls}")).collect();
        let tail = if by.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {} ORDER BY {} LIMIT {limit}", by.join(", "), order.join(", "))
        };
        let text = format!("SELECT {} FROM {}{}{}{tail}", self.list(), self.table(), self.joins, self.filter());
        (self.statement(&text), version)
    }
}

pub(super) fn bucketed(dialect: Dialect, x: &str, kind: Kind, bucket: Bucket) -> String {
    match dialect {
        Dialect::Postgres => {
            let unit = match bucket {
                Bucket::Day => "day",
                Bucket::Week => "week",
                Bucket::Month => "month",
                Bucket::Quarter => "quarter",
                Bucket::Year => "year",
            };
            let at = if kind == Kind::Instant {
                format!("timestamp 'epoch' + ({x}) * interval '1 microsecond'")
            } else {
                format!("({x})::timestamp")
            };
            format!("date_trunc('{unit}', {at})::date")
        }
        Dialect::Sqlite => {
            let day =
                if kind == Kind::Instant { format!("date(({x}) / 1000000, 'unixepoch')") } else { format!("({x})") };
            match bucket {
                Bucket::Day => format!("date({day})"),
                // Monday, as ISO weeks begin
                Bucket::Week => format!("date({day}, 'weekday 0', '-6 days')"),
                Bucket::Month => format!("date({day}, 'start of month')"),
                Bucket::Quarter => {
                    format!("date({day}, 'start of month', '-' || ((strftime('%m', {day}) - 1) % 3) || ' months')")
                }
                Bucket::Year => format!("date({day}, 'start of year')"),
            }
        }
    }
}
