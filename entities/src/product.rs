use crate::prelude::*;

/// What we sell, and the components that we buy.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "product")]
#[catalogue(
    name = "Product",
    membership = Membership {
        name: "namedProducts",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT s.product_id FROM sharing_agreement a JOIN agreement_scope s ON s.agreement_id = a.id \
              WHERE a.grantee_id = {holder} AND a.status = 'active' \
              AND a.signed_by_grantor_id IS NOT NULL AND a.signed_by_grantee_id IS NOT NULL \
              AND a.valid_from <= {now} AND (a.valid_to IS NULL OR a.valid_to > {now}) \
              AND s.effect = 'include' AND s.product_id IS NOT NULL \
              AND (s.valid_from IS NULL OR s.valid_from <= {now}) AND (s.valid_to IS NULL OR s.valid_to > {now})",
        turns: &[Turn {
                table: "sharing_agreement",
                columns: &["valid_from", "valid_to"],
                filter: "grantee_id = {holder} AND status = 'active'",
                after: 0,
            }, Turn {
                table: "agreement_scope",
                columns: &["valid_from", "valid_to"],
                filter: "product_id IS NOT NULL AND agreement_id IN (SELECT a.id FROM sharing_agreement a \
                         WHERE a.grantee_id = {holder} AND a.status = 'active')",
                after: 0,
            }],
        doc: "products that an active agreement with the organisation names one by one",
    },
    membership = Membership {
        name: "suppliedProducts",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT product_id FROM partner_product WHERE organisation_id = {holder} AND role = 'supplies' \
              AND valid_from <= {today} AND (valid_to IS NULL OR valid_to > {today})",
        turns: &[Turn {
            table: "partner_product",
            columns: &["valid_from", "valid_to"],
            filter: "organisation_id = {holder} AND role = 'supplies'",
            after: 0,
        }],
        doc: "products that the organisation supplies to us today",
    },
    membership = Membership {
        name: "distributedProducts",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT product_id FROM partner_product WHERE organisation_id = {holder} AND role = 'distributes' \
              AND valid_from <= {today} AND (valid_to IS NULL OR valid_to > {today})",
        turns: &[Turn {
            table: "partner_product",
            columns: &["valid_from", "valid_to"],
            filter: "organisation_id = {holder} AND role = 'distributes'",
            after: 0,
        }],
        doc: "products that the organisation distributes for us today",
    },
    membership = Membership {
        name: "safetyProducts",
        holder: Holder::Organisation,
        code: None,
        sql: crate::case_product::endangered!("p.product_id"),
        turns: &[],
        doc: "products of which a lot that the organisation supplied or sold is in a safety case",
    }
)]
pub struct Model {
    /// Key of the product
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(PUB)]
    pub id: Uuid,
    /// Our article number
    #[field(PUB)]
    pub sku: String,
    /// Public, but before the embargo ends a secret: the class depends on the row
    #[field(PUB)]
    pub name: String,
    /// The level at which demand may be told to distributors
    #[field(PUB)]
    pub family: String,
    /// Global trade item number
    #[field(PUB)]
    pub gtin: Option<String>,
    /// Unit of measure
    #[field(PUB)]
    pub uom: String,
    /// `phase_out` leaks plans
    #[field(SHR, one_of = "phase_in active phase_out obsolete")]
    pub lifecycle: String,
    /// Until then the product is unknown outside
    #[field(INT)]
    pub embargo_until: Option<Instant>,
    /// Public list price
    #[field(PUB, least = 0)]
    pub list_price: Option<Decimal>,
    /// What making or buying it costs us
    #[field(SEC, groups = "finance", least = 0)]
    pub standard_cost: Option<Decimal>,
}
