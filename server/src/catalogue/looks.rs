//! The rows in which somebody has opened a hidden field, a set for each field. They are made here and not declared
//! by an entity: no policy names them, a permit of the tier `glass` asks them by itself.

use entities::meta::{Holder, Membership, Turn};

use super::{Field, Type};

pub(super) fn at(ty: &Type, field: &Field) -> Membership {
    let here = format!("principal_id = {{holder}} AND object_type = '{}' AND field = '{}'", ty.name, field.name);
    let sql = format!("SELECT object_id FROM break_glass WHERE {here} AND opened_at <= {{now}} AND ends_at > {{now}}");
    // the catalogue is made once and stays
    let turn = Turn { table: "break_glass", columns: &["opened_at", "ends_at"], filter: here.leak(), after: 0 };
    Membership {
        name: format!("looks at {}.{}", ty.name, field.name).leak(),
        holder: Holder::Principal,
        code: None,
        sql: sql.leak(),
        turns: vec![turn].leak(),
        doc: "rows in which the person has opened this field",
    }
}
