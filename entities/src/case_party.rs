use crate::prelude::*;

/// Organisation that is invited to a case.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "case_party")]
#[catalogue(name = "CaseParty", plural = "caseParties")]
pub struct Model {
    /// Key of the invitation
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The case
    #[field(SHR, to = "Case", many = "parties")]
    pub case_id: Uuid,
    /// One supplier must not see that another is invited
    #[field(SEC, to = "Organisation")]
    pub organisation_id: Uuid,
    /// What it is asked to do
    #[field(SHR)]
    pub role: String,
    /// From when it sees the case
    #[field(SHR)]
    pub valid_from: Instant,
    /// The first instant at which it no longer does
    #[field(SHR)]
    pub valid_to: Option<Instant>,
}
