use crate::prelude::*;

/// What needs attention: the work list of both sides.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "exception_item")]
#[catalogue(name = "ExceptionItem")]
pub struct Model {
    /// Key of the item
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What is wrong
    #[field(
        SHR,
        one_of = "past_due_commit commit_mismatch forecast_change below_min above_max late_shipment stale_data"
    )]
    pub kind: String,
    /// Type of the row that it is about
    #[field(SHR)]
    pub object_type: String,
    /// Key of the row that it is about; visible only if that row is
    #[field(SHR)]
    pub object_id: Uuid,
    /// Who must act
    #[field(SHR, to = "Organisation", many = "exceptions")]
    pub organisation_id: Option<Uuid>,
    /// 1 is the most urgent
    #[field(SHR)]
    pub severity: i16,
    /// Our tolerance; knowing it invites gaming
    #[field(INT)]
    pub threshold: Option<Decimal>,
    /// By how much it is off
    #[field(SHR)]
    pub delta: Option<Decimal>,
    /// How far the work has come
    #[field(SHR, one_of = "open acknowledged resolved")]
    pub status: String,
    /// When it was found
    #[field(SHR)]
    pub opened_at: Instant,
    /// Until when it should be settled
    #[field(SHR)]
    pub due_at: Option<Instant>,
    /// When it was settled
    #[field(SHR)]
    pub closed_at: Option<Instant>,
}
