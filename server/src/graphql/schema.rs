//! The GraphQL schema of a view class. It is used to validate documents and to answer introspection;
//! its resolvers give nothing, since reads run as plans.

use async_graphql::dynamic::{
    Enum, EnumItem, Field, FieldFuture, InputObject, InputValue, Interface, InterfaceField, Object, Scalar, Schema,
    SchemaBuilder, Type as AnyType, TypeRef,
};
use entities::meta::Kind;

use super::{
    model::{self, Shown},
    mutation, subscription_schema, tools,
};
use crate::{
    access::{ViewClass, guard::Shape},
    catalogue::{Field as Column, Type, screaming},
    error::{Error, Result},
};

pub fn field(name: impl Into<String>, ty: TypeRef) -> Field {
    Field::new(name, ty, |_| FieldFuture::Value(None))
}

pub fn named(name: impl Into<String>) -> TypeRef {
    TypeRef::named(name.into())
}

pub fn required(name: impl Into<String>) -> TypeRef {
    TypeRef::named_nn(name.into())
}

fn list(name: impl Into<String>) -> TypeRef {
    TypeRef::named_nn_list_nn(name.into())
}

fn optional_list(name: impl Into<String>) -> TypeRef {
    TypeRef::named_nn_list(name.into())
}

pub fn build(class: &ViewClass) -> Result<Schema> {
    let mut parts: Vec<AnyType> = common();
    let mut query = Object::new("Query").description("What this seat may ask.");
    let types: Vec<&Type> = model::types(class).collect();
    if !types.is_empty() {
        parts.push(
            Interface::new("Node")
                .description("Anything with an id.")
                .field(InterfaceField::new("id", required("ID")))
                .into(),
        );
        query = query
            .field(
                field("node", named("Node"))
                    .argument(InputValue::new("id", required("ID")))
                    .description("The row with this id, if this seat may see it."),
            )
            .field(
                field("nodes", TypeRef::named_list("Node"))
                    .argument(InputValue::new("ids", list("ID")))
                    .description("The rows with these ids, in their order; null for each that this seat may not see."),
            );
    }
    for ty in &types {
        query = query.field(connection_field(ty, model::root_list(ty), ty.doc));
        query = query.field(
            field(model::aggregate_field(ty), optional_list(format!("{}Group", ty.name)))
                .argument(InputValue::new("groupBy", optional_list(format!("{}GroupBy", ty.name))))
                .argument(InputValue::new("filter", named(format!("{}Filter", ty.name))))
                .description("Numbers over the rows that this seat may see, a group for each combination of keys."),
        );
        parts.extend(entity(class, ty));
    }
    for (ty, shape) in model::guarded(class) {
        query = query.field(
            field(model::aggregate_field(ty), optional_list(format!("{}Group", ty.name)))
                .argument(InputValue::new("groupBy", optional_list(format!("{}GroupBy", ty.name))))
                .argument(InputValue::new("filter", named(format!("{}KeyFilter", ty.name))))
                .description("Sums behind which enough stand. Groups that cannot be told alone are told together."),
        );
        parts.extend(guarded(ty, shape));
    }
    parts.extend(side_enumerations(class));
    query = query.field(field("viewer", named("Viewer")).description("Who asks, and what it may see."));
    parts.extend(viewer(class));
    if class.operator {
        query = tools::extend(query, &mut parts);
    }
    let writes = mutation::schema(class);
    let mutation = (!writes.is_empty()).then_some(mutation::ROOT);
    parts.extend(writes);
    let feed = subscription_schema::build(class);
    let subscription = feed.as_ref().map(|(root, _)| root.type_name().to_owned());
    let mut schema: SchemaBuilder = Schema::build("Query", mutation, subscription.as_deref()).disable_suggestions();
    if let Some((root, events)) = feed {
        schema = schema.register(root);
        parts.extend(events);
    }
    for part in parts {
        schema = schema.register(part);
    }
    schema.register(query).finish().map_err(|e| Error::internal(format!("the GraphQL schema: {e}")))
}

fn viewer(class: &ViewClass) -> Vec<AnyType> {
    let mut viewer = Object::new("Viewer")
        .field(field("seat", required("String")).description("`organisation/role`"))
        .field(field("role", required("String")))
        .field(field("rights", list("TypeRight")).description("Every type and field that this seat may see, and how."));
    for (name, ty) in [("organisation", "Organisation"), ("person", "Principal")] {
        if model::types(class).any(|t| t.name == ty) {
            viewer = viewer.field(field(name, named(ty)));
        }
    }
    if let Some(ty) = model::types(class).find(|t| t.name == "SharingAgreement") {
        viewer = viewer.field(connection_field(ty, "agreements".into(), "The agreements that this seat may see."));
    }
    let access = Enum::new("Access")
        .item(EnumItem::new("FULL").description("As it is, in every row of the view."))
        .item(EnumItem::new("TREATED").description("Shortened, masked or rounded."))
        .item(EnumItem::new("CONDITIONAL").description("Depends on the row: null where hidden."))
        .item(EnumItem::new("AGGREGATE").description("In no row, only in sums behind which enough stand."));
    let field_right = Object::new("FieldRight")
        .field(field("field", required("String")))
        .field(field("access", required("Access")))
        .field(field("writable", required("Boolean")).description("May be changed, in some rows at least."));
    let right = Object::new("TypeRight")
        .field(field("type", required("String")))
        .field(field("fields", list("FieldRight")))
        .field(field("create", required("Boolean")).description("Rows may be made."))
        .field(field("delete", required("Boolean")).description("Rows may be deleted, some at least."));
    vec![viewer.into(), access.into(), field_right.into(), right.into()]
}

fn common() -> Vec<AnyType> {
    let scalar = |name: &str, doc: &str| -> AnyType { Scalar::new(name).description(doc).into() };
    let mut parts = vec![
        scalar("Decimal", "An exact decimal number as text, at most four digits behind the point: `\"12.5\"`."),
        scalar("DateTime", "A moment in UTC, RFC 3339: `\"2026-09-01T09:00:00Z\"`."),
        scalar("Date", "A calendar day, ISO 8601: `\"2026-09-01\"`."),
        scalar(
            "Long",
            "A whole number of 64 bits, as a JSON number: `4294967296`. It is taken as text, too: `\"4294967296\"`.",
        ),
        scalar("JSON", "Any JSON value."),
    ];
    let page_info = Object::new("PageInfo")
        .field(field("hasNextPage", required("Boolean")))
        .field(field("hasPreviousPage", required("Boolean")))
        .field(field("startCursor", named("String")))
        .field(field("endCursor", named("String")));
    let direction = Enum::new("OrderDirection").item("ASC").item("DESC");
    parts.extend([page_info.into(), direction.into()]);
    for (name, more) in [
        ("ID", &[][..]),
        ("Boolean", &[]),
        ("Int", &["gt", "gte", "lt", "lte"]),
        ("Long", &["gt", "gte", "lt", "lte"]),
        ("Decimal", &["gt", "gte", "lt", "lte"]),
        ("DateTime", &["gt", "gte", "lt", "lte"]),
        ("Date", &["gt", "gte", "lt", "lte"]),
        ("String", &["gt", "gte", "lt", "lte", "like"]),
    ] {
        parts.push(scalar_filter(name, more));
    }
    parts
}

fn scalar_filter(name: &str, more: &[&str]) -> AnyType {
    let mut filter = InputObject::new(format!("{name}Filter"));
    for op in ["eq", "ne"].iter().chain(more) {
        let doc = if *op == "like" {
            "`%` stands for any run of characters, `_` for one, `\\` takes away their meaning."
        } else {
            ""
        };
        let value = InputValue::new(*op, named(name));
        filter = filter.field(if doc.is_empty() { value } else { value.description(doc) });
    }
    for op in ["in", "notIn"].iter().filter(|_| name != "Boolean") {
        filter = filter.field(InputValue::new(*op, optional_list(name)));
    }
    filter.field(InputValue::new("isNull", named("Boolean"))).into()
}

fn connection_field(ty: &Type, name: String, doc: &str) -> Field {
    let mut out = field(name, named(format!("{}Connection", ty.name))).description(doc);
    for (arg, kind) in [("first", "Int"), ("after", "String"), ("last", "Int"), ("before", "String")] {
        out = out.argument(InputValue::new(arg, named(kind)));
    }
    out = out.argument(InputValue::new("filter", named(format!("{}Filter", ty.name))));
    out.argument(InputValue::new("orderBy", optional_list(format!("{}Order", ty.name))))
}

fn entity(class: &ViewClass, ty: &Type) -> Vec<AnyType> {
    let mut object = Object::new(ty.name).implement("Node").description(ty.doc);
    let mut filter = InputObject::new(format!("{0}Filter", ty.name));
    let whole = format!("{}Filter", ty.name);
    for word in ["and", "or"] {
        filter = filter.field(InputValue::new(word, optional_list(&whole)));
    }
    filter = filter.field(InputValue::new("not", named(&whole)));
    let mut parts: Vec<AnyType> = Vec::new();
    for shown in model::fields(class, ty) {
        match shown {
            Shown::Scalar(i, column) => {
                let name = model::scalar_name(ty, i, column);
                object = object
                    .field(described(field(&column.name, if i == 0 { required(name) } else { named(name) }), column));
                if let Some(by) = model::scalar_filter(ty, i, column) {
                    filter = filter.field(InputValue::new(&column.name, named(by)));
                }
                if !column.one_of.is_empty() {
                    parts.extend(enumeration(ty, column));
                }
            }
            Shown::One(_, column, to) => {
                object = object.field(described(field(&column.name, named(to.name)), column));
                filter = filter.field(InputValue::new(&column.name, named(format!("{}Filter", to.name))));
            }
            Shown::Many(list, of) => {
                object = object.field(connection_field(of, list.name.to_string(), of.doc));
                filter = filter.field(InputValue::new(list.name, named(format!("{}ListFilter", of.name))));
            }
        }
    }
    let edge = Object::new(format!("{}Edge", ty.name))
        .field(field("cursor", required("String")))
        .field(field("node", required(ty.name)));
    let connection = Object::new(format!("{}Connection", ty.name))
        .field(field("edges", list(format!("{}Edge", ty.name))))
        .field(field("nodes", list(ty.name)).description("The rows without their cursors."))
        .field(field("pageInfo", required("PageInfo")))
        .field(field("totalCount", required("Int")).description("Counted only when asked for."));
    let by_list = InputObject::new(format!("{}ListFilter", ty.name))
        .field(InputValue::new("some", named(&whole)).description("At least one visible row matches."))
        .field(InputValue::new("none", named(&whole)).description("No visible row matches."));
    let mut order_field = Enum::new(format!("{}OrderField", ty.name));
    for (_, column) in model::orderable(class, ty) {
        order_field = order_field.item(EnumItem::new(model::order_value(column)));
    }
    let order = InputObject::new(format!("{}Order", ty.name))
        .field(InputValue::new("field", required(format!("{}OrderField", ty.name))))
        .field(
            InputValue::new("direction", named("OrderDirection"))
                .default_value(async_graphql::Value::Enum(async_graphql::Name::new("ASC"))),
        );
    parts.extend([
        object.into(),
        filter.into(),
        edge.into(),
        connection.into(),
        by_list.into(),
        order_field.into(),
        order.into(),
    ]);
    parts.extend(aggregates(class, ty));
    parts
}

fn described(field: Field, column: &Column) -> Field {
    let unit = column.unit.map(|unit| format!("Unit: {unit}."));
    let range = column.range().map(|range| format!("Range: {range}."));
    let parts: Vec<String> = [unit, range].into_iter().flatten().collect();
    field.description(if parts.is_empty() { column.doc.into() } else { format!("{}. {}", column.doc, parts.join(" ")) })
}

fn enumeration(ty: &Type, column: &Column) -> Vec<AnyType> {
    let name = model::enum_name(ty, column);
    let mut values = Enum::new(&name);
    for value in column.one_of {
        values = values.item(EnumItem::new(model::enum_value(value)));
    }
    vec![values.into(), scalar_filter(&name, &[])]
}

fn aggregates(class: &ViewClass, ty: &Type) -> Vec<AnyType> {
    let mut parts: Vec<AnyType> = Vec::new();
    let mut group = Object::new(format!("{}Group", ty.name))
        .field(field("count", required("Int")).description("The rows of the group."));
    let keys = model::group_keys(class, ty);
    let mut group_by = Enum::new(format!("{}GroupBy", ty.name));
    let mut key =
        Object::new(format!("{}Key", ty.name)).description("The keys asked for in `groupBy`; the others are null.");
    for k in &keys {
        group_by = group_by.item(EnumItem::new(&k.value));
        let of = crate::catalogue::CATALOGUE.ty(k.ty);
        let name =
            if k.bucket.is_some() { "Date".into() } else { model::scalar_name(of, k.field, &of.fields[k.field]) };
        key = key.field(field(&k.name, named(name)));
    }
    if keys.is_empty() {
        group_by = group_by.item(EnumItem::new("NONE").description("There is nothing to group by."));
        key = key.field(field("none", named("String")));
    }
    group = group.field(field("key", required(format!("{}Key", ty.name))));
    parts.extend([group_by.into(), key.into()]);
    for (word, numbers_only) in [("sum", true), ("avg", true), ("min", false), ("max", false)] {
        let pick = |(i, f): &(usize, &Column)| if numbers_only { model::numeric(f) } else { model::comparable(*i, f) };
        let columns: Vec<_> = model::scalars(class, ty).filter(pick).collect();
        if columns.is_empty() {
            continue;
        }
        let name = format!("{}{}", ty.name, crate::catalogue::pascal(word));
        let mut object = Object::new(&name);
        for (i, column) in columns {
            let value = match (word, column.kind) {
                ("avg", _) | ("sum", Kind::Decimal) => "Decimal".to_string(),
                // a sum of whole numbers may be longer than GraphQL's Int
                ("sum", _) => "Decimal".to_string(),
                _ => model::scalar_name(ty, i, column),
            };
            object = object.field(described(field(&column.name, named(value)), column));
        }
        group = group.field(field(word, required(name)));
        parts.push(object.into());
    }
    parts.push(group.into());
    parts
}

/// A type that is shown in sums only: no row, no order, and no filter but of whole cells.
fn guarded(ty: &Type, shape: &Shape) -> Vec<AnyType> {
    let mut group_by = Enum::new(format!("{}GroupBy", ty.name));
    let mut key = Object::new(format!("{}Key", ty.name)).description(
        "The keys asked for in `groupBy`; the others are null, and those in which suppressed groups differ.",
    );
    let whole = format!("{}KeyFilter", ty.name);
    let mut filter =
        InputObject::new(&whole).description("Which cells count. A number that would tell others is left out.");
    for word in ["and", "or"] {
        filter = filter.field(InputValue::new(word, optional_list(&whole)));
    }
    filter = filter.field(InputValue::new("not", named(&whole)));
    for side in shape.grid.iter() {
        let name = model::side_name(side);
        let column = &crate::catalogue::CATALOGUE.ty(side.of).fields[side.field];
        group_by = group_by.item(EnumItem::new(screaming(&side.name)));
        key = key.field(described(field(&side.name, named(&name)), column));
        filter = filter.field(InputValue::new(&side.name, named(format!("{name}Filter"))));
    }
    let mut group = Object::new(format!("{}Group", ty.name))
        .field(field("count", required("Int")).description("The rows of the group."))
        .field(field("key", required(format!("{}Key", ty.name))))
        .field(field("suppressed", required("Boolean")).description(
            "Several groups together that may not be told apart: too few stand behind one of them or one stands out \
             (primary suppression), or it would give such a one by subtraction (complementary suppression).",
        ));
    let mut parts: Vec<AnyType> = vec![group_by.into(), key.into(), filter.into()];
    for word in ["sum", "avg"] {
        let name = format!("{}{}", ty.name, crate::catalogue::pascal(word));
        let mut object = Object::new(&name);
        for measure in &shape.measures {
            let column = &ty.fields[*measure];
            object = object.field(described(field(&column.name, named("Decimal")), column));
        }
        group = group.field(field(word, required(name)));
        parts.push(object.into());
    }
    parts.push(group.into());
    parts
}

/// Closed sets of values by which sums are grouped, unless a row shows them anyway.
fn side_enumerations(class: &ViewClass) -> Vec<AnyType> {
    let mut known = std::collections::BTreeSet::new();
    let sides = model::guarded(class).flat_map(|(_, shape)| shape.grid.iter());
    let closed = sides.filter(|side| side.bucket.is_none() && !class.sees(side.of, side.field));
    closed
        .flat_map(|side| {
            let of = crate::catalogue::CATALOGUE.ty(side.of);
            let column = &of.fields[side.field];
            let new = !column.one_of.is_empty() && known.insert((side.of, side.field));
            if new { enumeration(of, column) } else { Vec::new() }
        })
        .collect()
}
