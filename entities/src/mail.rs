use crate::prelude::*;

/// An e-mail of the hub's: written in the transaction that it tells of, sent afterwards.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "mail")]
#[catalogue(name = "Mail", closed)]
pub struct Model {
    /// Key of the mail; its Message-ID, so that a mail that comes twice is known
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(INT)]
    pub id: Uuid,
    /// Address of the person who gets it
    #[field(PER)]
    pub recipient: String,
    /// What it is about
    #[field(INT)]
    pub subject: String,
    /// Plain text
    #[field(INT)]
    pub body: String,
    /// When it was written
    #[field(INT)]
    pub created_at: Instant,
    /// How often sending it was begun
    #[field(INT)]
    pub attempts: i32,
    /// When it is tried next
    #[field(INT)]
    pub next_at: Instant,
    /// When a server took it
    #[field(INT)]
    pub sent_at: Option<Instant>,
    /// Why the last attempt failed
    #[field(INT)]
    pub problem: Option<String>,
}
