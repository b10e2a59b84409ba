use crate::prelude::*;

/// Service case. Its texts exist twice, internal and shared: a person releases text, nobody masks names reliably.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "crm_case")]
#[catalogue(
    name = "Case",
    owner = "owner",
    scope = Scope { object: "case", product: None, region: Some("region"), customer: Some("customer") },
    membership = Membership {
        name: "suppliedCases",
        holder: Holder::Organisation,
        code: None,
        sql: concat!(
            crate::case_product::supplied_parts!(),
            " SELECT l.case_id FROM case_product l JOIN part p ON p.product_id = l.product_id \
             WHERE p.valid_from <= l.delivered_on AND (p.valid_to IS NULL OR p.valid_to > l.delivered_on)"
        ),
        turns: &[],
        doc: "cases about a part that the organisation supplied on the day of delivery, or what held it then",
    },
    membership = Membership {
        name: "partyCases",
        holder: Holder::Organisation,
        code: None,
        sql: "SELECT case_id FROM case_party WHERE organisation_id = {holder} \
              AND valid_from <= {now} AND (valid_to IS NULL OR valid_to > {now})",
        turns: &[Turn { table: "case_party", columns: &["valid_from", "valid_to"], filter: "organisation_id = {holder}", after: 0 }],
        doc: "cases that the organisation is invited to at present",
    },
    membership = Membership {
        name: "safetyCases",
        holder: Holder::Organisation,
        code: None,
        sql: crate::case_product::endangered!("p.case_id"),
        turns: &[],
        doc: "safety cases about a lot that the organisation supplied or sold",
    }
)]
pub struct Model {
    /// Key of the case
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// What people call the case
    #[field(SHR)]
    pub number: String,
    /// Who complains; hidden from suppliers
    #[field(SEC, to = "Customer", many = "cases")]
    pub customer_id: Option<Uuid>,
    /// The person we talk to
    #[field(PER, to = "Contact", many = "cases")]
    pub contact_id: Option<Uuid>,
    /// How the case came in
    #[field(INT, one_of = "phone email portal chat social")]
    pub channel: String,
    /// How far the case has come
    #[field(SHR, one_of = "open in_progress waiting resolved closed")]
    pub status: String,
    /// 1 is the most severe
    #[field(SHR)]
    pub severity: i16,
    /// A danger to people: those concerned are told whatever their agreement says
    #[field(SHR)]
    pub safety_flag: bool,
    /// What the agent typed: often holds names
    #[field(INT, groups = "text")]
    pub subject_internal: String,
    /// Text released for partners
    #[field(SHR, groups = "text")]
    pub subject_shared: Option<String>,
    /// What the agent typed: often holds names
    #[field(INT, groups = "text")]
    pub description_internal: Option<String>,
    /// Text released for partners
    #[field(SHR, groups = "text")]
    pub description_shared: Option<String>,
    /// What we found out
    #[field(INT, groups = "text")]
    pub root_cause: Option<String>,
    /// Who is to blame is a legal matter
    #[field(SEC, to = "Organisation")]
    pub liable_id: Option<Uuid>,
    /// Where the customer is
    #[field(SHR, code = "Region")]
    pub region: String,
    /// The agent in charge
    #[field(INT, to = "Principal")]
    pub owner_id: Option<Uuid>,
    /// When it came in
    #[field(SHR)]
    pub opened_at: Instant,
    /// Until when we must have answered
    #[field(SHR)]
    pub first_response_due: Option<Instant>,
    /// Until when it must be solved
    #[field(SHR)]
    pub resolution_due: Option<Instant>,
    /// When it was closed; personal data hides some days later
    #[field(SHR)]
    pub closed_at: Option<Instant>,
    /// How content the customer was, 1 to 5
    #[field(INT)]
    pub csat: Option<i16>,
}
