//! Who acts: what a transaction says of itself, for the changes that it goes on to make. Without it they are an
//! operator's, past the hub.

use entities::Instant;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};
use uuid::Uuid;

use crate::{access::connect::Dialect, error::Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acting {
    /// The person, if it is not a command of the operator.
    pub principal: Option<Uuid>,
    /// The organisation in whose seat.
    pub organisation: Option<Uuid>,
    /// The hub's time; without it the database's is taken.
    pub at: Option<Instant>,
}

impl Acting {
    /// A command of the operator.
    pub fn operator(at: Instant) -> Self {
        Acting { at: Some(at), ..Acting::default() }
    }

    /// To be run before the transaction's first change.
    pub(in crate::access) fn begin(&self, dialect: Dialect) -> String {
        let at = self.at.map(|at| at.0.to_string());
        match dialect {
            Dialect::Postgres => {
                let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
                format!(
                    "SELECT set_config('entente.actor', '{}', true), set_config('entente.organisation', '{}', true), \
                     set_config('entente.at', '{}', true)",
                    id(self.principal),
                    id(self.organisation),
                    at.unwrap_or_default(),
                )
            }
            Dialect::Sqlite => {
                let id = |id: Option<Uuid>| id.map_or("NULL".into(), |id| format!("X'{}'", id.simple()));
                format!(
                    "UPDATE change_context SET last = last + 1, tx = last + 1, actor = {}, organisation = {}, at = {}",
                    id(self.principal),
                    id(self.organisation),
                    at.unwrap_or_else(|| "NULL".into()),
                )
            }
        }
    }

    /// To be run before the transaction commits: on SQLite nothing else ends what was said.
    pub(in crate::access) const fn end(dialect: Dialect) -> Option<&'static str> {
        match dialect {
            Dialect::Postgres => None,
            Dialect::Sqlite => {
                Some("UPDATE change_context SET tx = NULL, actor = NULL, organisation = NULL, at = NULL")
            }
        }
    }

    /// Says it in a transaction that is to be ended by [`Acting::commit`].
    pub(in crate::access) async fn say(&self, transaction: &DatabaseTransaction) -> Result<()> {
        transaction.execute_unprepared(&self.begin(dialect(transaction))).await?;
        Ok(())
    }

    pub(in crate::access) async fn commit(transaction: DatabaseTransaction) -> Result<()> {
        if let Some(end) = Self::end(dialect(&transaction)) {
            transaction.execute_unprepared(end).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn dialect(transaction: &DatabaseTransaction) -> Dialect {
    match transaction.get_database_backend() {
        DbBackend::Postgres => Dialect::Postgres,
        _ => Dialect::Sqlite,
    }
}
