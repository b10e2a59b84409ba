use crate::prelude::*;

/// Single observation that moves demand.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "demand_signal")]
#[catalogue(name = "DemandSignal")]
pub struct Model {
    /// Key of the observation
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What was observed
    #[field(SHR, one_of = "sell_through order_spike promotion case_spike stockout return")]
    pub kind: String,
    /// The product it concerns
    #[field(SHR, to = "Product", many = "signals")]
    pub product_id: Uuid,
    /// The customer it concerns
    #[field(SEC, to = "Customer", many = "signals")]
    pub customer_id: Option<Uuid>,
    /// Where it was observed
    #[field(SHR, code = "Region")]
    pub region: Option<String>,
    /// When it was observed
    #[field(SHR)]
    pub observed_at: Instant,
    /// How strong it is: the quantity in the product's unit of measure
    #[field(SHR)]
    pub magnitude: Decimal,
    /// How sure we are, between 0 and 1
    #[field(INT)]
    pub confidence: Option<Decimal>,
    /// Free text leaks names: never shared unless a person copies it
    #[field(INT)]
    pub note: Option<String>,
    /// Who told us: the originator keeps the right to read it
    #[field(SHR, to = "Organisation")]
    pub originator_id: Uuid,
}
