//! Mails that wait to be sent. Whoever sends one takes it first, for a while: two hubs do not send it both, and if
//! one dies with it, another sends it later. So a mail may come twice, under one Message-ID, but none is lost.

use entities::{Instant, mail};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::connect::Db;
use crate::error::Result;

/// Mails of one turn.
const BATCH: u64 = 20;

pub struct Outbox(Db);

impl Outbox {
    pub fn new(db: Db) -> Self {
        Outbox(db)
    }

    /// Those whose turn it is.
    pub async fn due(&self, now: Instant) -> Result<Vec<mail::Model>> {
        let due = mail::Entity::find().filter(mail::Column::SentAt.is_null()).filter(mail::Column::NextAt.lte(now));
        Ok(due.order_by_asc(mail::Column::NextAt).limit(BATCH).all(self.0.orm()).await?)
    }

    /// Takes a mail until the instant; no, if somebody else was faster.
    pub async fn take(&self, mail: &mail::Model, until: Instant) -> Result<bool> {
        let taken = mail::Entity::update_many()
            .col_expr(mail::Column::Attempts, Expr::value(mail.attempts + 1))
            .col_expr(mail::Column::NextAt, Expr::value(until))
            .filter(mail::Column::Id.eq(mail.id))
            .filter(mail::Column::Attempts.eq(mail.attempts))
            .filter(mail::Column::SentAt.is_null());
        Ok(taken.exec(self.0.writer()).await?.rows_affected == 1)
    }

    pub async fn sent(&self, id: Uuid, at: Instant) -> Result<()> {
        let none: Option<String> = None;
        let sent = mail::Entity::update_many()
            .col_expr(mail::Column::SentAt, Expr::value(at))
            .col_expr(mail::Column::Problem, Expr::value(none));
        sent.filter(mail::Column::Id.eq(id)).exec(self.0.writer()).await?;
        Ok(())
    }

    pub async fn failed(&self, id: Uuid, problem: &str) -> Result<()> {
        let failed = mail::Entity::update_many().col_expr(mail::Column::Problem, Expr::value(problem));
        failed.filter(mail::Column::Id.eq(id)).exec(self.0.writer()).await?;
        Ok(())
    }
}
