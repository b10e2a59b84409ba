use crate::prelude::*;

/// Line of an order: the demand itself.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "order_line")]
#[catalogue(
    name = "OrderLine",
    owner = "order.owner",
    scope = Scope {
        object: "order",
        product: Some("product"),
        region: Some("order.ship_to_region"),
        customer: Some("order.customer"),
    },
    behind = Behind::One("order.customer")
)]
pub struct Model {
    /// Key of the line
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// The order
    #[field(SHR, to = "SalesOrder", many = "lines")]
    pub order_id: Uuid,
    /// Place within the order
    #[field(SHR)]
    pub line_no: i32,
    /// What was ordered
    #[field(SHR, to = "Product", many = "orderLines")]
    pub product_id: Uuid,
    /// The demand, in the line's unit of measure
    #[field(SHR)]
    pub qty: Decimal,
    /// Unit of measure
    #[field(SHR)]
    pub uom: String,
    /// Agreed price of one unit
    #[field(SEC, groups = "finance", least = 0)]
    pub unit_price: Option<Decimal>,
    /// Discount on the price
    #[field(SEC, groups = "finance", unit = "percent", least = 0, most = 100)]
    pub discount_pct: Option<Decimal>,
    /// What one unit costs us
    #[field(SEC, groups = "finance", least = 0)]
    pub unit_cost: Option<Decimal>,
    /// Quantity × unit price less discount; kept so that revenue is one sum
    #[field(SEC, groups = "finance")]
    pub net_amount: Option<Decimal>,
    /// Day the order was placed: the time axis of order demand, kept on the line so that buckets need no join
    #[field(SHR)]
    pub ordered_on: Date,
    /// The day the customer wants it
    #[field(SHR)]
    pub requested_date: Date,
    /// The day we confirmed
    #[field(SHR)]
    pub confirmed_date: Option<Date>,
    /// The supplier that delivers the line: the row key of supplier visibility
    #[field(SEC, to = "Organisation")]
    pub source_id: Option<Uuid>,
    /// Links to cases and recalls
    #[field(SHR)]
    pub lot_no: Option<String>,
    /// How far the line has come
    #[field(SHR, one_of = "open confirmed shipped invoiced cancelled")]
    pub status: String,
}

/// What a line earns: quantity × unit price less discount, rounded once, half away from zero, to the
/// four digits that are kept. `None` when that is more than can be kept.
pub fn net_amount(qty: Decimal, unit_price: Decimal, discount_pct: Decimal) -> Option<Decimal> {
    const WHOLE: i128 = 100 * Decimal::SCALE as i128;
    let full = i128::from(qty.0) * i128::from(unit_price.0);
    let net = full.checked_mul(WHOLE - i128::from(discount_pct.0))?;
    // two scales too many from the factors, less the one that is kept, and the hundred of the percent
    let unit = WHOLE * i128::from(Decimal::SCALE);
    let half = if net < 0 { -unit / 2 } else { unit / 2 };
    i64::try_from((net + half) / unit).ok().map(Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_amounts_are_exact_where_they_can_be() {
        let net = |qty: &str, price: &str, pct: &str| {
            let read = |text: &str| text.parse::<Decimal>().expect("a number");
            net_amount(read(qty), read(price), read(pct)).map(|d| d.to_string())
        };
        assert_eq!(net("10", "9.8", "0"), Some("98".into()));
        assert_eq!(net("35", "9.65", "15"), Some("287.0875".into()));
        assert_eq!(net("1", "0.0001", "50"), Some("0.0001".into()));
        assert_eq!(net("-1", "0.0001", "50"), Some("-0.0001".into()));
        assert_eq!(net("1", "0.0001", "51"), Some("0".into()));
        assert_eq!(net("900000000000000", "900000000000000", "0"), None);
    }
}
