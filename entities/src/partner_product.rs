use crate::prelude::*;

/// Which partner supplies, distributes or services which product, and since when.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "partner_product")]
#[catalogue(name = "PartnerProduct")]
pub struct Model {
    /// Key of the relation
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// One supplier must not learn that another exists
    #[field(SEC, to = "Organisation", many = "partnerProducts")]
    pub organisation_id: Uuid,
    /// The product
    #[field(SHR, to = "Product", many = "partners")]
    pub product_id: Uuid,
    /// What the partner does with it
    #[field(SHR, one_of = "supplies distributes services")]
    pub role: String,
    /// The partner's own number, so that it can read the data
    #[field(SHR)]
    pub partner_part_no: Option<String>,
    /// Share of the demand that this supplier gets; its own value may be shown
    #[field(SEC, unit = "percent", least = 0, most = 100)]
    pub quota_pct: Option<Decimal>,
    /// What we pay this partner
    #[field(SEC, groups = "finance", least = 0)]
    pub unit_price: Option<Decimal>,
    /// From order to delivery
    #[field(SHR, unit = "days", least = 0)]
    pub lead_time_days: Option<i32>,
    /// Minimum order quantity, in the product's unit of measure
    #[field(SHR, least = 0)]
    pub moq: Option<Decimal>,
    /// First day of the relation
    #[field(SHR)]
    pub valid_from: Date,
    /// First day on which it no longer holds
    #[field(SHR)]
    pub valid_to: Option<Date>,
}
