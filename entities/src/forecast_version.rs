use crate::prelude::*;

/// One planning run. A draft stays inside.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "forecast_version")]
#[catalogue(name = "ForecastVersion")]
pub struct Model {
    /// Key of the run
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Name of the run
    #[field(SHR)]
    pub name: String,
    /// Partners see published and superseded runs only
    #[field(SHR, one_of = "draft published superseded")]
    pub status: String,
    /// When partners were shown it
    #[field(SHR)]
    pub published_at: Option<Instant>,
    /// Until when suppliers answer
    #[field(SHR)]
    pub commit_due_at: Option<Instant>,
    /// First day covered
    #[field(SHR)]
    pub horizon_from: Date,
    /// Last day covered
    #[field(SHR)]
    pub horizon_to: Date,
    /// The planner
    #[field(INT, to = "Principal", filled = "created_by")]
    pub created_by_id: Uuid,
}
