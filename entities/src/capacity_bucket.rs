use crate::prelude::*;

/// Capacity of a supplier by week and group of parts: a secret of that supplier.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "capacity_bucket")]
#[catalogue(name = "CapacityBucket")]
pub struct Model {
    /// Key of the bucket
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The parts that share the capacity, as the supplier groups them
    #[field(SEC)]
    pub group_name: String,
    /// Whose capacity it is
    #[field(SEC, to = "Organisation", many = "capacity")]
    pub supplier_id: Uuid,
    /// Monday of the ISO week
    #[field(SEC)]
    pub bucket_start: Date,
    /// What is used or planned
    #[field(SEC, least = 0)]
    pub actual: Decimal,
    /// What is possible
    #[field(SEC, least = 0)]
    pub maximum: Decimal,
    /// What was promised to us
    #[field(SEC, least = 0)]
    pub agreed: Option<Decimal>,
}
