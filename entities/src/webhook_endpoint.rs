use crate::prelude::*;

/// Where a seat's events are sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "webhook_endpoint")]
#[catalogue(name = "WebhookEndpoint", closed)]
pub struct Model {
    /// Key of the endpoint
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Whose endpoint it is
    #[field(INT, to = "Organisation")]
    pub organisation_id: Uuid,
    /// Who is told, as if they subscribed themselves
    #[field(INT, to = "Principal")]
    pub principal_id: Uuid,
    /// In which role
    #[field(INT)]
    pub role: String,
    /// Where events are posted
    #[field(INT)]
    pub url: String,
    /// The subscription, as GraphQL
    #[field(INT)]
    pub document: String,
    /// Events are sent to an active one only; the hub disables one that fails for days
    #[field(INT, one_of = "active paused disabled")]
    pub status: String,
    /// Why it is not active, or what its receiver answers
    #[field(INT)]
    pub reason: Option<String>,
    /// Since when the receiver takes nothing
    #[field(INT)]
    pub failing_since: Option<Instant>,
    /// When it was made
    #[field(INT)]
    pub created_at: Instant,
}
