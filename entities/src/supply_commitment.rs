use crate::prelude::*;

/// The supplier's answer to a bucket: a secret of that supplier, known to it and to us.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "supply_commitment")]
#[catalogue(name = "SupplyCommitment")]
pub struct Model {
    /// Key of the answer
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The series that is answered
    #[field(SHR, to = "DemandSeries", many = "commitments", groups = "answer")]
    pub series_id: Uuid,
    /// The planning run that is answered
    #[field(SHR, to = "ForecastVersion", many = "commitments", groups = "answer")]
    pub version_id: Uuid,
    /// Start of the bucket that is answered
    #[field(SHR, groups = "answer")]
    pub bucket_start: Date,
    /// Whose answer it is; hidden from all other partners
    #[field(SEC, to = "Organisation", groups = "answer")]
    pub supplier_id: Uuid,
    /// What the supplier can deliver: its capacity is its secret
    #[field(SEC, groups = "answer", least = 0)]
    pub qty: Decimal,
    /// What it could deliver on top
    #[field(SEC, groups = "answer", least = 0)]
    pub upside_qty: Option<Decimal>,
    /// How far the answer has come
    #[field(SEC, one_of = "draft committed partial rejected auto_committed expired", groups = "answer")]
    pub status: String,
    /// Why less than asked
    #[field(SEC, one_of = "capacity material quality price logistics force_majeure other", groups = "answer")]
    pub reason_code: Option<String>,
    /// What both sides read
    #[field(SHR, groups = "answer")]
    pub comment_shared: Option<String>,
    /// Our note; the supplier's own private note lives in its system
    #[field(INT)]
    pub comment_private: Option<String>,
    /// Who answered
    #[field(PER, to = "Principal", groups = "answer", filled = "changed_by")]
    pub committed_by_id: Option<Uuid>,
    /// When it was answered
    #[field(SHR, groups = "answer", filled = "changed_at")]
    pub committed_at: Option<Instant>,
    /// Optimistic lock, so that two planners do not overwrite each other
    #[field(SHR, groups = "answer", filled = "version")]
    pub row_version: i32,
}
