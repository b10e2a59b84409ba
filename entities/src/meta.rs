//! What the hub knows of an entity beside its Rust type. Every door is derived from these
//! definitions; nothing about a field is written down a second time.

/// Sensitivity of a field: the default from which the policies start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Any partner of the hub may see it.
    Pub,
    /// Shared under an active sharing agreement.
    Shr,
    /// Employees by role.
    Int,
    /// Personal data: role, purpose and legal basis.
    Per,
    /// Commercial secret: never by default, not even to most employees.
    Sec,
}

impl Class {
    /// The action group that policies name.
    pub const fn group(self) -> &'static str {
        match self {
            Class::Pub => "public",
            Class::Shr => "shared",
            Class::Int => "internal",
            Class::Per => "personal",
            Class::Sec => "secret",
        }
    }
}

/// How a value is kept. The same on every database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UUIDv7; 16 bytes on SQLite, `uuid` on PostgreSQL.
    Id,
    Text,
    Int,
    Bool,
    /// Exact, four digits behind the point; see [`crate::Decimal`].
    Decimal,
    /// UTC, microseconds; see [`crate::Instant`].
    Instant,
    /// A calendar day without a time zone.
    Date,
    Json,
}

#[derive(Clone, Copy, Debug)]
pub struct FieldDef {
    pub column: &'static str,
    pub kind: Kind,
    /// Whole numbers of 64 bits, which GraphQL's `Int` does not hold.
    pub wide: bool,
    pub optional: bool,
    /// A whole number of 16 bits.
    pub small: bool,
    pub class: Class,
    /// Action groups beside the class, for policies that cut across classes (`finance`, `place`).
    pub groups: &'static [&'static str],
    /// The entity that this key points at.
    pub to: Option<&'static str>,
    /// What the entity pointed at calls the rows that point at it.
    pub many: Option<&'static str>,
    /// A text that policies treat as an entity of this name, so that it can be a member of something.
    pub code: Option<&'static str>,
    pub unit: Option<&'static str>,
    /// Numbers below and above are refused.
    pub least: Option<i64>,
    pub most: Option<i64>,
    /// The closed set of values; an enum in GraphQL.
    pub one_of: &'static [&'static str],
    /// What the hub itself puts there at a write. Nobody else writes it, whatever policies say.
    pub filled: Option<Filled>,
    pub doc: &'static str,
}

/// What the hub knows better than whoever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filled {
    CreatedAt,
    CreatedBy,
    ChangedAt,
    ChangedBy,
    /// Counts the writes, so that two people do not overwrite each other: a write names the one that it has seen.
    Version,
}

/// Which columns of an entity the dimensions of an agreement's scope speak of.
/// A path walks references: `order.customer`.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// `object_type` of the scope rows that cover this entity.
    pub object: &'static str,
    pub product: Option<&'static str>,
    pub region: Option<&'static str>,
    pub customer: Option<&'static str>,
}

/// How much of what a row holds is needed, so that it can be shown as the days for which it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// The columns that say of what and where; in `from` they are `{product}` and `{place}`.
    pub product: &'static str,
    pub place: &'static str,
    /// What is needed from the day `{today}` until before the day `{until}`: a sum over rows ...
    pub sum: &'static str,
    /// ... which are these, in the SQL that both databases read.
    pub from: &'static str,
}

/// A set of rows that somebody holds, computed by the database, never stored in a view:
/// `resource in principal.organisation.suppliedCases`.
#[derive(Clone, Copy, Debug)]
pub struct Membership {
    /// The attribute of the holder.
    pub name: &'static str,
    pub holder: Holder,
    /// The code of the members if they are no rows of the entity (see [`FieldDef::code`]).
    pub code: Option<&'static str>,
    /// A sub-select of the members' keys. `{holder}` is the holder's key; `{now}` the instant in
    /// microseconds; `{today}` the calendar day in UTC. Written in the SQL that both databases read.
    pub sql: &'static str,
    /// What of `sql` depends on the moment. There a time stands before `<= {now}` when something begins, before
    /// `> {now}` when it ends, and nowhere else: at the stored instant the set is already the next one.
    pub turns: &'static [Turn],
    pub doc: &'static str,
}

/// Rows by whose times a set changes without any write.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub table: &'static str,
    /// Instants or days. `ends + grace` is so many days as the second column says after the first, a hundred years
    /// at most: no number makes an instant that there is not.
    pub columns: &'static [&'static str],
    /// Which rows can matter, with `{holder}` as above; rather too many than too few.
    pub filter: &'static str,
    /// The set changes so many microseconds after the stored instant.
    pub after: i64,
}

/// Who stands behind the numbers of an entity. Only an entity that says so can be shown in guarded sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The row is a sum already. It says how many customers stand behind the column `of`, and which share of it
    /// the biggest of them has.
    Told { of: &'static str, customers: &'static str, top_share: &'static str },
    /// The row belongs to the one that this path leads to, walking references: `order.customer`.
    One(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    Organisation,
    Principal,
}

#[derive(Clone, Copy, Debug)]
pub struct EntityDef {
    /// `SalesOrder`
    pub name: &'static str,
    /// `salesOrders`
    pub plural: &'static str,
    pub table: &'static str,
    pub doc: &'static str,
    pub scope: Option<Scope>,
    pub demand: Option<Demand>,
    /// The path to the person who answers for a row: `customer.owner`.
    pub owner: Option<&'static str>,
    pub behind: Option<Behind>,
    pub memberships: &'static [Membership],
    /// The hub alone writes its rows, whatever policies say.
    pub closed: bool,
    pub fields: &'static [FieldDef],
}

pub trait Catalogued {
    const DEF: EntityDef;
}
