//! A big load of rows that are known to be right: foreign keys and secondary indexes of empty tables are
//! taken down, and built again over all rows before the commit, which is several times cheaper than row
//! by row. They are the same as before: the database itself writes down how to build them.

use tokio_postgres::{Client, error::SqlState};

use crate::error::Result;

/// How long it may wait for others to leave the tables alone.
const PATIENCE: &str = "2s";

/// What is to be built again, in this order.
#[derive(Default)]
pub(super) struct Lifted {
    indexes: Vec<String>,
    keys: Vec<String>,
}

impl Lifted {
    /// Nothing is lifted where others use a table, or where it is not ours to change.
    pub(super) async fn lift(&mut self, client: &Client, table: &str) -> Result<()> {
        client.batch_execute(&format!("SAVEPOINT lift; SET LOCAL lock_timeout = '{PATIENCE}'")).await?;
        match self.take_down(client, table).await {
            Ok(()) => client.batch_execute("SET LOCAL lock_timeout = 0; RELEASE SAVEPOINT lift").await?,
            Err(error) => match error.code() {
                Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::INSUFFICIENT_PRIVILEGE) => {
                    client.batch_execute("ROLLBACK TO SAVEPOINT lift; RELEASE SAVEPOINT lift").await?;
                }
                _ => return Err(error.into()),
            },
        }
        Ok(())
    }

    async fn take_down(&mut self, client: &Client, table: &str) -> std::result::Result<(), tokio_postgres::Error> {
        let keys = "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
                    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
                    FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'f' ORDER BY conname";
        let indexes = "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) \
                       FROM pg_index i WHERE indrelid = $1::text::regclass AND NOT indisprimary \
                       AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) ORDER BY 1";
        let (mut down, mut up) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (query, up) in [keys, indexes].into_iter().zip(&mut up) {
            for row in client.query(query, &[&table]).await? {
                down.push(row.try_get::<_, String>(0)?);
                up.push(row.try_get::<_, String>(1)?);
            }
        }
        client.batch_execute(&down.join("; ")).await?;
        let [keys, indexes] = up;
        self.keys.extend(keys);
        self.indexes.extend(indexes);
        Ok(())
    }

    pub(super) async fn build(&self, client: &Client) -> Result<()> {
        if self.indexes.is_empty() && self.keys.is_empty() {
            return Ok(());
        }
        client.batch_execute("SET LOCAL maintenance_work_mem = '256MB'").await?;
        for statement in self.indexes.iter().chain(&self.keys) {
            client.batch_execute(statement).await?;
        }
        Ok(())
    }
}
