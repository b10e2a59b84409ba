//! The access log becomes a chain: every line has a number and a hash, and one row remembers the last of
//! them. The table is made anew, because SQLite cannot add such columns, nor take off what a log should
//! not have: it outlives the rows that its lines name, so it points at nothing.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait, sea_orm::ConnectionTrait};
use uuid::Uuid;

use crate::{
    m20261122_000006_sharing::audit_event,
    table::{Table, big, create, drop_all, instant, int, json, keyed, one_of, table, text, uuid},
};

pub(crate) struct Audit;

impl MigrationName for Audit {
    fn name(&self) -> &str {
        "m20261122_000008_audit"
    }
}

const KEPT: &str = "id, at, principal_id, organisation_id, on_behalf_of_id, action, object_type, object_id, fields, \
                    rows, decision, policy_version, agreement_id, reason, prev_hash";

#[async_trait::async_trait]
impl MigrationTrait for Audit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("CREATE TABLE audit_event_before AS SELECT * FROM audit_event").await?;
        drop_all(manager, &[audit_event()]).await?;
        create(manager, &tables()).await?;
        let numbered = format!(
            "INSERT INTO audit_event (seq, {KEPT}) SELECT row_number() OVER (ORDER BY id), {KEPT} FROM audit_event_before"
        );
        let began = format!(
            "INSERT INTO audit_chain (id, chain, since, seq, hash) SELECT 1, '{0}', count(*), count(*), '{0}' FROM audit_event",
            Uuid::now_v7()
        );
        // who looked at this row? few lines name one
        let by_row = "CREATE INDEX ix_audit_event_object ON audit_event (object_id) WHERE object_id IS NOT NULL";
        for statement in [numbered.as_str(), "DROP TABLE audit_event_before", &began, by_row] {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("CREATE TABLE audit_event_after AS SELECT * FROM audit_event").await?;
        drop_all(manager, &tables()).await?;
        create(manager, &[audit_event()]).await?;
        db.execute_unprepared(&format!("INSERT INTO audit_event ({KEPT}) SELECT {KEPT} FROM audit_event_after"))
            .await?;
        db.execute_unprepared("DROP TABLE audit_event_after").await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn tables() -> Vec<Table> {
    vec![
        table(
            "audit_event",
            [
                big("seq"),
                instant("at"),
                uuid("principal_id").null(),
                uuid("organisation_id").null().paged(),
                uuid("on_behalf_of_id").null(),
                one_of("action", "read write subscribe export policy_change break_glass"),
                text("object_type"),
                uuid("object_id").null(),
                json("fields").null(),
                int("rows").null(),
                one_of("decision", "allow deny masked suppressed_k"),
                text("policy_version"),
                uuid("agreement_id").null(),
                text("reason").null(),
                text("prev_hash").null(),
                text("hash").null(),
            ],
        )
        .unique(["seq"]),
        // `chain` names this log; lines up to `since` are older than it; `seq` and `hash` are those of the last line
        keyed("audit_chain", ["id"], [int("id").between(1, 1), text("chain"), big("since"), big("seq"), text("hash")]),
    ]
}
