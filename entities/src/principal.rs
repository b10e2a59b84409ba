use crate::prelude::*;

/// Person or service account that uses the hub.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "principal")]
#[catalogue(
    name = "Principal",
    membership = Membership {
        name: "deputies",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT d.to_principal_id FROM delegation d JOIN principal p ON p.id = d.from_principal_id \
              WHERE p.organisation_id = {holder} \
              UNION SELECT d.from_principal_id FROM delegation d JOIN principal p ON p.id = d.to_principal_id \
              WHERE p.organisation_id = {holder}",
        turns: &[],
        doc: "people who act, or acted, for the organisation's people, and those for whom its people do",
    }
)]
pub struct Model {
    /// Shown as author of a message or an answer
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Where the person is employed
    #[field(SHR, to = "Organisation", many = "people")]
    pub organisation_id: Uuid,
    /// Where in the organisation the person works
    #[field(INT, to = "OrgUnit", many = "people")]
    pub unit_id: Option<Uuid>,
    /// The last part of a seat; unique within the organisation
    #[field(INT)]
    pub slug: String,
    /// A person or a machine
    #[field(SHR, one_of = "user service")]
    pub kind: String,
    /// Subject of the identity provider or client id, unique; a security identifier
    #[field(INT)]
    pub subject: String,
    /// A person's name; partners see it only on records that both work on
    #[field(PER)]
    pub display_name: String,
    /// Address at work
    #[field(PER)]
    pub email: Option<String>,
    /// Language and number format, BCP 47
    #[field(INT)]
    pub locale: Option<String>,
    /// Only an active account gets a token
    #[field(INT, one_of = "active locked left")]
    pub status: String,
    /// Behaviour of an employee
    #[field(PER)]
    pub last_seen_at: Option<Instant>,
}
