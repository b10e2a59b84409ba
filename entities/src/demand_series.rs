use crate::prelude::*;

/// What is demanded where: the row key of sharing demand. One series per supplier, after the quota split.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "demand_series")]
#[catalogue(
    name = "DemandSeries",
    plural = "demandSeries",
    scope = Scope { object: "demand", product: Some("product"), region: Some("region"), customer: Some("customer") }
)]
pub struct Model {
    /// Key of the series
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What is demanded
    #[field(SHR, to = "Product", many = "demandSeries", groups = "demand")]
    pub product_id: Uuid,
    /// Set after the split by quota; a shared series would tell a supplier that another exists
    #[field(SEC, to = "Organisation")]
    pub supplier_id: Option<Uuid>,
    /// Empty when the series is a sum over customers
    #[field(SEC, to = "Customer", many = "demandSeries")]
    pub customer_id: Option<Uuid>,
    /// Where the demand arises
    #[field(SHR, code = "Region", groups = "demand")]
    pub region: String,
    /// The plant or warehouse that needs it
    #[field(SHR, to = "OrgUnit", groups = "demand")]
    pub ship_to_unit_id: Option<Uuid>,
    /// What sort of demand it is
    #[field(
        SHR,
        one_of = "default after_sales series phase_in phase_out single_order small_series extraordinary",
        groups = "demand"
    )]
    pub category: String,
    /// Unit of measure of every quantity of the series
    #[field(SHR, groups = "demand")]
    pub uom: String,
}
