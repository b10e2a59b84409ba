//! Products, what they are built of, and which partner supplies, distributes or services them.

use crate::table::{Table, Tables, date, decimal, instant, int, key, one_of, table, text};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000003_products", tables };

fn tables() -> Vec<Table> {
    vec![
        table(
            "product",
            [
                text("sku"),
                text("name"),
                text("family").paged(),
                text("gtin").null(),
                text("uom"),
                one_of("lifecycle", "phase_in active phase_out obsolete"),
                instant("embargo_until").null(),
                decimal("list_price").null(),
                decimal("standard_cost").null(),
            ],
        )
        .unique(["sku"]),
        table(
            "product_component",
            [
                key("product_id", "product").paged(),
                key("component_id", "product").paged(),
                decimal("qty_per"),
                date("valid_from"),
                date("valid_to").null(),
            ],
        ),
        table(
            "partner_product",
            [
                key("organisation_id", "organisation").paged(),
                key("product_id", "product").paged(),
                one_of("role", "supplies distributes services"),
                text("partner_part_no").null(),
                decimal("quota_pct").null(),
                decimal("unit_price").null(),
                int("lead_time_days").null(),
                decimal("moq").null(),
                date("valid_from"),
                date("valid_to").null(),
            ],
        )
        .index(["organisation_id", "product_id"]),
    ]
}
