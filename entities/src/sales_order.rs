use crate::prelude::*;

/// Order of a customer: the header of order demand.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "sales_order")]
#[catalogue(
    name = "SalesOrder",
    owner = "owner",
    scope = Scope { object: "order", product: None, region: Some("ship_to_region"), customer: Some("customer") }
)]
pub struct Model {
    /// Key of the order
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What people call the order
    #[field(SHR)]
    pub number: String,
    /// Who ordered; a customer's identity
    #[field(SEC, to = "Customer", many = "orders")]
    pub customer_id: Uuid,
    /// The distributor that sold it
    #[field(SHR, to = "Organisation")]
    pub sold_by_id: Option<Uuid>,
    /// Sales representative
    #[field(INT, to = "Principal")]
    pub owner_id: Option<Uuid>,
    /// The logistics firm that carries it
    #[field(SHR, to = "Organisation")]
    pub carrier_id: Option<Uuid>,
    /// Plant or warehouse it goes to, if that is one of the hub's
    #[field(SHR, to = "OrgUnit")]
    pub ship_to_unit_id: Option<Uuid>,
    /// ISO 3166-1 alpha-2
    #[field(SHR)]
    pub ship_to_country: String,
    /// Row key of distributor agreements
    #[field(SHR, code = "Region")]
    pub ship_to_region: String,
    /// Shown as two characters
    #[field(PER, groups = "place")]
    pub ship_to_postcode: String,
    /// How far the order has come
    #[field(SHR, one_of = "open confirmed shipped invoiced cancelled")]
    pub status: String,
    /// ISO 4217; goes with the price
    #[field(SEC, groups = "finance")]
    pub currency: String,
    /// Sum of the lines
    #[field(SEC, groups = "finance")]
    pub total: Option<Decimal>,
    /// Finance only
    #[field(SEC, groups = "finance")]
    pub margin: Option<Decimal>,
    /// When it was ordered
    #[field(SHR)]
    pub placed_at: Instant,
    /// The day the customer wants it
    #[field(SHR)]
    pub requested_date: Date,
    /// The day we promised
    #[field(SHR)]
    pub promised_date: Option<Date>,
    /// The day it left
    #[field(SHR)]
    pub shipped_on: Option<Date>,
    /// Needed for incremental synchronisation
    #[field(SHR, filled = "changed_at")]
    pub updated_at: Instant,
}
