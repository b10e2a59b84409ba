use crate::prelude::*;

/// Account: the firm or household that buys.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "customer")]
#[catalogue(
    name = "Customer",
    owner = "owner",
    scope = Scope { object: "customer", product: None, region: Some("region"), customer: Some("id") },
    membership = Membership {
        name: "accounts",
        holder: Holder::Principal,
        code: None,
        sql: "SELECT customer_id FROM customer_team WHERE principal_id = {holder}",
        turns: &[],
        doc: "customers whose account team the person belongs to",
    }
)]
pub struct Model {
    /// Opaque; every organisation gets its own id for the same customer
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Set when the customer itself logs in
    #[field(INT, to = "Organisation")]
    pub organisation_id: Option<Uuid>,
    /// Who our customers are is our main secret; shared per agreement only
    #[field(SEC, groups = "identity")]
    pub name: String,
    /// What partners see for an NDA customer
    #[field(SHR)]
    pub code_name: Option<String>,
    /// Our marketing view
    #[field(INT)]
    pub segment: String,
    /// Useful to suppliers, low risk when enough customers stand behind a number
    #[field(SHR)]
    pub industry: Option<String>,
    /// ISO 3166-1 alpha-2
    #[field(SHR)]
    pub country: String,
    /// Row key of most distributor agreements
    #[field(SHR, code = "Region")]
    pub region: String,
    /// Personal for households, and identifies small firms; shown as two characters
    #[field(PER, groups = "place")]
    pub postcode: Option<String>,
    /// As the postcode
    #[field(PER, groups = "place")]
    pub city: Option<String>,
    /// Only for the delivering partner
    #[field(PER, groups = "place")]
    pub street: Option<String>,
    /// Account manager
    #[field(INT, to = "Principal", groups = "identity")]
    pub owner_id: Option<Uuid>,
    /// Where the relationship stands
    #[field(INT, one_of = "lead prospect customer at_risk lost")]
    pub lifecycle_stage: String,
    /// A customer or partner must never read `harvest`
    #[field(SEC, one_of = "protect re_engineer enhance harvest end win_back start")]
    pub portfolio_strategy: Option<String>,
    /// 0 none, 1 name hidden from partners, 2 existence hidden from partners
    #[field(INT)]
    pub nda_level: i16,
    /// Finance only
    #[field(SEC, groups = "finance", least = 0)]
    pub credit_limit: Option<Decimal>,
    /// What the customer earns, not what it buys
    #[field(SEC)]
    pub annual_revenue: Option<Decimal>,
    /// Customer lifetime value, from analytical CRM
    #[field(SEC)]
    pub clv: Option<Decimal>,
    /// Between 0 and 1; a partner could poach an at-risk customer
    #[field(SEC)]
    pub churn_risk: Option<Decimal>,
    /// The distributor in charge
    #[field(SHR, to = "Organisation", many = "assignedCustomers")]
    pub assigned_partner_id: Option<Uuid>,
    /// Metadata
    #[field(INT, filled = "created_at")]
    pub created_at: Instant,
    /// Needed for incremental synchronisation
    #[field(SHR, filled = "changed_at")]
    pub updated_at: Instant,
}
