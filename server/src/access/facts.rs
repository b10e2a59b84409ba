//! What the database says of a seat, read in one snapshot when its view is compiled: the
//! organisation, what it is to us now, who holds the seat, the agreements with it. The version is
//! bumped by the database at every change of these tables, so that a view can tell that it is stale.

use std::collections::HashMap;

use entities::{
    Instant, agreement_field, agreement_scope, delegation, org_role, organisation, principal, role_assignment,
    sharing_agreement,
};
use ipnet::IpNet;
use sea_orm::{
    AccessMode, ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    IsolationLevel, Iterable, QueryFilter, QueryOrder, QueryTrait, Select, Statement, TransactionTrait, Value,
};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    connect::{Db, Dialect},
    joint::Both,
    log::{Past, Position},
    roster::{Caller, Place, Seat},
    treat::Treatment,
    view::{Edges, Held},
};
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub struct Facts {
    pub version: i64,
    pub organisation: Uuid,
    /// Column → value.
    pub attributes: HashMap<String, Value>,
    pub kinds: Vec<String>,
    /// When what the organisation is to us, or what is agreed with it, changes by itself.
    pub edges: Edges,
    pub holders: Vec<Held>,
    /// Active, signed by both sides and in force now: one that has ended or not begun shows nothing, not
    /// even that a field exists.
    pub agreements: Vec<Agreement>,
}

/// Times in milliseconds, as policies count them.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    pub id: Uuid,
    pub from: i64,
    pub until: Option<i64>,
    pub scopes: Vec<ScopeRow>,
    pub fields: Vec<FieldRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ScopeRow {
    pub object: String,
    pub exclude: bool,
    pub product: Option<Uuid>,
    pub family: Option<String>,
    pub region: Option<String>,
    pub customer: Option<Uuid>,
    pub from: Option<i64>,
    pub until: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FieldRow {
    pub object: String,
    pub field: String,
    /// `None`: hidden. So is a treatment that this build does not know: it must not show more.
    pub treatment: Option<Treatment>,
}

/// What somebody has handed to a deputy.
#[derive(Debug, Clone)]
pub struct Delegated {
    /// Names of types.
    pub types: Vec<String>,
    pub can_write: bool,
    pub from: Instant,
    pub until: Instant,
}

/// One state of the tables: of now, or the one behind a position of the change log.
struct Snapshot {
    tx: DatabaseTransaction,
    then: Option<(Dialect, Position)>,
}

impl Snapshot {
    async fn of(db: &Db, then: Option<Position>) -> Result<Self> {
        let (level, mode) = (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly));
        let tx = db.orm().begin_with_config(level, mode).await?;
        Ok(Snapshot { tx, then: then.map(|position| (db.dialect(), position)) })
    }

    async fn all<E: EntityTrait>(&self, rows: Select<E>) -> Result<Vec<E::Model>> {
        let Some((dialect, position)) = self.then else { return Ok(rows.all(&self.tx).await?) };
        let mut statement = rows.build(self.tx.get_database_backend());
        statement.sql = Past::written(dialect, position, &statement.sql);
        Ok(E::find().from_raw_sql(statement).all(&self.tx).await?)
    }
}

impl Facts {
    /// Whether a view that is made of these is also one of the others: what was written in between does not concern it.
    pub fn are_alike(&self, other: &Self) -> bool {
        let Facts { version: _, organisation, attributes, kinds, edges, holders, agreements } = self;
        *organisation == other.organisation
            && *attributes == other.attributes
            && *kinds == other.kinds
            && *edges == other.edges
            && *holders == other.holders
            && *agreements == other.agreements
    }

    pub async fn read(db: &Db, seat: &Seat, now: Instant) -> Result<Self> {
        Self::seat(Snapshot::of(db, None).await?, seat, now).await
    }

    /// As they stood.
    pub async fn former(db: &Db, seat: &Seat, at: Instant, then: Position) -> Result<Self> {
        Self::seat(Snapshot::of(db, Some(then)).await?, seat, at).await
    }

    /// What is known of a caller's seat, of the one in whose place it asks, and of what is between them.
    pub async fn both(db: &Db, caller: &Caller, place: &Place, now: Instant) -> Result<Both> {
        Self::places(Snapshot::of(db, None).await?, caller, place, now).await
    }

    /// As it stood.
    pub async fn former_both(db: &Db, caller: &Caller, place: &Place, at: Instant, then: Position) -> Result<Both> {
        Self::places(Snapshot::of(db, Some(then)).await?, caller, place, at).await
    }

    async fn seat(state: Snapshot, seat: &Seat, now: Instant) -> Result<Self> {
        let facts = Self::in_snapshot(&state, seat, now).await?;
        state.tx.commit().await?;
        Ok(facts)
    }

    async fn places(state: Snapshot, caller: &Caller, place: &Place, now: Instant) -> Result<Both> {
        let both = Both {
            own: Self::in_snapshot(&state, &caller.seat, now).await?,
            theirs: Self::in_snapshot(&state, &place.seat, now).await?,
            delegated: delegated(&state, place.principal, caller.principal).await?,
        };
        state.tx.commit().await?;
        Ok(both)
    }

    async fn in_snapshot(state: &Snapshot, seat: &Seat, now: Instant) -> Result<Self> {
        // as the conditions count: what begins or ends within a millisecond does so at the next
        let now = Instant(now.0.div_euclid(1000) * 1000);
        let version = version(&state.tx).await?;
        let row = state.all(organisation::Entity::find_by_id(seat.organisation)).await?.pop();
        let row =
            row.ok_or_else(|| Error::unauthenticated("the token's organisation is no longer here; ask for a new one"))?;
        let mut instants = Vec::new();
        let kinds = kinds(state, seat, now, &mut instants).await?;
        let agreements = agreements(state, seat, now, &mut instants).await?;
        let active = row.status == "active";
        Ok(Facts {
            version,
            organisation: row.id,
            attributes: attributes(row),
            kinds,
            edges: Edges::around(now, instants.into_iter().map(|at| Instant(millis(at) * 1000))),
            holders: if active { holders(state, seat).await? } else { Vec::new() },
            agreements,
        })
    }
}

pub async fn version(tx: &impl ConnectionTrait) -> Result<i64> {
    let statement = Statement::from_string(tx.get_database_backend(), "SELECT version FROM access_version");
    let row = tx.query_one_raw(statement).await?.ok_or_else(|| Error::internal("table access_version is empty"))?;
    Ok(row.try_get_by_index(0)?)
}

fn attributes(row: organisation::Model) -> HashMap<String, Value> {
    use sea_orm::IdenStatic;
    let row = row.into_active_model();
    organisation::Column::iter()
        .filter_map(|column| Some((column.as_str().to_string(), row.get(column).into_value()?)))
        .collect()
}

async fn kinds(state: &Snapshot, seat: &Seat, now: Instant, instants: &mut Vec<Instant>) -> Result<Vec<String>> {
    let rows = org_role::Entity::find().filter(org_role::Column::OrganisationId.eq(seat.organisation));
    let rows = state.all(rows).await?;
    instants.extend(rows.iter().flat_map(|r| [Some(r.valid_from), r.valid_to]).flatten());
    let current = rows.into_iter().filter(|r| r.valid_from <= now && r.valid_to.is_none_or(|end| now < end));
    Ok(current.map(|r| r.kind).collect())
}

async fn holders(state: &Snapshot, seat: &Seat) -> Result<Vec<Held>> {
    let people = principal::Entity::find()
        .filter(principal::Column::OrganisationId.eq(seat.organisation))
        .filter(principal::Column::Status.eq("active"));
    let people = state.all(people).await?;
    let ids: Vec<Uuid> = people.iter().map(|p| p.id).collect();
    let held = role_assignment::Entity::find()
        .filter(role_assignment::Column::PrincipalId.is_in(ids))
        .filter(role_assignment::Column::Role.eq(&seat.role));
    let held = state.all(held).await?;
    let machines: Vec<Uuid> = people.iter().filter(|p| p.kind != "user").map(|p| p.id).collect();
    let held = held.into_iter().map(|right| Held {
        principal: right.principal_id,
        from: right.valid_from,
        until: right.valid_to,
        networks: networks(right.networks.as_ref(), machines.contains(&right.principal_id)),
        // less than nothing is next to nothing, not no limit
        budget: right.cost_per_minute.map(|most| u32::try_from(most).unwrap_or(1)),
    });
    Ok(held.collect())
}

/// What is no list of networks is an empty one, and so is the list that a machine lacks.
fn networks(list: Option<&Json>, machine: bool) -> Option<Vec<IpNet>> {
    match list {
        None | Some(Json::Null) => machine.then(Vec::new),
        Some(list) => Some(names(list).iter().filter_map(|network| network.parse().ok()).collect()),
    }
}

async fn agreements(
    state: &Snapshot,
    seat: &Seat,
    now: Instant,
    instants: &mut Vec<Instant>,
) -> Result<Vec<Agreement>> {
    use sharing_agreement::Column as A;
    let rows = sharing_agreement::Entity::find()
        .filter(A::GranteeId.eq(seat.organisation))
        .filter(A::Status.eq("active"))
        .filter(A::SignedByGrantorId.is_not_null())
        .filter(A::SignedByGranteeId.is_not_null())
        // wherever the rows lie: of the same facts there is one view
        .order_by_asc(A::Id);
    let rows = state.all(rows).await?;
    let ids: Vec<Uuid> = rows.iter().map(|a| a.id).collect();
    let scopes = agreement_scope::Entity::find()
        .filter(agreement_scope::Column::AgreementId.is_in(ids.clone()))
        .order_by_asc(agreement_scope::Column::Id);
    let fields = agreement_field::Entity::find()
        .filter(agreement_field::Column::AgreementId.is_in(ids))
        .order_by_asc(agreement_field::Column::Id);
    let (scopes, fields) = (state.all(scopes).await?, state.all(fields).await?);
    let terms = rows.iter().map(|a| (Some(a.valid_from), a.valid_to));
    let terms = terms.chain(scopes.iter().map(|s| (s.valid_from, s.valid_to)));
    instants.extend(terms.flat_map(|(from, until)| [from, until]).flatten());
    let agreements = rows.iter().filter(|a| runs(now, Some(a.valid_from), a.valid_to)).map(|a| {
        let scopes = scopes.iter().filter(|s| runs(now, s.valid_from, s.valid_to));
        terms_of(a, scopes, &fields)
    });
    Ok(agreements.collect())
}

async fn delegated(state: &Snapshot, from: Uuid, to: Uuid) -> Result<Vec<Delegated>> {
    let rows = delegation::Entity::find()
        .filter(delegation::Column::FromPrincipalId.eq(from))
        .filter(delegation::Column::ToPrincipalId.eq(to))
        .order_by_asc(delegation::Column::Id);
    let rows = state.all(rows).await?;
    let people = state.all(principal::Entity::find().filter(principal::Column::Id.is_in([from, to]))).await?;
    let colleagues = people.len() == 2 && people[0].organisation_id == people[1].organisation_id;
    let delegated = |d: delegation::Model| Delegated {
        types: names(&d.object_types),
        can_write: d.can_write,
        from: d.valid_from,
        until: d.valid_to,
    };
    Ok(rows.into_iter().filter(|d| counts(d, colleagues)).map(delegated).collect())
}

/// To somebody of another organisation only what the host has agreed to.
pub(super) fn counts(delegation: &delegation::Model, colleagues: bool) -> bool {
    colleagues || delegation.approved_by_id.is_some()
}

fn names(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

fn runs(now: Instant, from: Option<Instant>, until: Option<Instant>) -> bool {
    from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until)
}

fn terms_of<'a>(
    row: &sharing_agreement::Model,
    scopes: impl Iterator<Item = &'a agreement_scope::Model>,
    fields: &[agreement_field::Model],
) -> Agreement {
    Agreement {
        id: row.id,
        from: millis(row.valid_from),
        until: row.valid_to.map(millis),
        scopes: scopes.filter(|s| s.agreement_id == row.id).map(scope_row).collect(),
        fields: fields.iter().filter(|f| f.agreement_id == row.id).map(|f| field_row(f, row.k_threshold)).collect(),
    }
}

/// An agreement whatever its state, with all of its scopes: for whoever asks why it shows nothing.
#[derive(Debug, Clone)]
pub struct Record {
    pub title: String,
    pub status: String,
    pub from: Instant,
    pub until: Option<Instant>,
    pub signed_by_grantor: bool,
    pub signed_by_grantee: bool,
    pub terms: Agreement,
}

impl Record {
    /// All that others give this organisation, the newest last.
    pub async fn all(db: &Db, grantee: Uuid) -> Result<Vec<Self>> {
        use sharing_agreement::Column as A;
        let rows = sharing_agreement::Entity::find()
            .filter(A::GranteeId.eq(grantee))
            .order_by_asc(A::ValidFrom)
            .order_by_asc(A::Id)
            .all(db.orm())
            .await?;
        let ids: Vec<Uuid> = rows.iter().map(|a| a.id).collect();
        let scopes = agreement_scope::Entity::find()
            .filter(agreement_scope::Column::AgreementId.is_in(ids.clone()))
            .order_by_asc(agreement_scope::Column::Id)
            .all(db.orm())
            .await?;
        let fields = agreement_field::Entity::find()
            .filter(agreement_field::Column::AgreementId.is_in(ids))
            .order_by_asc(agreement_field::Column::Id)
            .all(db.orm())
            .await?;
        let record = |row: sharing_agreement::Model| Record {
            terms: terms_of(&row, scopes.iter(), &fields),
            title: row.title,
            status: row.status,
            from: row.valid_from,
            until: row.valid_to,
            signed_by_grantor: row.signed_by_grantor_id.is_some(),
            signed_by_grantee: row.signed_by_grantee_id.is_some(),
        };
        Ok(rows.into_iter().map(record).collect())
    }

    pub fn in_force(&self, now: Instant) -> bool {
        self.status == "active"
            && self.signed_by_grantor
            && self.signed_by_grantee
            && runs(now, Some(self.from), self.until)
    }
}

fn scope_row(row: &agreement_scope::Model) -> ScopeRow {
    ScopeRow {
        object: row.object_type.clone(),
        // whatever is not clearly an include takes away
        exclude: row.effect != "include",
        product: row.product_id,
        family: row.product_family.clone(),
        region: row.region.clone(),
        customer: row.customer_id,
        from: row.valid_from.map(millis),
        until: row.valid_to.map(millis),
    }
}

fn field_row(row: &agreement_field::Model, customers: Option<i32>) -> FieldRow {
    let param = match (row.treatment.as_str(), row.param.as_deref(), customers) {
        // how many customers must stand behind a number is the agreement's, unless the row says it
        ("aggregate_only", Some(share), Some(customers)) if !share.contains(',') => {
            Some(format!("{customers},{share}"))
        }
        (_, param, _) => param.map(String::from),
    };
    let treatment = Treatment::parse(&row.treatment, param.as_deref()).ok().flatten();
    FieldRow { object: row.object_type.clone(), field: row.field.clone(), treatment }
}

/// The first whole millisecond at or after the instant: `now` is counted in milliseconds.
fn millis(at: Instant) -> i64 {
    at.0.div_euclid(1000) + i64::from(at.0.rem_euclid(1000) != 0)
}
