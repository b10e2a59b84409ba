use crate::prelude::*;

/// Stock by product, place and owner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "inventory_position")]
#[catalogue(
    name = "InventoryPosition",
    scope = Scope { object: "inventory", product: Some("product"), region: None, customer: None }
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
    #[field(SHR)]
    pub min_qty: Option<Decimal>,
    /// Upper limit where the supplier manages the stock
    #[field(SHR)]
    pub max_qty: Option<Decimal>,
    /// The age of the number is part of the number
    #[field(SHR)]
    pub as_of: Instant,
}
