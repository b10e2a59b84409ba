//! The memory of the aggregate guard: which cells an organisation was told together, so that no later answer
//! tells them apart.

use crate::table::{Table, Tables, keyed, text, uuid};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000012_guard", tables };

fn tables() -> Vec<Table> {
    vec![keyed(
        "guard_tie",
        ["organisation_id", "object_type", "grid", "cell"],
        [uuid("organisation_id"), text("object_type"), text("grid"), text("cell"), text("tie")],
    )]
}
