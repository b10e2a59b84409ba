use crate::prelude::*;

/// Message in the conversation of a case.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "case_message")]
#[catalogue(name = "CaseMessage", owner = "case.owner")]
pub struct Model {
    /// Key of the message
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The case
    #[field(SHR, to = "Case", many = "messages")]
    pub case_id: Uuid,
    /// Who wrote it
    #[field(PER, to = "Principal", filled = "created_by")]
    pub author_id: Uuid,
    /// Who may read the body; `party` is one organisation
    #[field(INT, one_of = "internal party customer all_parties")]
    pub visibility: String,
    /// The organisation that `party` means
    #[field(SEC, to = "Organisation")]
    pub party_id: Option<Uuid>,
    /// Its class follows the visibility: internal, shared with the party, or personal
    #[field(INT, groups = "text")]
    pub body: String,
    /// When it was written
    #[field(SHR, filled = "created_at")]
    pub created_at: Instant,
}
