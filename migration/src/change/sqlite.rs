//! The change log of SQLite. There is one writer at a time, so an event's number is its place in the order of commits.
//! What transaction it belongs to, and who acts, stands in the one row of `change_context` while the hub writes.

use super::Column;

pub(super) fn log() -> Vec<String> {
    [
        // never gives a number twice, whatever was dropped
        "CREATE TABLE change_event (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, tx integer, object_table text NOT NULL, \
         object_id blob NOT NULL, op text NOT NULL, before_row text, after_row text, actor blob, organisation blob, \
         at integer NOT NULL)",
        "CREATE INDEX ix_change_event_object ON change_event (object_table, object_id)",
        // `tx` is null while nobody has said that a transaction has begun
        "CREATE TABLE change_context (id integer NOT NULL PRIMARY KEY CHECK (id = 1), last integer NOT NULL, tx integer, \
         actor blob, organisation blob, at integer)",
        "INSERT INTO change_context (id, last) VALUES (1, 0)",
        // events up to `oldest` may be gone
        "CREATE TABLE change_bounds (id integer NOT NULL PRIMARY KEY CHECK (id = 1), oldest integer NOT NULL)",
        "INSERT INTO change_bounds (id, oldest) VALUES (1, 0)",
    ]
    .map(String::from)
    .into()
}

pub(super) fn no_log() -> Vec<String> {
    ["change_bounds", "change_context", "change_event"].map(|table| format!("DROP TABLE {table}")).into()
}

pub(super) fn triggers(table: &str, columns: &[Column]) -> Vec<String> {
    let (old, new) = (image("OLD", columns), image("NEW", columns));
    let differs = columns.iter().map(|c| format!("OLD.\"{0}\" IS NOT NEW.\"{0}\"", c.name)).collect::<Vec<_>>();
    // a row that gets another key is another row
    let updated = format!(
        "{} WHERE OLD.id IS NEW.id; {} WHERE OLD.id IS NOT NEW.id; {} WHERE OLD.id IS NOT NEW.id",
        event(table, "OLD", "update", &old, &new),
        event(table, "OLD", "delete", &old, "NULL"),
        event(table, "NEW", "insert", "NULL", &new),
    );
    vec![
        trigger(table, "insert", "", &event(table, "NEW", "insert", "NULL", &new)),
        trigger(table, "update", &format!("WHEN {} ", differs.join(" OR ")), &updated),
        trigger(table, "delete", "", &event(table, "OLD", "delete", &old, "NULL")),
    ]
}

fn trigger(table: &str, event: &str, when: &str, body: &str) -> String {
    format!("CREATE TRIGGER change_{table}_{event} AFTER {event} ON {table} {when}BEGIN {body}; END")
}

fn event(table: &str, row: &str, op: &str, before: &str, after: &str) -> String {
    format!(
        "INSERT INTO change_event (tx, object_table, object_id, op, before_row, after_row, actor, organisation, at) \
         SELECT tx, '{table}', {row}.id, '{op}', {before}, {after}, actor, organisation, \
         coalesce(at, CAST(round((julianday('now') - 2440587.5) * 86400000) AS integer) * 1000) FROM change_context"
    )
}

/// Every column as it is stored; bytes as hexadecimal digits.
fn image(row: &str, columns: &[Column]) -> String {
    let pairs = columns.iter().map(|column| match (&column.name, column.bytes) {
        (name, true) => format!("'{name}', nullif(hex({row}.\"{name}\"), '')"),
        (name, false) => format!("'{name}', {row}.\"{name}\""),
    });
    format!("json_object({})", pairs.collect::<Vec<_>>().join(", "))
}
