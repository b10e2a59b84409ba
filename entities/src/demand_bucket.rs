use crate::prelude::*;

/// Time bucket of a demand series in one planning run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "demand_bucket")]
#[catalogue(
    name = "DemandBucket",
    behind = Behind::Told { of: "qty", customers: "contributors", top_share: "top_share" }
)]
pub struct Model {
    /// Key of the bucket
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What is demanded where
    #[field(SHR, to = "DemandSeries", many = "buckets", groups = "demand")]
    pub series_id: Uuid,
    /// The planning run
    #[field(SHR, to = "ForecastVersion", many = "buckets", groups = "demand")]
    pub version_id: Uuid,
    /// Copied from the series: the row key of sharing must sit on the table that is paged
    #[field(SEC, to = "Organisation")]
    pub supplier_id: Option<Uuid>,
    /// Monday of the ISO week, the first of the month, or the day
    #[field(SHR, groups = "demand")]
    pub bucket_start: Date,
    /// How long the bucket is
    #[field(SHR, one_of = "day week month", groups = "demand")]
    pub granularity: String,
    /// The shared number, in the unit of the series; a secret when it covers a single NDA customer
    #[field(SHR, groups = "demand", least = 0)]
    pub qty: Decimal,
    /// Lower end of the uncertainty band; shared by agreement only
    #[field(INT, least = 0)]
    pub qty_low: Option<Decimal>,
    /// Upper end of the uncertainty band; shared by agreement only
    #[field(INT, least = 0)]
    pub qty_high: Option<Decimal>,
    /// Says what we will pay for
    #[field(SHR, one_of = "firm trade_off forecast", groups = "demand")]
    pub firmness: String,
    /// How many customers stand behind the number: the minimum group size is a comparison with it
    #[field(INT, least = 0)]
    pub contributors: i32,
    /// Share of the biggest customer, between 0 and 1: the dominance test is a comparison with it
    #[field(INT)]
    pub top_share: Option<Decimal>,
    /// Where the number comes from
    #[field(INT, one_of = "orders statistical manual sell_through")]
    pub source: String,
    /// Needed for incremental synchronisation
    #[field(SHR, groups = "demand", filled = "changed_at")]
    pub updated_at: Instant,
}
