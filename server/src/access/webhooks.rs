//! Webhooks as the hub keeps them. What a worker writes is bound to its [`Lease`]: if another hub holds the endpoint,
//! or somebody moved its cursor by hand, nothing is written, and the worker learns that it is no longer the one.

use entities::{Instant, webhook_endpoint};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, TransactionTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::connect::Db;
use crate::error::{Error, Result};

pub use self::{dead_letter::Model as DeadLetter, delivery::Model as Delivery};
pub use entities::webhook_endpoint::Model as Row;

mod delivery {
    use entities::Instant;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_delivery")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub endpoint_id: Uuid,
        /// Behind the last event that is done with.
        pub cursor: Option<String>,
        /// The receiver has not been told yet that its copy is complete.
        pub copying: bool,
        /// Raised by whoever moves the cursor by hand.
        pub generation: i64,
        /// Since something was taken, or given up.
        pub attempts: i32,
        /// The message that was not taken, and since when.
        pub pending: Option<String>,
        pub pending_since: Option<Instant>,
        pub next_attempt_at: Option<Instant>,
        pub delivered_at: Option<Instant>,
        pub last_error: Option<String>,
        pub lease_holder: Option<Uuid>,
        pub lease_until: Option<Instant>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod secret {
    use entities::Instant;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_secret")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub endpoint_id: Uuid,
        pub sealed: Vec<u8>,
        pub created_at: Instant,
        pub valid_until: Option<Instant>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod dead_letter {
    use entities::Instant;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "webhook_dead_letter")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub endpoint_id: Uuid,
        pub message: String,
        /// What was sent.
        pub body: String,
        pub error: String,
        pub attempts: i32,
        pub died_at: Instant,
        pub redelivered_at: Option<Instant>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An endpoint and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub row: Row,
    pub delivery: Delivery,
}

/// The right to deliver to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub endpoint: Uuid,
    pub holder: Uuid,
    pub generation: i64,
}

/// A sealed secret, and until when it is good.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub id: Uuid,
    pub bytes: Vec<u8>,
    pub created_at: Instant,
}

#[derive(Clone, Debug)]
pub struct Webhooks(Db);

impl Webhooks {
    pub fn new(db: &Db) -> Self {
        Webhooks(db.clone())
    }

    // ---- what the operator does

    pub async fn add(&self, row: Row, sealed: Sealed) -> Result<()> {
        let change = self.0.writer().begin().await?;
        insert(&change, row, sealed).await?;
        Ok(change.commit().await?)
    }

    /// Every endpoint that the hub made, by its key.
    pub async fn all(&self) -> Result<Vec<Endpoint>> {
        self.found(webhook_endpoint::Entity::find().all(self.0.orm()).await?).await
    }

    pub async fn one(&self, id: Uuid) -> Result<Endpoint> {
        let row = webhook_endpoint::Entity::find_by_id(id).all(self.0.orm()).await?;
        let found = self.found(row).await?.pop();
        found.ok_or_else(|| Error::usage(format!("no webhook `{id}`, `entente webhook list` names them")))
    }

    pub async fn set_status(&self, id: Uuid, status: &str, reason: Option<&str>) -> Result<()> {
        let change = self.0.writer().begin().await?;
        set_status(&change, id, status, reason).await?;
        Ok(change.commit().await?)
    }

    pub async fn replay(&self, id: Uuid, cursor: Option<String>) -> Result<()> {
        move_to(self.0.writer(), id, cursor).await
    }

    pub async fn rotate(&self, id: Uuid, sealed: Sealed, until: Instant) -> Result<()> {
        let change = self.0.writer().begin().await?;
        renew(&change, id, sealed, until).await?;
        Ok(change.commit().await?)
    }

    pub async fn remove(&self, id: Uuid) -> Result<()> {
        let change = self.0.writer().begin().await?;
        erase(&change, id).await?;
        Ok(change.commit().await?)
    }

    /// The oldest first.
    pub async fn dead_letters(&self, endpoint: Option<Uuid>) -> Result<Vec<DeadLetter>> {
        let mut find = dead_letter::Entity::find().order_by_asc(dead_letter::Column::Id);
        if let Some(endpoint) = endpoint {
            find = find.filter(dead_letter::Column::EndpointId.eq(endpoint));
        }
        Ok(find.all(self.0.orm()).await?)
    }

    pub async fn dead_letter(&self, id: Uuid) -> Result<DeadLetter> {
        let found = dead_letter::Entity::find_by_id(id).one(self.0.orm()).await?;
        found.ok_or_else(|| Error::usage(format!("no dead letter `{id}`, `entente webhook dead` names them")))
    }

    pub async fn redelivered(&self, id: Uuid, at: Instant) -> Result<()> {
        let row = dead_letter::ActiveModel { redelivered_at: Set(Some(at)), ..Default::default() };
        let of = dead_letter::Column::Id.eq(id);
        dead_letter::Entity::update_many().set(row).filter(of).exec(self.0.writer()).await?;
        Ok(())
    }

    // ---- what delivers

    /// The endpoints to which something may be sent.
    pub async fn active(&self) -> Result<Vec<Endpoint>> {
        let active = webhook_endpoint::Entity::find().filter(webhook_endpoint::Column::Status.eq("active"));
        self.found(active.all(self.0.orm()).await?).await
    }

    /// Takes the endpoint, or keeps it, until then; whether it is ours.
    pub async fn claim(&self, lease: Lease, now: Instant, until: Instant) -> Result<bool> {
        let free = Condition::any()
            .add(delivery::Column::LeaseHolder.is_null())
            .add(delivery::Column::LeaseHolder.eq(lease.holder))
            .add(delivery::Column::LeaseUntil.lte(now));
        let row = delivery::ActiveModel {
            lease_holder: Set(Some(lease.holder)),
            lease_until: Set(Some(until)),
            ..Default::default()
        };
        let claim = delivery::Entity::update_many()
            .set(row)
            .filter(delivery::Column::EndpointId.eq(lease.endpoint))
            .filter(delivery::Column::Generation.eq(lease.generation))
            .filter(free);
        Ok(claim.exec(self.0.writer()).await?.rows_affected == 1)
    }

    /// Another may take what this one held.
    pub async fn release(&self, holder: Uuid) -> Result<()> {
        let row = delivery::ActiveModel { lease_holder: Set(None), lease_until: Set(None), ..Default::default() };
        let held = delivery::Column::LeaseHolder.eq(holder);
        delivery::Entity::update_many().set(row).filter(held).exec(self.0.writer()).await?;
        Ok(())
    }

    /// Keys that are good now, the newest first.
    pub async fn secrets(&self, endpoint: Uuid, now: Instant) -> Result<Vec<Sealed>> {
        let good = Condition::any().add(secret::Column::ValidUntil.is_null()).add(secret::Column::ValidUntil.gt(now));
        let found = secret::Entity::find()
            .filter(secret::Column::EndpointId.eq(endpoint))
            .filter(good)
            .order_by_desc(secret::Column::CreatedAt)
            .order_by_desc(secret::Column::Id)
            .all(self.0.orm())
            .await?;
        let sealed = |row: secret::Model| Sealed { id: row.id, bytes: row.sealed, created_at: row.created_at };
        Ok(found.into_iter().map(sealed).collect())
    }

    /// Notes how far the endpoint has come; whether the lease held.
    pub async fn advance(&self, lease: Lease, to: &Delivery) -> Result<bool> {
        Ok(progress(lease, to).exec(self.0.writer()).await?.rows_affected == 1)
    }

    /// The same, and keeps what was given up.
    pub async fn bury(&self, lease: Lease, to: &Delivery, letter: DeadLetter) -> Result<bool> {
        let change = self.0.writer().begin().await?;
        if progress(lease, to).exec(&change).await?.rows_affected != 1 {
            return Ok(false);
        }
        let letter = dead_letter::ActiveModel::from(letter).reset_all();
        dead_letter::Entity::insert(letter).exec_without_returning(&change).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Tells the owner how the endpoint fares, unless somebody has stopped it meanwhile, or the lease is over.
    pub async fn tell(
        &self,
        lease: Lease,
        status: &str,
        reason: Option<&str>,
        failing: Option<Instant>,
    ) -> Result<bool> {
        tell(self.0.writer(), lease, status, reason, failing).await
    }

    /// Drops what is no longer kept: dead letters from before then, and secrets that have ended.
    pub async fn forget(&self, died_before: Instant, now: Instant) -> Result<()> {
        let old = dead_letter::Column::DiedAt.lt(died_before);
        dead_letter::Entity::delete_many().filter(old).exec(self.0.writer()).await?;
        let ended = secret::Column::ValidUntil.lte(now);
        secret::Entity::delete_many().filter(ended).exec(self.0.writer()).await?;
        Ok(())
    }

    async fn found(&self, rows: Vec<Row>) -> Result<Vec<Endpoint>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = rows.iter().map(|row| row.id);
        let find = delivery::Entity::find().filter(delivery::Column::EndpointId.is_in(ids));
        let mut deliveries = find.all(self.0.orm()).await?;
        let mut found: Vec<Endpoint> = rows
            .into_iter()
            // one that came with an import has no secret, and is not delivered to
            .filter_map(|row| {
                let at = deliveries.iter().position(|delivery| delivery.endpoint_id == row.id)?;
                Some(Endpoint { delivery: deliveries.swap_remove(at), row })
            })
            .collect();
        found.sort_by_key(|endpoint| endpoint.row.id);
        Ok(found)
    }
}

// ---- what is done to one endpoint, in a transaction of the one who asks

pub(super) async fn insert(on: &impl ConnectionTrait, row: Row, sealed: Sealed) -> Result<()> {
    let endpoint = row.id;
    let delivery = delivery::ActiveModel {
        endpoint_id: Set(endpoint),
        copying: Set(true),
        generation: Set(0),
        attempts: Set(0),
        ..Default::default()
    };
    let row = webhook_endpoint::ActiveModel::from(row).reset_all();
    webhook_endpoint::Entity::insert(row).exec_without_returning(on).await?;
    delivery::Entity::insert(delivery).exec_without_returning(on).await?;
    secret::Entity::insert(kept(endpoint, sealed)).exec_without_returning(on).await?;
    Ok(())
}

/// Those of an organisation.
pub(super) async fn count(on: &impl ConnectionTrait, organisation: Uuid) -> Result<u64> {
    let of = webhook_endpoint::Column::OrganisationId.eq(organisation);
    Ok(webhook_endpoint::Entity::find().filter(of).count(on).await?)
}

pub(super) async fn row(on: &impl ConnectionTrait, id: Uuid) -> Result<Option<Row>> {
    Ok(webhook_endpoint::Entity::find_by_id(id).one(on).await?)
}

/// The endpoint's state as its owner sees it, set by hand: what has failed is forgotten.
pub(super) async fn set_status(on: &impl ConnectionTrait, id: Uuid, status: &str, reason: Option<&str>) -> Result<()> {
    let row = webhook_endpoint::ActiveModel {
        status: Set(status.into()),
        reason: Set(reason.map(Into::into)),
        failing_since: Set(None),
        ..Default::default()
    };
    let of = webhook_endpoint::Column::Id.eq(id);
    webhook_endpoint::Entity::update_many().set(row).filter(of).exec(on).await?;
    raise(delivery::ActiveModel { ..afresh() }, id).exec(on).await?;
    Ok(())
}

/// Goes on behind this cursor, or where the subscription begins.
pub(super) async fn move_to(on: &impl ConnectionTrait, id: Uuid, cursor: Option<String>) -> Result<()> {
    let moved = delivery::ActiveModel { copying: Set(cursor.is_none()), cursor: Set(cursor), ..afresh() };
    raise(moved, id).exec(on).await?;
    Ok(())
}

/// A new secret; those before it are good until then.
pub(super) async fn renew(on: &impl ConnectionTrait, id: Uuid, sealed: Sealed, until: Instant) -> Result<()> {
    let ends = Condition::any().add(secret::Column::ValidUntil.is_null()).add(secret::Column::ValidUntil.gt(until));
    secret::Entity::update_many()
        .set(secret::ActiveModel { valid_until: Set(Some(until)), ..Default::default() })
        .filter(secret::Column::EndpointId.eq(id))
        .filter(ends)
        .exec(on)
        .await?;
    secret::Entity::insert(kept(id, sealed)).exec_without_returning(on).await?;
    Ok(())
}

/// Whether it was so: only who holds the lease of an active endpoint tells.
pub(super) async fn tell(
    on: &impl ConnectionTrait,
    lease: Lease,
    status: &str,
    reason: Option<&str>,
    failing: Option<Instant>,
) -> Result<bool> {
    let row = webhook_endpoint::ActiveModel {
        status: Set(status.into()),
        reason: Set(reason.map(Into::into)),
        failing_since: Set(failing),
        ..Default::default()
    };
    let mut held = Query::select();
    held.column(delivery::Column::EndpointId)
        .from(delivery::Entity)
        .and_where(delivery::Column::EndpointId.eq(lease.endpoint))
        .and_where(delivery::Column::LeaseHolder.eq(lease.holder))
        .and_where(delivery::Column::Generation.eq(lease.generation));
    let tell = webhook_endpoint::Entity::update_many()
        .set(row)
        .filter(webhook_endpoint::Column::Id.in_subquery(held))
        .filter(webhook_endpoint::Column::Status.eq("active"));
    Ok(tell.exec(on).await?.rows_affected == 1)
}

/// With all that is known of it.
pub(super) async fn erase(on: &impl ConnectionTrait, id: Uuid) -> Result<()> {
    dead_letter::Entity::delete_many().filter(dead_letter::Column::EndpointId.eq(id)).exec(on).await?;
    secret::Entity::delete_many().filter(secret::Column::EndpointId.eq(id)).exec(on).await?;
    delivery::Entity::delete_by_id(id).exec(on).await?;
    webhook_endpoint::Entity::delete_by_id(id).exec(on).await?;
    Ok(())
}

fn kept(endpoint: Uuid, sealed: Sealed) -> secret::ActiveModel {
    secret::ActiveModel {
        id: Set(sealed.id),
        endpoint_id: Set(endpoint),
        sealed: Set(sealed.bytes),
        created_at: Set(sealed.created_at),
        valid_until: Set(None),
    }
}

/// Nothing has failed yet.
fn afresh() -> delivery::ActiveModel {
    delivery::ActiveModel {
        attempts: Set(0),
        pending: Set(None),
        pending_since: Set(None),
        next_attempt_at: Set(None),
        last_error: Set(None),
        ..Default::default()
    }
}

/// Whoever delivers now is no longer the one.
fn raise(to: delivery::ActiveModel, id: Uuid) -> sea_orm::UpdateMany<delivery::Entity> {
    let column = delivery::Column::Generation;
    delivery::Entity::update_many()
        .set(to)
        .col_expr(column, Expr::col(column).add(1))
        .filter(delivery::Column::EndpointId.eq(id))
}

fn progress(lease: Lease, to: &Delivery) -> sea_orm::UpdateMany<delivery::Entity> {
    let row = delivery::ActiveModel {
        cursor: Set(to.cursor.clone()),
        copying: Set(to.copying),
        attempts: Set(to.attempts),
        pending: Set(to.pending.clone()),
        pending_since: Set(to.pending_since),
        next_attempt_at: Set(to.next_attempt_at),
        delivered_at: Set(to.delivered_at),
        last_error: Set(to.last_error.clone()),
        ..Default::default()
    };
    delivery::Entity::update_many()
        .set(row)
        .filter(delivery::Column::EndpointId.eq(lease.endpoint))
        .filter(delivery::Column::LeaseHolder.eq(lease.holder))
        .filter(delivery::Column::Generation.eq(lease.generation))
}
