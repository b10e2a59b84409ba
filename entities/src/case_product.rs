use crate::prelude::*;

/// Product and lot that a case concerns.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "case_product")]
#[catalogue(
    name = "CaseProduct",
    owner = "case.owner",
    membership = Membership {
        name: "suppliedLots",
        holder: Holder::Organisation,
        code: None,
        sql: concat!(
            supplied_parts!(),
            " SELECT l.id FROM case_product l JOIN part p ON p.product_id = l.product_id \
             WHERE p.valid_from <= l.delivered_on AND (p.valid_to IS NULL OR p.valid_to > l.delivered_on)"
        ),
        turns: &[],
        doc: "lots of a part that the organisation supplied on the day of delivery, or of what held it then",
    },
    membership = Membership {
        name: "safetyLots",
        holder: Holder::Organisation,
        code: None,
        sql: endangered!("p.id"),
        turns: &[],
        doc: "lots in safety cases that the organisation supplied or sold",
    }
)]
pub struct Model {
    /// Key of the row
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The case
    #[field(SHR, to = "Case", many = "products")]
    pub case_id: Uuid,
    /// Decides which supplier sees the case
    #[field(SHR, to = "Product", many = "caseProducts")]
    pub product_id: Uuid,
    /// Which lot; links to order lines and recalls
    #[field(SHR)]
    pub lot_no: Option<String>,
    /// A serial number identifies a household's device
    #[field(PER)]
    pub serial_no: Option<String>,
    /// Who supplied it is decided at this date; unknown means nobody
    #[field(SHR)]
    pub delivered_on: Option<Date>,
}

/// `$select` of the lots in safety cases that `{holder}` supplied or sold. It is written so that both databases
/// begin with the few safety cases: beginning with all that the holder sold takes SQLite a hundred times longer.
macro_rules! endangered {
    ($select:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM case_product p WHERE p.case_id IN (SELECT c.id FROM crm_case c WHERE c.safety_flag = TRUE) \
             AND EXISTS (SELECT 1 FROM order_line l JOIN sales_order o ON o.id = l.order_id \
             WHERE l.lot_no = p.lot_no AND l.product_id = p.product_id \
             AND (l.source_id = {holder} OR o.sold_by_id = {holder}))"
        )
    };
}
pub(crate) use endangered;

/// The parts that `{holder}` supplies and, upwards through the bill of material, everything that holds
/// them, each with the days on which the whole chain holds. `UNION` drops what is known already, so that
/// a bill of material with a circle ends too.
macro_rules! supplied_parts {
    () => {
        "WITH RECURSIVE part(product_id, valid_from, valid_to) AS (\
         SELECT product_id, valid_from, valid_to FROM partner_product \
         WHERE organisation_id = {holder} AND role = 'supplies' \
         UNION SELECT c.product_id, \
         CASE WHEN c.valid_from > p.valid_from THEN c.valid_from ELSE p.valid_from END, \
         CASE WHEN p.valid_to IS NULL OR c.valid_to < p.valid_to THEN c.valid_to ELSE p.valid_to END \
         FROM part p JOIN product_component c ON c.component_id = p.product_id \
         WHERE (p.valid_to IS NULL OR c.valid_from < p.valid_to) \
         AND (c.valid_to IS NULL OR p.valid_from < c.valid_to))"
    };
}
pub(crate) use supplied_parts;
