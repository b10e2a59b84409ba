use crate::prelude::*;

/// What a person allowed, for which purpose and to whom.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "consent")]
#[catalogue(name = "Consent")]
pub struct Model {
    /// Key of the consent
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(PER)]
    pub id: Uuid,
    /// Who allowed it
    #[field(PER, to = "Contact", many = "consents")]
    pub contact_id: Uuid,
    /// What for
    #[field(INT, one_of = "marketing_email partner_contact survey profiling")]
    pub purpose: String,
    /// On what it rests in law
    #[field(INT, one_of = "consent contract legitimate_interest legal_obligation")]
    pub legal_basis: String,
    /// By which channel; empty means any
    #[field(INT)]
    pub channel: Option<String>,
    /// To whom the data may be given; empty means us only
    #[field(PER, to = "Organisation")]
    pub recipient_id: Option<Uuid>,
    /// Whether it stands
    #[field(INT, one_of = "given withdrawn expired")]
    pub status: String,
    /// When it was given
    #[field(PER)]
    pub given_at: Option<Instant>,
    /// When it was withdrawn
    #[field(PER)]
    pub withdrawn_at: Option<Instant>,
    /// The first instant at which it no longer holds
    #[field(INT)]
    pub expires_at: Option<Instant>,
    /// The form or the confirmed e-mail that proves it
    #[field(PER)]
    pub evidence_ref: Option<String>,
    /// Which wording was agreed
    #[field(INT)]
    pub text_version: Option<String>,
}
