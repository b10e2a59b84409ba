use crate::prelude::*;

/// Stock by product, place and owner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "inventory_position")]
#[catalogue(
    name = "InventoryPosition",
    scope = Scope { object: "inventory", product: Some("product"), region: None, customer: None },
    // all that is planned for the place, whoever supplies it, but nothing that names a customer who is unknown outside
    demand = Demand {
        product: "product_id",
        place: "unit_id",
        sum: "sum(b.qty)",
        from: "demand_bucket b JOIN demand_series s ON s.id = b.series_id \
               LEFT JOIN customer c ON c.id = s.customer_id AND c.nda_level = 2 \
               WHERE s.product_id = {product} AND s.ship_to_unit_id = {place} AND c.id IS NULL \
               AND b.bucket_start >= {today} AND b.bucket_start < {until} \
               AND b.version_id = (SELECT id FROM forecast_version WHERE status = 'published' \
               ORDER BY coalesce(published_at, 0) DESC, id DESC LIMIT 1)",
    }
)]
pub struct Model {
    /// Key of the position
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What lies there
    #[field(SHR, to = "Product", many = "stock")]
    pub product_id: Uuid,
    /// Where it lies
    #[field(SHR, to = "OrgUnit", many = "stock")]
    pub unit_id: Uuid,
    /// Whose it is: consigned stock belongs to the supplier
    #[field(SEC, to = "Organisation")]
    pub owner_id: Uuid,
    /// In which state it is
    #[field(SHR, one_of = "on_hand in_transit allocated consigned blocked")]
    pub kind: String,
    /// Shared as number, as days of supply, or as low, ok or high, as the agreement says
    #[field(SHR)]
    pub qty: Decimal,
    /// Lower limit where the supplier manages the stock
    #[field(SHR, least = 0)]
    pub min_qty: Option<Decimal>,
    /// Upper limit where the supplier manages the stock
    #[field(SHR, least = 0)]
    pub max_qty: Option<Decimal>,
    /// The age of the number is part of the number
    #[field(SHR)]
    pub as_of: Instant,
}
