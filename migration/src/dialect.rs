//! What SQLite and PostgreSQL do not share, but for the change log, which has a folder of its own.

use sea_orm_migration::sea_orm::DbBackend;

/// SQLite keeps the 16 bytes; sea-query's own name for the type would say text.
pub(crate) fn uuid(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "uuid",
        _ => "blob",
    }
}

/// Text compares byte by byte on both, so that pages and cursors run alike whatever the server's language.
pub(crate) fn text(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "text COLLATE \"C\"",
        _ => "text",
    }
}

/// A table whose rows decide who may see what. Updates of other columns than those named do not count;
/// no name means that every update does.
pub(crate) struct Watched {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [&'static str],
}

/// After these statements, a change of a watched table raises `access_version` in the same transaction.
pub(crate) fn watch(backend: DbBackend, tables: &[Watched]) -> Vec<String> {
    let updates = |watched: &Watched| match watched.columns {
        [] => "UPDATE".to_string(),
        columns => format!("UPDATE OF {}", columns.join(", ")),
    };
    match backend {
        DbBackend::Postgres => {
            let function = "CREATE FUNCTION raise_access_version() RETURNS trigger LANGUAGE plpgsql AS $$ \
                            BEGIN UPDATE access_version SET version = version + 1; RETURN NULL; END $$";
            let triggers = tables.iter().map(|watched| {
                format!(
                    "CREATE TRIGGER access_version_{0} AFTER INSERT OR {1} OR DELETE OR TRUNCATE ON {0} \
                     FOR EACH STATEMENT EXECUTE FUNCTION raise_access_version()",
                    watched.table,
                    updates(watched)
                )
            });
            std::iter::once(function.to_string()).chain(triggers).collect()
        }
        _ => {
            let triggers = tables.iter().flat_map(|watched| {
                let events =
                    [("insert", "INSERT".to_string()), ("update", updates(watched)), ("delete", "DELETE".into())];
                events.map(|(name, event)| {
                    format!(
                        "CREATE TRIGGER access_version_{0}_{name} AFTER {event} ON {0} \
                         BEGIN UPDATE access_version SET version = version + 1; END",
                        watched.table
                    )
                })
            });
            triggers.collect()
        }
    }
}

/// Takes back what [`watch`] made.
pub(crate) fn unwatch(backend: DbBackend, tables: &[Watched]) -> Vec<String> {
    match backend {
        DbBackend::Postgres => {
            let triggers = tables.iter().map(|w| format!("DROP TRIGGER access_version_{0} ON {0}", w.table));
            triggers.chain(std::iter::once("DROP FUNCTION raise_access_version()".to_string())).collect()
        }
        _ => tables
            .iter()
            .flat_map(|w| {
                ["insert", "update", "delete"].map(|e| format!("DROP TRIGGER access_version_{}_{e}", w.table))
            })
            .collect(),
    }
}
