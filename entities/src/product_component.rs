use crate::prelude::*;

/// Bill of material, dated: a complaint is matched with what was built in on the day of delivery.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "product_component")]
#[catalogue(name = "ProductComponent")]
pub struct Model {
    /// Key of the line
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What is built; construction knowledge
    #[field(SEC, to = "Product", many = "components")]
    pub product_id: Uuid,
    /// What is built in; a supplier sees the rows of its own component only, and of those the family only
    #[field(SEC, to = "Product", many = "usedIn")]
    pub component_id: Uuid,
    /// How much of the component one product takes, in the component's unit of measure
    #[field(SEC, least = 0)]
    pub qty_per: Decimal,
    /// First day on which it is built in
    #[field(SEC)]
    pub valid_from: Date,
    /// First day on which it no longer is
    #[field(SEC)]
    pub valid_to: Option<Date>,
}
