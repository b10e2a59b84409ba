//! Orders, forecast demand, what suppliers answer, capacity, stock, and what needs attention.

use crate::table::{Table, Tables, date, decimal, instant, int, key, one_of, small, table, text, uuid};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000004_demand", tables };

fn tables() -> Vec<Table> {
    let mut tables = orders();
    tables.extend(forecast());
    tables.extend(supply());
    tables
}

fn orders() -> Vec<Table> {
    vec![
        table(
            "sales_order",
            [
                text("number"),
                key("customer_id", "customer").paged(),
                key("sold_by_id", "organisation").null().paged(),
                key("owner_id", "principal").null().paged(),
                key("carrier_id", "organisation").null().paged(),
                key("ship_to_unit_id", "org_unit").null(),
                text("ship_to_country"),
                text("ship_to_region").paged(),
                text("ship_to_postcode"),
                one_of("status", "open confirmed shipped invoiced cancelled"),
                text("currency"),
                decimal("total").null(),
                decimal("margin").null(),
                instant("placed_at"),
                date("requested_date"),
                date("promised_date").null(),
                date("shipped_on").null(),
                instant("updated_at"),
            ],
        )
        .unique(["number"]),
        table(
            "order_line",
            [
                key("order_id", "sales_order").paged(),
                int("line_no"),
                key("product_id", "product").paged(),
                decimal("qty"),
                text("uom"),
                decimal("unit_price").null(),
                decimal("discount_pct").null(),
                decimal("unit_cost").null(),
                decimal("net_amount").null(),
                date("ordered_on"),
                date("requested_date"),
                date("confirmed_date").null(),
                key("source_id", "organisation").null().paged(),
                text("lot_no").null(),
                one_of("status", "open confirmed shipped invoiced cancelled"),
            ],
        )
        .unique(["order_id", "line_no"])
        .index(["lot_no", "product_id"]),
    ]
}

fn forecast() -> Vec<Table> {
    vec![
        table(
            "forecast_version",
            [
                text("name"),
                one_of("status", "draft published superseded"),
                instant("published_at").null(),
                instant("commit_due_at").null(),
                date("horizon_from"),
                date("horizon_to"),
                key("created_by_id", "principal"),
            ],
        ),
        table(
            "demand_series",
            [
                key("product_id", "product").paged(),
                key("supplier_id", "organisation").null().paged(),
                key("customer_id", "customer").null().paged(),
                text("region").paged(),
                key("ship_to_unit_id", "org_unit").null(),
                one_of(
                    "category",
                    "default after_sales series phase_in phase_out single_order small_series extraordinary",
                ),
                text("uom"),
            ],
        ),
        table(
            "demand_bucket",
            [
                key("series_id", "demand_series").paged(),
                key("version_id", "forecast_version").paged(),
                key("supplier_id", "organisation").null().paged(),
                date("bucket_start"),
                one_of("granularity", "day week month"),
                decimal("qty"),
                decimal("qty_low").null(),
                decimal("qty_high").null(),
                one_of("firmness", "firm trade_off forecast"),
                int("contributors"),
                decimal("top_share").null(),
                one_of("source", "orders statistical manual sell_through"),
                instant("updated_at"),
            ],
        )
        .unique(["series_id", "version_id", "bucket_start", "granularity"])
        // a supplier reads the published run; the runs before it are most of the table
        .index(["supplier_id", "version_id", "id"]),
        table(
            "demand_signal",
            [
                one_of("kind", "sell_through order_spike promotion case_spike stockout return"),
                key("product_id", "product").paged(),
                key("customer_id", "customer").null().paged(),
                text("region").null(),
                instant("observed_at"),
                decimal("magnitude"),
                decimal("confidence").null(),
                text("note").null(),
                key("originator_id", "organisation").paged(),
            ],
        ),
    ]
}

fn supply() -> Vec<Table> {
    vec![
        table(
            "supply_commitment",
            [
                key("series_id", "demand_series").paged(),
                key("version_id", "forecast_version").paged(),
                date("bucket_start"),
                key("supplier_id", "organisation").paged(),
                decimal("qty"),
                decimal("upside_qty").null(),
                one_of("status", "draft committed partial rejected auto_committed expired"),
                one_of("reason_code", "capacity material quality price logistics force_majeure other").null(),
                text("comment_shared").null(),
                text("comment_private").null(),
                key("committed_by_id", "principal").null(),
                instant("committed_at").null(),
                int("row_version"),
            ],
        )
        .unique(["series_id", "version_id", "bucket_start", "supplier_id"]),
        table(
            "capacity_bucket",
            [
                text("group_name"),
                key("supplier_id", "organisation").paged(),
                date("bucket_start"),
                decimal("actual"),
                decimal("maximum"),
                decimal("agreed").null(),
            ],
        )
        .unique(["supplier_id", "group_name", "bucket_start"]),
        table(
            "inventory_position",
            [
                key("product_id", "product").paged(),
                key("unit_id", "org_unit").paged(),
                key("owner_id", "organisation").paged(),
                one_of("kind", "on_hand in_transit allocated consigned blocked"),
                decimal("qty"),
                decimal("min_qty").null(),
                decimal("max_qty").null(),
                instant("as_of"),
            ],
        ),
        table(
            "exception_item",
            [
                one_of(
                    "kind",
                    "past_due_commit commit_mismatch forecast_change below_min above_max late_shipment stale_data",
                ),
                text("object_type"),
                uuid("object_id"),
                key("organisation_id", "organisation").null().paged(),
                small("severity"),
                decimal("threshold").null(),
                decimal("delta").null(),
                one_of("status", "open acknowledged resolved"),
                instant("opened_at"),
                instant("due_at").null(),
                instant("closed_at").null(),
            ],
        )
        .index(["object_type", "object_id"]),
    ]
}
