use crate::prelude::*;

/// Rows that an agreement covers, by product, family, region and customer; what is empty does not limit.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "agreement_scope")]
#[catalogue(name = "AgreementScope")]
pub struct Model {
    /// Key of the scope
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The agreement
    #[field(SHR, to = "SharingAgreement", many = "scopes")]
    pub agreement_id: Uuid,
    /// Of which rows it speaks
    #[field(SHR, one_of = "customer demand order case inventory")]
    pub object_type: String,
    /// Exclude wins; an exclude row stays hidden from the grantee, for it may name an NDA customer
    #[field(SHR, one_of = "include exclude")]
    pub effect: String,
    /// Limited to a product
    #[field(SHR, to = "Product")]
    pub product_id: Option<Uuid>,
    /// Limited to a product family
    #[field(SHR)]
    pub product_family: Option<String>,
    /// Limited to a region
    #[field(SHR, code = "Region")]
    pub region: Option<String>,
    /// Limited to a customer
    #[field(SEC, to = "Customer")]
    pub customer_id: Option<Uuid>,
    /// From when it holds; empty means since the agreement does
    #[field(SHR)]
    pub valid_from: Option<Instant>,
    /// A scope may end before its agreement
    #[field(SHR)]
    pub valid_to: Option<Instant>,
}
