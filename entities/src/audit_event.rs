use crate::prelude::*;

/// Who saw or changed what, under which policy.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "audit_event")]
#[catalogue(name = "AuditEvent", closed)]
pub struct Model {
    /// Key of the line, made when it was written
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(INT)]
    pub id: Uuid,
    /// Place in the chain, without holes
    #[field(INT)]
    pub seq: i64,
    /// When it happened
    #[field(INT)]
    pub at: Instant,
    /// Who did it
    #[field(PER, to = "Principal")]
    pub principal_id: Option<Uuid>,
    /// For which organisation; a partner may read the lines about itself
    #[field(INT, to = "Organisation")]
    pub organisation_id: Option<Uuid>,
    /// Whom a deputy stood for
    #[field(PER, to = "Principal")]
    pub on_behalf_of_id: Option<Uuid>,
    /// What was done
    #[field(INT, one_of = "read write subscribe export policy_change break_glass")]
    pub action: String,
    /// Type of the rows
    #[field(INT)]
    pub object_type: String,
    /// Key of the row, if it was one
    #[field(INT)]
    pub object_id: Option<Uuid>,
    /// Names only, never values
    #[field(INT)]
    pub fields: Option<Json>,
    /// How many rows
    #[field(INT)]
    pub rows: Option<i32>,
    /// What the policies said
    #[field(INT, one_of = "allow deny masked suppressed_k")]
    pub decision: String,
    /// Hash of the policy set that decided
    #[field(INT)]
    pub policy_version: String,
    /// The agreement that decided
    #[field(INT, to = "SharingAgreement")]
    pub agreement_id: Option<Uuid>,
    /// Why somebody looked, in their words, or the operator's tool that did
    #[field(INT)]
    pub reason: Option<String>,
    /// Hash of the line before: a line that is taken out or changed breaks the chain
    #[field(INT)]
    pub prev_hash: Option<String>,
    /// Hash of this line and of the one before; none in lines that are older than the chain
    #[field(INT)]
    pub hash: Option<String>,
}
