use crate::prelude::*;

/// Company or other party of the hub, ours included; what it is to us stands in its roles.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "organisation")]
#[catalogue(
    name = "Organisation",
    membership = Membership {
        name: "counterparties",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT grantee_id FROM sharing_agreement WHERE grantor_id = {holder} AND status <> 'draft' \
              UNION SELECT grantor_id FROM sharing_agreement WHERE grantee_id = {holder} AND status <> 'draft'",
        turns: &[],
        doc: "the other side of every agreement of the organisation that is more than a draft",
    },
    membership = Membership {
        name: "recentPartners",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT id FROM organisation WHERE id = {holder} AND (\
              EXISTS (SELECT 1 FROM sharing_agreement a WHERE a.grantee_id = {holder} AND a.status <> 'draft' \
              AND (a.valid_to IS NULL OR a.valid_to > {now} - \
              CASE WHEN a.read_after_end_days < 36500 THEN a.read_after_end_days ELSE 36500 END * 86400000000)) \
              OR NOT EXISTS (SELECT 1 FROM sharing_agreement a WHERE a.grantee_id = {holder} AND a.status <> 'draft'))",
        turns: &[Turn {
            table: "sharing_agreement",
            columns: &["valid_to + read_after_end_days"],
            filter: "grantee_id = {holder} AND status <> 'draft'",
            after: 0,
        }],
        doc: "the organisation itself, while an agreement with it runs and for as many days after as the agreement says \
              (`readAfterEndDays`): so long it reads what it gave; also before its first agreement",
    }
)]
pub struct Model {
    /// Stable key that partners store on their side
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(PUB)]
    pub id: Uuid,
    /// How seats and addresses name the organisation
    #[field(PUB)]
    pub slug: String,
    /// Group structure; that two partners belong together can be sensitive before a merger is announced
    #[field(SHR, to = "Organisation", many = "subsidiaries")]
    pub parent_id: Option<Uuid>,
    /// Every partner must be able to name its counterpart
    #[field(PUB)]
    pub display_name: String,
    /// Needed on agreements only
    #[field(SHR)]
    pub legal_name: String,
    /// ISO 3166-1 alpha-2; needed where data on persons leaves a country
    #[field(PUB)]
    pub country: String,
    /// Our sales region
    #[field(SHR, code = "Region")]
    pub region: String,
    /// DUNS, LEI, GLN, BPNL; lets a partner match its own master data
    #[field(SHR)]
    pub external_ids: Option<Json>,
    /// Gold or silver reveals the discount level to competitors
    #[field(SEC)]
    pub partner_tier: Option<String>,
    /// Our opinion of a supplier, never shown to it
    #[field(INT)]
    pub risk_rating: Option<String>,
    /// Number of the non-disclosure contract
    #[field(INT)]
    pub nda_ref: Option<String>,
    /// Number of the contract under which data on persons in the EU may go to it, wherever it sits
    #[field(INT)]
    pub transfer_contract: Option<String>,
    /// Address of whoever answers for data on persons, which the law makes public
    #[field(PUB)]
    pub privacy_contact: Option<String>,
    /// Whether we work with it at present
    #[field(SHR, one_of = "active suspended")]
    pub status: String,
    /// Metadata
    #[field(INT, filled = "created_at")]
    pub created_at: Instant,
}
