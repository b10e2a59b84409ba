//! Accounts, who works on them, and the people at customers and partners.

use crate::table::{Table, Tables, boolean, date, decimal, instant, key, one_of, small, table, text};

pub(crate) const TABLES: Tables = Tables { name: "m20261122_000002_customers", tables };

fn tables() -> Vec<Table> {
    vec![
        table(
            "customer",
            [
                key("organisation_id", "organisation").null().paged(),
                text("name"),
                text("code_name").null(),
                text("segment"),
                text("industry").null(),
                text("country"),
                text("region").paged(),
                text("postcode").null(),
                text("city").null(),
                text("street").null(),
                key("owner_id", "principal").null().paged(),
                one_of("lifecycle_stage", "lead prospect customer at_risk lost"),
                one_of("portfolio_strategy", "protect re_engineer enhance harvest end win_back start").null(),
                small("nda_level").between(0, 2),
                decimal("credit_limit").null(),
                decimal("annual_revenue").null(),
                decimal("clv").null(),
                decimal("churn_risk").null(),
                key("assigned_partner_id", "organisation").null().paged(),
                instant("created_at"),
                instant("updated_at"),
            ],
        ),
        table("customer_team", [key("customer_id", "customer").paged(), key("principal_id", "principal")])
            .unique(["principal_id", "customer_id"]),
        table(
            "contact",
            [
                key("customer_id", "customer").null().paged(),
                key("organisation_id", "organisation").null().paged(),
                text("given_name"),
                text("family_name"),
                text("email").null(),
                text("phone").null(),
                text("job_title").null(),
                text("language").null(),
                text("preferred_channel").null(),
                boolean("is_billing"),
                date("birth_date").null(),
                instant("erased_at").null(),
            ],
        ),
    ]
}
