//! Organisations, what they are to us, their units and people.

use crate::table::{Table, Tables, boolean, instant, json, key, one_of, table, text};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000001_partners", tables };

fn tables() -> Vec<Table> {
    vec![
        table(
            "organisation",
            [
                text("slug"),
                key("parent_id", "organisation").null().paged(),
                text("display_name"),
                text("legal_name"),
                text("country"),
                text("region"),
                json("external_ids").null(),
                text("partner_tier").null(),
                text("risk_rating").null(),
                text("nda_ref").null(),
                one_of("status", "active suspended"),
                instant("created_at"),
            ],
        )
        .unique(["slug"]),
        table(
            "org_role",
            [
                key("organisation_id", "organisation").paged(),
                one_of(
                    "kind",
                    "internal supplier distributor contract_manufacturer logistics service_partner customer",
                ),
                instant("valid_from"),
                instant("valid_to").null(),
            ],
        ),
        table(
            "org_unit",
            [
                key("organisation_id", "organisation").paged(),
                key("parent_id", "org_unit").null().paged(),
                text("name"),
                one_of("kind", "department plant warehouse sales_region"),
                text("country"),
                text("region"),
                text("cost_centre").null(),
            ],
        ),
        table(
            "principal",
            [
                key("organisation_id", "organisation").paged(),
                key("unit_id", "org_unit").null().paged(),
                text("slug"),
                one_of("kind", "user service"),
                text("subject"),
                text("display_name"),
                text("email").null(),
                text("locale").null(),
                one_of("status", "active locked left"),
                instant("last_seen_at").null(),
            ],
        )
        .unique(["organisation_id", "slug"])
        .unique(["subject"]),
        table(
            "role_assignment",
            [
                key("principal_id", "principal").paged(),
                text("role"),
                key("scope_unit_id", "org_unit").null(),
                instant("valid_from"),
                instant("valid_to").null(),
            ],
        ),
        table(
            "delegation",
            [
                key("from_principal_id", "principal").paged(),
                key("to_principal_id", "principal").paged(),
                json("object_types"),
                boolean("can_write"),
                instant("valid_from"),
                instant("valid_to"),
                text("reason"),
                key("approved_by_id", "principal").null(),
            ],
        ),
    ]
}
