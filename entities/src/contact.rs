use crate::prelude::*;

/// Person at a customer or a partner.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "contact")]
#[catalogue(
    name = "Contact",
    owner = "customer.owner",
    membership = Membership {
        name: "consentedContacts",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT contact_id FROM consent WHERE recipient_id = {holder} AND purpose = 'partner_contact' \
              AND status = 'given' AND given_at <= {now} AND withdrawn_at IS NULL \
              AND (expires_at IS NULL OR expires_at > {now})",
        turns: &[Turn {
            table: "consent",
            columns: &["given_at", "expires_at"],
            filter: "recipient_id = {holder} AND purpose = 'partner_contact' AND status = 'given' AND withdrawn_at IS NULL",
            after: 0,
        }],
        doc: "people whose live consent names the organisation as recipient for partner contact",
    },
    membership = Membership {
        name: "marketingContacts",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT contact_id FROM consent WHERE recipient_id IS NULL AND purpose = 'marketing_email' \
              AND status = 'given' AND given_at <= {now} AND withdrawn_at IS NULL \
              AND (expires_at IS NULL OR expires_at > {now}) \
              AND EXISTS (SELECT 1 FROM org_role r WHERE r.organisation_id = {holder} AND r.kind = 'internal' \
              AND r.valid_from <= {now} AND (r.valid_to IS NULL OR r.valid_to > {now}))",
        turns: &[Turn {
                table: "consent",
                columns: &["given_at", "expires_at"],
                filter: "recipient_id IS NULL AND purpose = 'marketing_email' AND status = 'given' AND withdrawn_at IS NULL",
                after: 0,
            }, HOST],
        doc: "people whose live consent allows us, and nobody else, to send them marketing e-mail",
    },
    membership = Membership {
        name: "activeCaseContacts",
        holder: Holder::Organisation,
        code: None,
        // thirty days in microseconds
        sql: "SELECT contact_id FROM crm_case WHERE contact_id IS NOT NULL \
              AND (closed_at IS NULL OR closed_at > {now} - 2592000000000) \
              AND EXISTS (SELECT 1 FROM org_role r WHERE r.organisation_id = {holder} AND r.kind = 'internal' \
              AND r.valid_from <= {now} AND (r.valid_to IS NULL OR r.valid_to > {now}))",
        turns: &[Turn { table: "crm_case", columns: &["closed_at"], filter: "contact_id IS NOT NULL", after: 2_592_000_000_000 }, HOST],
        doc: "people who have a case with us that is open, or was until thirty days ago",
    }
)]
pub struct Model {
    /// Key of a person
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(PER)]
    pub id: Uuid,
    /// The account the person belongs to
    #[field(PER, to = "Customer", many = "contacts")]
    pub customer_id: Option<Uuid>,
    /// The partner the person belongs to
    #[field(PER, to = "Organisation", many = "contacts")]
    pub organisation_id: Option<Uuid>,
    /// First name
    #[field(PER, groups = "contact")]
    pub given_name: String,
    /// Last name
    #[field(PER, groups = "contact")]
    pub family_name: String,
    /// Masked as `a***@firm.example` unless there is purpose and consent
    #[field(PER, groups = "contact")]
    pub email: Option<String>,
    /// The last three digits serve verification
    #[field(PER, groups = "contact")]
    pub phone: Option<String>,
    /// What the person does there
    #[field(PER, groups = "contact")]
    pub job_title: Option<String>,
    /// BCP 47; low risk, still personal
    #[field(PER, groups = "contact")]
    pub language: Option<String>,
    /// How the person likes to be reached
    #[field(PER, groups = "contact")]
    pub preferred_channel: Option<String>,
    /// Finance may see these people only
    #[field(INT)]
    pub is_billing: bool,
    /// Households only; off by default
    #[field(PER)]
    pub birth_date: Option<Date>,
    /// Erasure leaves a tombstone
    #[field(INT)]
    pub erased_at: Option<Instant>,
}

/// Whether the organisation is the host.
const HOST: Turn = Turn {
    table: "org_role",
    columns: &["valid_from", "valid_to"],
    filter: "organisation_id = {holder} AND kind = 'internal'",
    after: 0,
};
