//! Agreements between organisations, what persons allowed and demanded, and the record of both.

use crate::table::{Table, Tables, boolean, instant, int, json, key, one_of, table, text, uuid};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000006_sharing", tables };

fn tables() -> Vec<Table> {
    vec![
        table(
            "sharing_agreement",
            [
                key("grantor_id", "organisation").paged(),
                key("grantee_id", "organisation").paged(),
                text("title"),
                text("purpose"),
                text("legal_ref").null(),
                one_of("status", "draft active suspended ended"),
                instant("valid_from"),
                instant("valid_to").null(),
                int("read_after_end_days"),
                int("history_days").null(),
                int("horizon_days").null(),
                int("k_threshold").null(),
                key("signed_by_grantor_id", "principal").null(),
                key("signed_by_grantee_id", "principal").null(),
            ],
        ),
        table(
            "agreement_scope",
            [
                key("agreement_id", "sharing_agreement").paged(),
                one_of("object_type", "customer demand order case inventory"),
                one_of("effect", "include exclude"),
                key("product_id", "product").null(),
                text("product_family").null(),
                text("region").null(),
                key("customer_id", "customer").null(),
                instant("valid_from").null(),
                instant("valid_to").null(),
            ],
        ),
        table(
            "agreement_field",
            [
                key("agreement_id", "sharing_agreement").paged(),
                text("object_type"),
                text("field"),
                one_of("treatment", "full prefix email_mask band days_of_supply aggregate_only pseudonym hidden"),
                text("param").null(),
                boolean("writable"),
            ],
        )
        .unique(["agreement_id", "object_type", "field"]),
        table(
            "consent",
            [
                key("contact_id", "contact").paged(),
                one_of("purpose", "marketing_email partner_contact survey profiling"),
                one_of("legal_basis", "consent contract legitimate_interest legal_obligation"),
                text("channel").null(),
                key("recipient_id", "organisation").null().paged(),
                one_of("status", "given withdrawn expired"),
                instant("given_at").null(),
                instant("withdrawn_at").null(),
                instant("expires_at").null(),
                text("evidence_ref").null(),
                text("text_version").null(),
            ],
        ),
        table(
            "privacy_request",
            [
                key("contact_id", "contact").paged(),
                one_of("kind", "access erase rectify portability opt_out_of_sale"),
                instant("received_at"),
                instant("due_at"),
                one_of("status", "open in_progress done refused"),
                json("told_partners").null(),
            ],
        ),
        audit_event(),
    ]
}

/// Kept for the migration that makes this table anew, and must be able to take that back.
pub(crate) fn audit_event() -> Table {
    table(
        "audit_event",
        [
            instant("at"),
            key("principal_id", "principal").null().paged(),
            key("organisation_id", "organisation").null().paged(),
            key("on_behalf_of_id", "principal").null(),
            one_of("action", "read write subscribe export policy_change break_glass"),
            text("object_type"),
            uuid("object_id").null(),
            json("fields").null(),
            int("rows").null(),
            one_of("decision", "allow deny masked suppressed_k"),
            text("policy_version"),
            key("agreement_id", "sharing_agreement").null(),
            text("reason").null(),
            text("prev_hash").null(),
        ],
    )
    .index(["object_type", "object_id"])
}
