use crate::prelude::*;

/// Field that an agreement covers, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "agreement_field")]
#[catalogue(name = "AgreementField")]
pub struct Model {
    /// Key of the row
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The agreement
    #[field(SHR, to = "SharingAgreement", many = "fields")]
    pub agreement_id: Uuid,
    /// Type that the field belongs to
    #[field(SHR)]
    pub object_type: String,
    /// Name of the field
    #[field(SHR)]
    pub field: String,
    /// How it is shown
    #[field(SHR, one_of = "full prefix email_mask band days_of_supply aggregate_only pseudonym hidden")]
    pub treatment: String,
    /// 2 for two characters of a postcode, 5 for bands of five
    #[field(SHR)]
    pub param: Option<String>,
    /// Whether the grantee may change it
    #[field(SHR)]
    pub writable: bool,
}
