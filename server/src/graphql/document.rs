//! A document before it is planned: its limits, counted over what it expands to and without expanding
//! it, and what its variables decide. A few hundred bytes of nested fragments can stand for gigabytes.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};
use async_graphql_value::Value;
use serde_json::{Map, Value as Json};

use super::{Limits, tools};
use crate::error::{Error, Result};

/// What of a variable's value a plan depends on; all else is bound when the plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Which parts are there.
    Shape,
    /// Which values of the cursor are null.
    Cursor,
    /// The type that the id names.
    Id,
    /// The value itself: page sizes, orders, conditions of `@skip`.
    Value,
}

#[derive(Debug)]
pub struct Document {
    pub ast: ExecutableDocument,
    pub operation: Option<Name>,
    pub roles: BTreeMap<Name, Role>,
    /// Where arguments stand whose values come from variables.
    pub bound: HashSet<Pos>,
    required: Vec<Name>,
    defaults: Vec<(Name, Json)>,
    /// Distinguishes documents in the key of a plan.
    pub id: u64,
}

/// What a selection expands to.
#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    depth: usize,
    aliases: usize,
    directives: usize,
    /// Lists of introspection in each other, each of which multiplies the answer.
    lists: usize,
}

/// What a tool asks needs one; two leave room.
const INTROSPECTION_LISTS: usize = 2;

impl Size {
    fn add(&mut self, other: Size) {
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
        self.lists = self.lists.max(other.lists);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }
}

/// How deep brackets of any kind may stand in each other: parsing, validation and planning all descend
/// on the stack. Far more than the deepest document and filter that the other limits let through.
const BRACKETS: usize = 128;

/// Names, numbers, strings and signs, and the deepest nesting of brackets, counted without a parser: a
/// parser's work must be bounded too.
pub fn tokens(text: &str) -> (usize, usize) {
    let bytes = text.as_bytes();
    let (mut i, mut count) = (0, 0);
    let (mut open, mut deepest) = (0usize, 0);
    while i < bytes.len() {
        match bytes[i] {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => i += 1,
            b'#' => i += bytes[i..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - i),
            b'"' if bytes[i..].starts_with(b"\"\"\"") => {
                count += 1;
                i += 3;
                while i < bytes.len() && !bytes[i..].starts_with(b"\"\"\"") {
                    i += if bytes[i..].starts_with(b"\\\"\"\"") { 4 } else { 1 };
                }
                i += 3;
            }
            b'"' => {
                count += 1;
                i += 1;
                while i < bytes.len() && bytes[i] != b'"' && bytes[i] != b'\n' {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
                i += 1;
            }
            b if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' => {
                count += 1;
                while i < bytes.len()
                    && (bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'_' | b'.' | b'-' | b'+'))
                {
                    i += 1;
                }
            }
            b'.' if bytes[i..].starts_with(b"...") => {
                count += 1;
                i += 3;
            }
            sign => {
                match sign {
                    b'{' | b'[' | b'(' => open += 1,
                    b'}' | b']' | b')' => open = open.saturating_sub(1),
                    _ => {}
                }
                deepest = deepest.max(open);
                count += 1;
                i += 1;
            }
        }
    }
    (count, deepest)
}

impl Document {
    pub fn parse(text: &str, operation: Option<&str>, limits: &Limits, id: u64) -> Result<Self> {
        let (count, nested) = tokens(text);
        if count > limits.tokens {
            let limit = limits.tokens;
            return Err(Error::Cost(format!(
                "the document has {count} tokens, more than the limit of {limit}; split it"
            )));
        }
        if nested > BRACKETS {
            return Err(Error::Cost(format!(
                "the document nests {nested} brackets, more than the limit of {BRACKETS}; ask for less at once"
            )));
        }
        let ast = async_graphql::parser::parse_query(text).map_err(|e| Error::Parse(sentence(&e)))?;
        check(&ast, limits)?;
        let operation = operation.map(Name::new);
        let mut document = Document {
            ast,
            operation,
            roles: BTreeMap::new(),
            bound: HashSet::new(),
            required: Vec::new(),
            defaults: Vec::new(),
            id,
        };
        document.read_variables()?;
        Ok(document)
    }

    pub fn definition(&self) -> Result<&Positioned<OperationDefinition>> {
        match (&self.ast.operations, &self.operation) {
            (DocumentOperations::Single(op), None) => Ok(op),
            (DocumentOperations::Multiple(all), None) if all.len() == 1 => {
                all.values().next().ok_or_else(|| Error::input("the document has no operation"))
            }
            (DocumentOperations::Multiple(_), None) => {
                Err(Error::input("the document has several operations, say which one in `operationName`"))
            }
            (DocumentOperations::Multiple(all), Some(name)) => {
                all.get(name).ok_or_else(|| Error::input(format!("the document has no operation `{name}`")))
            }
            (DocumentOperations::Single(_), Some(name)) => {
                Err(Error::input(format!("the document has no operation `{name}`")))
            }
        }
    }

    pub fn is_query(&self) -> Result<bool> {
        Ok(self.definition()?.node.ty == OperationType::Query)
    }

    pub fn is_mutation(&self) -> Result<bool> {
        Ok(self.definition()?.node.ty == OperationType::Mutation)
    }

    pub fn is_subscription(&self) -> bool {
        self.definition().is_ok_and(|operation| operation.node.ty == OperationType::Subscription)
    }

    fn read_variables(&mut self) -> Result<()> {
        let definition = self.definition()?.node.clone();
        let (mut roles, mut bound) = (BTreeMap::new(), HashSet::new());
        collect_roles(&definition.selection_set.node, &mut roles, &mut bound);
        for fragment in self.ast.fragments.values() {
            collect_roles(&fragment.node.selection_set.node, &mut roles, &mut bound);
        }
        for definition in &definition.variable_definitions {
            let name = definition.node.name.node.clone();
            match &definition.node.default_value {
                Some(value) => {
                    let value = value.node.clone().into_json().map_err(|e| Error::input(e.to_string()))?;
                    self.defaults.push((name, value));
                }
                None if !definition.node.var_type.node.nullable => self.required.push(name),
                None => {}
            }
        }
        self.roles = roles;
        self.bound = bound;
        Ok(())
    }

    /// Puts the defaults in and misses what must be there.
    pub fn complete(&self, variables: &mut Map<String, Json>) -> Result<()> {
        for (name, value) in &self.defaults {
            if !variables.contains_key(name.as_str()) {
                variables.insert(name.to_string(), value.clone());
            }
        }
        for name in &self.required {
            if variables.get(name.as_str()).is_none_or(Json::is_null) {
                return Err(Error::input(format!(
                    "the variable `${name}` is required, give it a value in `variables`"
                )));
            }
        }
        Ok(())
    }
}

/// The parser draws a picture of several lines; its last one says what it missed.
fn sentence(error: &async_graphql::parser::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("= ").trim_end_matches('.');
    match error.positions().next() {
        Some(at) => format!("the document is no GraphQL at line {} column {}: {reason}", at.line, at.column),
        None => format!("the document is no GraphQL: {reason}"),
    }
}

fn role_of(argument: &str) -> Role {
    match argument {
        "filter" => Role::Shape,
        "after" | "before" => Role::Cursor,
        "id" | "ids" => Role::Id,
        name if tools::ARGUMENTS.contains(&name) => Role::Shape,
        _ => Role::Value,
    }
}

fn collect_roles(set: &SelectionSet, roles: &mut BTreeMap<Name, Role>, bound: &mut HashSet<Pos>) {
    let mut note = |argument: &Positioned<Name>, value: &Value, role: Role| {
        walk(value, &mut |name| {
            bound.insert(argument.pos);
            let held = roles.entry(name.clone()).or_insert(role);
            *held = (*held).max(role);
        })
    };
    let mut inner: Vec<&SelectionSet> = Vec::new();
    for item in &set.items {
        for directive in item.node.directives() {
            for (name, value) in &directive.node.arguments {
                note(name, &value.node, Role::Value);
            }
        }
        match &item.node {
            Selection::Field(field) => {
                for (name, value) in &field.node.arguments {
                    note(name, &value.node, role_of(name.node.as_str()));
                }
                inner.push(&field.node.selection_set.node);
            }
            Selection::InlineFragment(fragment) => inner.push(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
    for set in inner {
        collect_roles(set, roles, bound);
    }
}

fn walk(value: &Value, found: &mut dyn FnMut(&Name)) {
    match value {
        Value::Variable(name) => found(name),
        Value::List(items) => items.iter().for_each(|v| walk(v, found)),
        Value::Object(fields) => fields.values().for_each(|v| walk(v, found)),
        _ => {}
    }
}

fn check(ast: &ExecutableDocument, limits: &Limits) -> Result<()> {
    let mut fragments: HashMap<&Name, Size> = HashMap::new();
    let mut total = Size::default();
    for (_, operation) in ast.operations.iter() {
        total.add(size(&operation.node.selection_set.node, ast, &mut fragments, &mut HashSet::new())?);
        total.directives = total.directives.saturating_add(operation.node.directives.len());
    }
    let over = |what: &str, count: usize, limit: usize| {
        if count <= limit {
            return Ok(());
        }
        let count = if count == usize::MAX { "far more".to_string() } else { count.to_string() };
        Err(Error::Cost(format!(
            "the document has {count} {what}, more than the limit of {limit}; ask for less at once"
        )))
    };
    over("levels", total.depth, limits.depth)?;
    over("fields when its fragments are expanded", total.fields, limits.fields)?;
    over("aliases", total.aliases, limits.aliases)?;
    over("directives", total.directives, limits.directives)
}

fn size<'a>(
    set: &'a SelectionSet,
    ast: &'a ExecutableDocument,
    known: &mut HashMap<&'a Name, Size>,
    open: &mut HashSet<&'a Name>,
) -> Result<Size> {
    let mut total = Size::default();
    for item in &set.items {
        let directives: &[Positioned<Directive>] = item.node.directives();
        total.directives = total.directives.saturating_add(directives.len());
        match &item.node {
            Selection::Field(field) => {
                let mut inner = size(&field.node.selection_set.node, ast, known, open)?;
                let name = field.node.name.node.as_str();
                // introspection nests deeper than any data, but must not walk the schema in circles
                if name.starts_with("__") {
                    if inner.lists > INTROSPECTION_LISTS {
                        return Err(Error::Cost(format!(
                            "`{name}` nests more than {INTROSPECTION_LISTS} lists of fields or types; ask for the types by name"
                        )));
                    }
                    inner = Size { depth: 0, lists: 0, ..inner };
                }
                inner.lists += usize::from(matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes"));
                inner.depth += 1;
                inner.fields = inner.fields.saturating_add(1);
                inner.aliases = inner.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                total.add(inner);
            }
            Selection::InlineFragment(fragment) => {
                total.add(size(&fragment.node.selection_set.node, ast, known, open)?)
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                // a fragment that is not there is told by the validation
                let Some((name, fragment)) = ast.fragments.get_key_value(name) else { continue };
                if let Some(size) = known.get(name) {
                    total.add(*size);
                    continue;
                }
                if !open.insert(name) {
                    return Err(Error::Validation(format!("the fragment `{name}` contains itself")));
                }
                let inner = size(&fragment.node.selection_set.node, ast, known, open)?;
                open.remove(name);
                known.insert(name, inner);
                total.add(inner);
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fragments_are_counted_without_being_expanded() {
        let mut text = String::from("{ ...f0 } ");
        for i in 0..60 {
            text += &format!("fragment f{i} on Query {{ ...f{0} ...f{0} }} ", i + 1);
        }
        text += "fragment f60 on Query { viewer { seat } }";
        let refused = Document::parse(&text, None, &Limits::default(), 0).unwrap_err();
        assert_eq!(refused.code().as_str(), "COST_LIMIT_EXCEEDED");
    }

    #[test]
    fn tokens_are_counted_as_the_specification_names_them() {
        assert_eq!(tokens("{ a(b: \"x y\", c: -1.5) # d\n}"), (12 - 1, 2));
        assert_eq!(tokens("\"\"\"a \\\"\"\" b\"\"\""), (1, 0));
        assert_eq!(tokens("\"unterminated ["), (1, 0));
        assert_eq!(tokens("]}{[)"), (5, 2));
        assert_eq!(tokens("{ ...f ... { a } }"), (8, 2));
    }

    #[test]
    fn a_fragment_that_contains_itself_is_refused() {
        let text = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert!(Document::parse(text, None, &Limits::default(), 0).is_err());
    }
}
