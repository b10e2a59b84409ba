//! The policy tools and the check of the access log, as fields of an operator's schema. `tools.graphql` is the one
//! definition of what they give: the schema is built from it, documents are planned and answers written by it.

mod answer;
mod desk;

use std::sync::LazyLock;

use async_graphql::{
    Name,
    dynamic::{Enum, EnumItem, InputObject, InputValue, Object, Type as AnyType, TypeRef},
    parser::{
        self,
        types::{
            BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};
use async_graphql_value::Value;
use serde_json::Value as Json;

pub use answer::Asker;
pub use desk::Desk;

use super::{
    compile::{Compiler, Wanted},
    json,
    plan::Root,
    schema,
};
use crate::error::{Error, Result};

static DEFINITIONS: LazyLock<Vec<TypeDefinition>> = LazyLock::new(|| {
    let text = include_str!("tools.graphql");
    let document = parser::parse_schema(text).unwrap_or_else(|error| unreachable!("tools.graphql: {error}"));
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(ty) => Some(ty.node),
        _ => None,
    });
    types.collect()
});

/// The names of the arguments: no plan depends on their values.
pub const ARGUMENTS: &[&str] = &["as", "at", "field", "files", "head", "live", "row", "to", "type"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Version,
    Files,
    CedarSchema,
    Check,
    Test,
    Matrix,
    Explain,
    Diff,
    Prove,
    Schema,
    AuditVerify,
}

impl Tool {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "version" => Tool::Version,
            "files" => Tool::Files,
            "cedarSchema" => Tool::CedarSchema,
            "check" => Tool::Check,
            "test" => Tool::Test,
            "matrix" => Tool::Matrix,
            "explain" => Tool::Explain,
            "diff" => Tool::Diff,
            "prove" => Tool::Prove,
            "schema" => Tool::Schema,
            "auditVerify" => Tool::AuditVerify,
            _ => return None,
        })
    }

    /// In objects that a query could return instead: it counts against the same limit.
    const fn cost(self) -> usize {
        match self {
            Tool::Version | Tool::Files | Tool::CedarSchema => 10,
            Tool::Schema => 1_000,
            Tool::Check | Tool::Explain => 2_000,
            Tool::Matrix | Tool::AuditVerify => 20_000,
            Tool::Test | Tool::Diff => 40_000,
            Tool::Prove => 60_000,
        }
    }
}

/// One use of a tool in a document.
#[derive(Debug)]
pub struct Call {
    tool: Tool,
    arguments: Vec<(Name, Value)>,
    /// The fields of the answer: what nobody asks for is not worked out.
    asked: Vec<String>,
}

/// What of a tool's answer a document asks for.
#[derive(Debug)]
pub enum Shape {
    Plain,
    Enum,
    /// The type's name; per answer key the field.
    Object(&'static str, Vec<(String, String, Shape)>),
}

fn definition(name: &str) -> Option<&'static TypeDefinition> {
    DEFINITIONS.iter().find(|ty| ty.name.node == name)
}

fn field(ty: &str, name: &str) -> Result<&'static FieldDefinition> {
    let fields = definition(ty).and_then(|ty| match &ty.kind {
        TypeKind::Object(object) => Some(&object.fields),
        _ => None,
    });
    let found = fields.into_iter().flatten().find(|field| field.node.name.node == name);
    found.map(|field| &field.node).ok_or_else(|| Error::Validation(format!("unknown field `{name}`")))
}

// ---- the schema

/// The fields of the root, and the types behind them.
pub fn extend(mut query: Object, parts: &mut Vec<AnyType>) -> Object {
    for ty in DEFINITIONS.iter() {
        let name = ty.name.node.as_str();
        let doc = ty.description.as_ref().map(|doc| doc.node.as_str());
        match &ty.kind {
            TypeKind::Object(object) => {
                let fields = object.fields.iter().map(|field| written(&field.node));
                if ty.extend {
                    query = fields.fold(query, Object::field);
                    continue;
                }
                let object = fields.fold(Object::new(name), Object::field);
                parts.push(match doc {
                    Some(doc) => object.description(doc).into(),
                    None => object.into(),
                });
            }
            TypeKind::InputObject(input) => {
                let fields = input.fields.iter().map(|field| argument(&field.node));
                parts.push(fields.fold(InputObject::new(name), InputObject::field).into());
            }
            TypeKind::Enum(values) => {
                let items = values.values.iter().map(|value| {
                    let item = EnumItem::new(value.node.value.node.as_str());
                    match &value.node.description {
                        Some(doc) => item.description(doc.node.as_str()),
                        None => item,
                    }
                });
                parts.push(items.fold(Enum::new(name), Enum::item).into());
            }
            TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::Union(_) => {}
        }
    }
    query
}

fn written(of: &FieldDefinition) -> async_graphql::dynamic::Field {
    let field = schema::field(of.name.node.as_str(), reference(&of.ty.node));
    let field = of.arguments.iter().fold(field, |field, of| field.argument(argument(&of.node)));
    match &of.description {
        Some(doc) => field.description(doc.node.as_str()),
        None => field,
    }
}

fn argument(of: &InputValueDefinition) -> InputValue {
    let mut value = InputValue::new(of.name.node.as_str(), reference(&of.ty.node));
    if let Some(doc) = &of.description {
        value = value.description(doc.node.as_str());
    }
    match &of.default_value {
        Some(default) => value.default_value(default.node.clone()),
        None => value,
    }
}

fn reference(ty: &Type) -> TypeRef {
    let base = match &ty.base {
        BaseType::Named(name) => TypeRef::named(name.as_str()),
        BaseType::List(of) => TypeRef::List(Box::new(reference(of))),
    };
    if ty.nullable { base } else { TypeRef::NonNull(Box::new(base)) }
}

// ---- documents

/// Everything under `policies`.
pub fn policies<'a>(compiler: &mut Compiler<'a>, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
    let (mut parts, mut cost) = (Vec::new(), 1usize);
    for (key, wanted) in &compiler.collect(&wanted.inner, "Policies", &[])? {
        let root = if wanted.field.name.node == "__typename" {
            Root::Ready(json::text("Policies"))
        } else {
            let (root, price) = call(compiler, "Policies", wanted)?;
            cost = cost.saturating_add(price);
            root
        };
        parts.push((key.clone(), root));
    }
    Ok((Root::Parts(parts), cost))
}

/// One tool, a field of this type.
pub fn call<'a>(compiler: &mut Compiler<'a>, of: &str, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
    let name = wanted.field.name.node.as_str();
    let field = field(of, name)?;
    let tool = Tool::named(name).ok_or_else(|| Error::internal(format!("there is no tool `{name}`")))?;
    let shape = Shape::of(compiler, &field.ty.node, &wanted.inner)?;
    let asked = match &shape {
        Shape::Object(_, parts) => parts.iter().map(|(_, field, _)| field.clone()).collect(),
        Shape::Plain | Shape::Enum => Vec::new(),
    };
    let arguments =
        wanted.field.arguments.iter().map(|(name, value)| (name.node.clone(), value.node.clone())).collect();
    let call = compiler.call(Call { tool, arguments, asked });
    Ok((Root::Told { call, shape }, tool.cost()))
}

impl Shape {
    fn of<'a>(compiler: &Compiler<'a>, ty: &Type, inner: &[&'a parser::types::SelectionSet]) -> Result<Self> {
        let name = match &ty.base {
            BaseType::List(of) => return Shape::of(compiler, of, inner),
            BaseType::Named(name) => name,
        };
        let Some(ty) = definition(name) else { return Ok(Shape::Plain) };
        if matches!(ty.kind, TypeKind::Enum(_)) {
            return Ok(Shape::Enum);
        }
        let mut parts = Vec::new();
        for (key, wanted) in &compiler.collect(inner, name, &[])? {
            let asked = wanted.field.name.node.as_str();
            let shape = match asked {
                "__typename" => Shape::Plain,
                _ => Shape::of(compiler, &field(name, asked)?.ty.node, &wanted.inner)?,
            };
            parts.push((key.clone(), asked.to_owned(), shape));
        }
        Ok(Shape::Object(&ty.name.node, parts))
    }

    pub fn write(&self, value: &Json, out: &mut Vec<u8>) {
        match (self, value) {
            (_, Json::Array(items)) => {
                out.push(b'[');
                for item in items {
                    json::comma(out, b'[');
                    self.write(item, out);
                }
                out.push(b']');
            }
            (Shape::Object(ty, parts), Json::Object(fields)) => {
                out.push(b'{');
                for (key, name, shape) in parts {
                    json::comma(out, b'{');
                    json::string(key, out);
                    out.push(b':');
                    match name.as_str() {
                        "__typename" => json::string(ty, out),
                        name => shape.write(fields.get(name).unwrap_or(&Json::Null), out),
                    }
                }
                out.push(b'}');
            }
            (Shape::Enum, Json::String(word)) => json::string(&word.to_uppercase().replace(' ', "_"), out),
            (_, value) => out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_a_tool_and_every_argument_is_named() {
        let fields = |ty: &str| match &definition(ty).unwrap().kind {
            TypeKind::Object(object) => object.fields.iter().map(|f| f.node.clone()).collect::<Vec<_>>(),
            _ => panic!("{ty} is no object"),
        };
        let root = fields("Query").into_iter().filter(|field| field.name.node != "policies");
        for field in fields("Policies").into_iter().chain(root) {
            assert!(Tool::named(&field.name.node).is_some(), "{}", field.name.node);
            for argument in &field.arguments {
                assert!(ARGUMENTS.contains(&argument.node.name.node.as_str()), "{}", argument.node.name.node);
            }
        }
    }
}
