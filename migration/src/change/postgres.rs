//! The change log of PostgreSQL. An event carries the number of its transaction; the transaction gets its position
//! when it commits, from a deferred trigger that holds a lock until the commit is visible. So whoever sees a
//! position sees every lower one, and a transaction that takes long holds nobody up.

/// The log is a ring of segments: the oldest is emptied before it is written again.
const SEGMENTS: i32 = 8;
/// Any constant, known to nobody else.
const LOCK: i64 = 0x0065_6e74_6368_616e;

pub(super) fn log() -> Vec<String> {
    let mut all: Vec<String> = [
        "CREATE SEQUENCE change_tx",
        "CREATE SEQUENCE change_number",
        "CREATE SEQUENCE change_position",
        "CREATE TABLE change_event (segment smallint NOT NULL, tx bigint NOT NULL, id bigint NOT NULL, \
         object_table text COLLATE \"C\" NOT NULL, object_id uuid NOT NULL, op text COLLATE \"C\" NOT NULL, \
         before_row json, after_row json) PARTITION BY LIST (segment)",
        // transactions that have written and not committed
        "CREATE TABLE change_open (tx bigint PRIMARY KEY, segment smallint NOT NULL)",
        "CREATE TABLE change_commit (position bigint PRIMARY KEY, tx bigint NOT NULL UNIQUE, segment smallint NOT NULL, \
         actor uuid, organisation uuid, at bigint NOT NULL)",
        // events up to `oldest` may be gone since `moved_at`; `segment` is written
        "CREATE TABLE change_bounds (id int PRIMARY KEY CHECK (id = 1), oldest bigint NOT NULL, \
         moved_at timestamptz NOT NULL, segment smallint NOT NULL)",
        "INSERT INTO change_bounds VALUES (1, 0, now(), 0)",
        // `number` is that of the event before the segment's first
        "CREATE TABLE change_segment (segment smallint PRIMARY KEY, number bigint NOT NULL)",
    ]
    .map(String::from)
    .into();
    all.extend(
        (0..SEGMENTS).map(|n| format!("CREATE TABLE change_event_{n} PARTITION OF change_event FOR VALUES IN ({n})")),
    );
    all.push(format!("INSERT INTO change_segment SELECT n, 0 FROM generate_series(0, {SEGMENTS} - 1) n"));
    all.extend([
        "CREATE INDEX ix_change_event_tx ON change_event (tx, object_table)".to_string(),
        "CREATE INDEX ix_change_event_object ON change_event (object_table, object_id)".to_string(),
        begin(),
        commit(),
        "CREATE CONSTRAINT TRIGGER change_commit AFTER INSERT ON change_open DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION change_commit()"
            .to_string(),
        note(),
        note_truncate(),
    ]);
    all
}

pub(super) fn no_log() -> Vec<String> {
    [
        "DROP FUNCTION change_note_truncate()",
        "DROP FUNCTION change_note()",
        "DROP TABLE change_open",
        "DROP FUNCTION change_commit()",
        "DROP FUNCTION change_begin()",
        "DROP TABLE change_segment",
        "DROP TABLE change_bounds",
        "DROP TABLE change_commit",
        "DROP TABLE change_event",
        "DROP SEQUENCE change_position",
        "DROP SEQUENCE change_number",
        "DROP SEQUENCE change_tx",
    ]
    .map(String::from)
    .into()
}

/// The transaction's number and segment, `12 3`, kept as a setting that ends with it.
fn begin() -> String {
    "CREATE FUNCTION change_begin(OUT tx bigint, OUT segment smallint) LANGUAGE plpgsql AS $$ \
     DECLARE known text := current_setting('entente.tx', true); \
     BEGIN \
       IF known <> '' THEN tx := split_part(known, ' ', 1); segment := split_part(known, ' ', 2); RETURN; END IF; \
       SELECT nextval('change_tx'), b.segment INTO tx, segment FROM change_bounds b; \
       PERFORM set_config('entente.tx', tx || ' ' || segment, true); \
       INSERT INTO change_open VALUES (tx, segment); \
     END $$"
        .into()
}

fn commit() -> String {
    format!(
        "CREATE FUNCTION change_commit() RETURNS trigger LANGUAGE plpgsql AS $$ \
         DECLARE place bigint; \
         BEGIN \
           DELETE FROM change_open o WHERE o.tx = NEW.tx; \
           IF NOT EXISTS (SELECT FROM change_event e WHERE e.tx = NEW.tx AND e.segment = NEW.segment) THEN \
             RETURN NULL; \
           END IF; \
           PERFORM pg_advisory_xact_lock({LOCK}); \
           place := nextval('change_position'); \
           INSERT INTO change_commit VALUES (place, NEW.tx, NEW.segment, \
             nullif(current_setting('entente.actor', true), '')::uuid, \
             nullif(current_setting('entente.organisation', true), '')::uuid, \
             coalesce(nullif(current_setting('entente.at', true), '')::bigint, \
                      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)); \
           PERFORM pg_notify('entente_change', place::text); \
           RETURN NULL; \
         END $$"
    )
}

/// One function for all tables: within it the changed rows are `old_rows` and `new_rows`, whatever their columns.
fn note() -> String {
    "CREATE FUNCTION change_note() RETURNS trigger LANGUAGE plpgsql AS $$ \
     DECLARE this record; \
     BEGIN \
       IF TG_OP = 'INSERT' THEN \
         IF NOT EXISTS (SELECT FROM new_rows) THEN RETURN NULL; END IF; \
         this := change_begin(); \
         INSERT INTO change_event SELECT this.segment, this.tx, nextval('change_number'), TG_TABLE_NAME, n.id, 'insert', \
           NULL, row_to_json(n) FROM new_rows n; \
       ELSIF TG_OP = 'DELETE' THEN \
         IF NOT EXISTS (SELECT FROM old_rows) THEN RETURN NULL; END IF; \
         this := change_begin(); \
         INSERT INTO change_event SELECT this.segment, this.tx, nextval('change_number'), TG_TABLE_NAME, o.id, 'delete', \
           row_to_json(o), NULL FROM old_rows o; \
       ELSE \
         IF NOT EXISTS (SELECT FROM new_rows) THEN RETURN NULL; END IF; \
         this := change_begin(); \
         INSERT INTO change_event SELECT this.segment, this.tx, nextval('change_number'), TG_TABLE_NAME, \
           coalesce(o.id, n.id), \
           CASE WHEN o.id IS NULL THEN 'insert' WHEN n.id IS NULL THEN 'delete' ELSE 'update' END, o.row, n.row \
           FROM (SELECT r.id, row_to_json(r) AS row FROM old_rows r) o \
           FULL JOIN (SELECT r.id, row_to_json(r) AS row FROM new_rows r) n ON n.id = o.id \
           WHERE o.row::text IS DISTINCT FROM n.row::text; \
       END IF; \
       RETURN NULL; \
     END $$"
        .into()
}

/// A table that is emptied at once has no transition table: its rows are read before.
fn note_truncate() -> String {
    "CREATE FUNCTION change_note_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ \
     DECLARE this record := change_begin(); \
     BEGIN \
       EXECUTE format('INSERT INTO change_event SELECT $1, $2, nextval(''change_number''), $3, o.id, ''delete'', \
         row_to_json(o), NULL FROM %I o', TG_TABLE_NAME) USING this.segment, this.tx, TG_TABLE_NAME; \
       RETURN NULL; \
     END $$"
        .into()
}

pub(super) fn triggers(table: &str) -> Vec<String> {
    let trigger = |event: &str, rows: &str| {
        format!(
            "CREATE TRIGGER change_{table}_{event} AFTER {event} ON {table} REFERENCING {rows} \
             FOR EACH STATEMENT EXECUTE FUNCTION change_note()"
        )
    };
    vec![
        trigger("insert", "NEW TABLE AS new_rows"),
        trigger("update", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        trigger("delete", "OLD TABLE AS old_rows"),
        format!(
            "CREATE TRIGGER change_{table}_truncate BEFORE TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION change_note_truncate()"
        ),
    ]
}
