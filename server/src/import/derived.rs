//! Values that a row need not bring because they follow from its others. The rule itself stands beside
//! the entity; here is only which fields it reads and fills.

use entities::{Decimal, order_line};

use crate::catalogue::{Type, Value};

/// A field that is computed when the row leaves it empty.
pub(super) struct Derived {
    pub(super) target: usize,
    pub(super) inputs: [usize; 3],
}

impl Derived {
    pub(super) fn of(ty: &Type) -> Option<Self> {
        if ty.name != "OrderLine" {
            return None;
        }
        let field = |name| ty.field_index(name);
        Some(Derived {
            target: field("netAmount")?,
            inputs: [field("qty")?, field("unitPrice")?, field("discountPct")?],
        })
    }

    /// `None` if the row does not hold what the rule reads.
    pub(super) fn value(&self, of: impl Fn(usize) -> Option<Value>) -> Option<Value> {
        let number = |at: usize| match of(at) {
            Some(Value::Decimal(number)) => Some(number),
            _ => None,
        };
        let [qty, price, discount] = self.inputs;
        let discount = number(discount).unwrap_or(Decimal(0));
        order_line::net_amount(number(qty)?, number(price)?, discount).map(Value::Decimal)
    }
}
