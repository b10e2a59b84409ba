//! The triggers of the change log. They take a table's columns from the database, as they are when the triggers are
//! made: a migration that adds a table or a column ends by calling [`watch`] for it.

mod postgres;
mod sqlite;

use sea_orm_migration::{
    DbErr, SchemaManager,
    sea_orm::{ConnectionTrait, DbBackend, Statement},
};

/// Makes the tables' change triggers, in the place of those that they may have.
pub(crate) async fn watch(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    unwatch(manager, tables).await?;
    for table in tables {
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => postgres::triggers(table),
            _ => sqlite::triggers(table, &columns(manager, table).await?),
        };
        run(manager, &statements).await?;
    }
    Ok(())
}

/// Takes the change triggers away, where there are some.
pub(crate) async fn unwatch(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        let statements = EVENTS.iter().filter_map(|event| match manager.get_database_backend() {
            DbBackend::Postgres => Some(format!("DROP TRIGGER IF EXISTS change_{table}_{event} ON {table}")),
            _ if *event == "truncate" => None,
            _ => Some(format!("DROP TRIGGER IF EXISTS change_{table}_{event}")),
        });
        run(manager, &statements.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// The log's own tables and functions.
pub(crate) async fn create(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let statements = match manager.get_database_backend() {
        DbBackend::Postgres => postgres::log(),
        _ => sqlite::log(),
    };
    run(manager, &statements).await
}

pub(crate) async fn drop_log(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let statements = match manager.get_database_backend() {
        DbBackend::Postgres => postgres::no_log(),
        _ => sqlite::no_log(),
    };
    run(manager, &statements).await
}

const EVENTS: [&str; 4] = ["insert", "update", "delete", "truncate"];

/// A column of SQLite and whether it holds bytes.
struct Column {
    name: String,
    bytes: bool,
}

async fn columns(manager: &SchemaManager<'_>, table: &str) -> Result<Vec<Column>, DbErr> {
    let db = manager.get_connection();
    let sql = format!("SELECT name, lower(type) FROM pragma_table_info('{table}') ORDER BY cid");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter()
        .map(|row| {
            let kind: String = row.try_get_by_index(1)?;
            Ok(Column { name: row.try_get_by_index(0)?, bytes: kind == "blob" })
        })
        .collect()
}

async fn run(manager: &SchemaManager<'_>, statements: &[String]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
