use crate::prelude::*;

/// Who may see what, since when and until when. It takes two signatures; a draft never grants.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "sharing_agreement")]
#[catalogue(name = "SharingAgreement")]
pub struct Model {
    /// Both sides read their agreement
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Who shares
    #[field(SHR, to = "Organisation", many = "grantedAgreements")]
    pub grantor_id: Uuid,
    /// With whom
    #[field(SHR, to = "Organisation", many = "receivedAgreements")]
    pub grantee_id: Uuid,
    /// What people call it
    #[field(SHR)]
    pub title: String,
    /// The law on personal data needs a purpose; printed in the audit line too
    #[field(SHR)]
    pub purpose: String,
    /// Contract number
    #[field(INT)]
    pub legal_ref: Option<String>,
    /// Only an active agreement grants
    #[field(SHR, one_of = "draft active suspended ended")]
    pub status: String,
    /// From when it holds
    #[field(SHR)]
    pub valid_from: Instant,
    /// The first instant at which it no longer holds
    #[field(SHR)]
    pub valid_to: Option<Instant>,
    /// Grace in which the grantee may still read what it gave itself
    #[field(SHR, unit = "days", least = 0, most = 36500)]
    pub read_after_end_days: i32,
    /// How far back the grantee is to see, as it was negotiated; what it sees the policies say
    #[field(SHR, unit = "days", least = 0, most = 36500)]
    pub history_days: Option<i32>,
    /// How far ahead the grantee is to see, as it was negotiated; what it sees the policies say
    #[field(SHR, unit = "days", least = 0, most = 36500)]
    pub horizon_days: Option<i32>,
    /// How many customers must stand behind a number; knowing it helps an attacker
    #[field(INT, least = 1)]
    pub k_threshold: Option<i32>,
    /// Who signed for the grantor
    #[field(SHR, to = "Principal")]
    pub signed_by_grantor_id: Option<Uuid>,
    /// Who signed for the grantee
    #[field(SHR, to = "Principal")]
    pub signed_by_grantee_id: Option<Uuid>,
}
