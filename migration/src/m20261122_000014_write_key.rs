//! The keys that writers give their writes, so that one which is sent twice is done once. A table of the hub.

use crate::table::{Table, Tables, instant, keyed, text, uuid};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000014_write_key", tables };

fn tables() -> Vec<Table> {
    vec![
        keyed(
            "write_key",
            ["caller", "key"],
            [text("caller"), text("key"), text("digest"), uuid("object_id"), instant("at")],
        )
        .index(["at"]),
    ]
}
