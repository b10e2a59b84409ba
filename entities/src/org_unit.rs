use crate::prelude::*;

/// Department, plant, warehouse or sales region of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "org_unit")]
#[catalogue(
    name = "OrgUnit",
    membership = Membership {
        name: "territory",
        holder: Holder::Principal,
        code: Some("Region"),
        sql: "WITH RECURSIVE unit(id, region) AS (\
              SELECT u.id, u.region FROM role_assignment a JOIN org_unit u ON u.id = a.scope_unit_id \
              WHERE a.principal_id = {holder} AND a.valid_from <= {now} AND (a.valid_to IS NULL OR a.valid_to > {now}) \
              UNION SELECT u.id, u.region FROM unit p JOIN org_unit u ON u.parent_id = p.id) \
              SELECT region FROM unit",
        turns: &[Turn { table: "role_assignment", columns: &["valid_from", "valid_to"], filter: "principal_id = {holder}", after: 0 }],
        doc: "regions of the units, and of all units below them, that the person's present roles are limited to",
    }
)]
pub struct Model {
    /// Key of the unit
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Whose unit it is
    #[field(SHR, to = "Organisation", many = "units")]
    pub organisation_id: Uuid,
    /// Our organisation chart
    #[field(INT, to = "OrgUnit", many = "children")]
    pub parent_id: Option<Uuid>,
    /// The plant's name is needed on demand and stock
    #[field(SHR)]
    pub name: String,
    /// What sort of unit it is
    #[field(SHR, one_of = "department plant warehouse sales_region")]
    pub kind: String,
    /// ISO 3166-1 alpha-2
    #[field(SHR)]
    pub country: String,
    /// Sales region that the unit lies in or answers for
    #[field(SHR, code = "Region")]
    pub region: String,
    /// Finance only
    #[field(INT, groups = "finance")]
    pub cost_centre: Option<String>,
}
