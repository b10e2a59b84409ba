//! The policies by their version, as they were when somebody followed changes through them: whoever comes back later is
//! told the difference to what it was shown. A table of the hub.

use crate::table::{Table, Tables, big, instant, keyed, text};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000023_policy_set", tables };

fn tables() -> Vec<Table> {
    vec![keyed("policy_set", ["version"], [big("version"), text("files"), instant("kept_at")])]
}
