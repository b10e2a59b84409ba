//! Service cases: what they concern, who is invited, what is said.

use crate::table::{Table, Tables, boolean, date, instant, key, one_of, small, table, text};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000005_cases", tables };

fn tables() -> Vec<Table> {
    vec![
        table(
            "crm_case",
            [
                text("number"),
                key("customer_id", "customer").null().paged(),
                key("contact_id", "contact").null().paged(),
                one_of("channel", "phone email portal chat social"),
                one_of("status", "open in_progress waiting resolved closed"),
                small("severity"),
                boolean("safety_flag").paged(),
                text("subject_internal"),
                text("subject_shared").null(),
                text("description_internal").null(),
                text("description_shared").null(),
                text("root_cause").null(),
                key("liable_id", "organisation").null(),
                text("region").paged(),
                key("owner_id", "principal").null().paged(),
                instant("opened_at"),
                instant("first_response_due").null(),
                instant("resolution_due").null(),
                instant("closed_at").null(),
                small("csat").null(),
            ],
        )
        .unique(["number"]),
        table(
            "case_product",
            [
                key("case_id", "crm_case").paged(),
                key("product_id", "product").paged(),
                text("lot_no").null(),
                text("serial_no").null(),
                date("delivered_on").null(),
            ],
        )
        .index(["lot_no", "product_id"])
        // all that is asked of it to find the cases of a supplier
        .index(["product_id", "delivered_on", "case_id"]),
        table(
            "case_party",
            [
                key("case_id", "crm_case").paged(),
                key("organisation_id", "organisation").paged(),
                text("role"),
                instant("valid_from"),
                instant("valid_to").null(),
            ],
        ),
        table(
            "case_message",
            [
                key("case_id", "crm_case").paged(),
                key("author_id", "principal"),
                one_of("visibility", "internal party customer all_parties"),
                key("party_id", "organisation").null().paged(),
                text("body"),
                instant("created_at"),
            ],
        ),
    ]
}
