use crate::prelude::*;

/// What a person demands about the data we hold.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "privacy_request")]
#[catalogue(name = "PrivacyRequest")]
pub struct Model {
    /// Key of the request
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(PER)]
    pub id: Uuid,
    /// Who asks
    #[field(PER, to = "Contact", many = "privacyRequests")]
    pub contact_id: Uuid,
    /// What is asked
    #[field(INT, one_of = "access erase rectify portability opt_out_of_sale")]
    pub kind: String,
    /// When it came in
    #[field(INT)]
    pub received_at: Instant,
    /// Until when the law wants it answered
    #[field(INT)]
    pub due_at: Instant,
    /// How far the work has come
    #[field(INT, one_of = "open in_progress done refused")]
    pub status: String,
    /// Who was told: erasure must reach those who got the data
    #[field(INT)]
    pub told_partners: Option<Json>,
}
