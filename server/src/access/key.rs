//! The hub's own secrets, made at the first start and kept in its database: the key that signs tokens
//! and the seal from which ids and cursors are keyed. Whoever inserts first wins, so two processes that
//! start at once agree.

use std::fmt;

use ed25519_dalek::SigningKey;
use rand::{RngCore, rngs::OsRng};
use sea_orm::{
    ConnectionTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, Query},
};

use super::connect::Db;
use crate::{
    clock::Clock,
    error::{Error, Result},
};

pub struct Keys {
    pub signing: SigningKey,
    pub seal: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The keys of this database, made if it has none yet.
pub async fn keys(db: &Db, clock: &Clock) -> Result<Keys> {
    Ok(Keys {
        signing: SigningKey::from_bytes(&secret(db, clock, "signing").await?),
        seal: secret(db, clock, "seal").await?,
    })
}

async fn secret(db: &Db, clock: &Clock, name: &str) -> Result<[u8; 32]> {
    if let Some(kept) = kept(db, name).await? {
        return Ok(kept);
    }
    let mut fresh = [0; 32];
    OsRng.fill_bytes(&mut fresh);
    let insert = Query::insert()
        .into_table(Alias::new("hub_key"))
        .columns(["name", "value", "created_at"].map(Alias::new))
        .values_panic([name.into(), fresh.to_vec().into(), clock.now().0.into()])
        .on_conflict(OnConflict::column(Alias::new("name")).do_nothing().to_owned())
        .to_owned();
    db.writer().execute(&insert).await?;
    kept(db, name).await?.ok_or_else(|| Error::internal(format!("key `{name}` was not kept")))
}

async fn kept(db: &Db, name: &str) -> Result<Option<[u8; 32]>> {
    let select = Query::select()
        .column(Alias::new("value"))
        .from(Alias::new("hub_key"))
        .and_where(Expr::col(Alias::new("name")).eq(name))
        .to_owned();
    let Some(row) = db.orm().query_one(&select).await? else { return Ok(None) };
    let value: Vec<u8> = row.try_get("", "value")?;
    let value = value.try_into().map_err(|_| Error::internal(format!("key `{name}` has a wrong length")))?;
    Ok(Some(value))
}
