//! The subscription of a webhook: one root field without variables, with what a message is made of.

use async_graphql::parser::{
    parse_query,
    types::{DocumentOperations, Field, OperationType, Selection, SelectionSet},
};

use crate::error::{Error, Result};

/// Without them there is no telling what an event is about.
const NEEDED: [&str; 2] = ["kind", "id"];

/// Whether a webhook can have this document; what the seat may ask is the feed's to say.
pub fn check(text: &str) -> Result<()> {
    let document = parse_query(text).map_err(|cause| Error::usage(format!("the document is no GraphQL: {cause}")))?;
    let operation = match &document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(all) if all.len() == 1 => all.values().next(),
        DocumentOperations::Multiple(_) => None,
    };
    let operation = operation.ok_or_else(|| Error::usage("the document has several operations, give one"))?;
    if operation.node.ty != OperationType::Subscription {
        return Err(Error::usage("the document is no subscription, write `subscription { demandUpdates { … } }`"));
    }
    if let Some(variable) = operation.node.variable_definitions.first() {
        let name = &variable.node.name.node;
        return Err(Error::usage(format!("the document has a variable `${name}`, write its value instead")));
    }
    let roots = fields(&operation.node.selection_set.node);
    let [root] = roots[..] else {
        return Err(Error::usage("the document must follow one field, such as `demandUpdates`"));
    };
    let asked = fields(&root.selection_set.node);
    let missing =
        NEEDED.iter().find(|needed| !asked.iter().any(|field| field.name.node == **needed && field.alias.is_none()));
    match missing {
        Some(missing) => Err(Error::usage(format!("the document must ask for `{missing}` of `{}`", root.name.node))),
        None => Ok(()),
    }
}

/// Those that stand there themselves: a fragment may or may not apply.
fn fields(set: &SelectionSet) -> Vec<&Field> {
    let mut fields = Vec::new();
    for item in &set.items {
        if let Selection::Field(field) = &item.node {
            fields.push(&field.node);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_an_event_is_about() {
        for (text, part) in [
            ("subscription { demandUpdates { kind id } }", ""),
            ("subscription D { changes(types: [CASE], from: NOW) { cursor kind id node { id } } }", ""),
            ("{ kind id }", "no subscription"),
            ("subscription { demandUpdates { id } }", "`kind` of `demandUpdates`"),
            ("subscription { demandUpdates { kind: id id } }", "`kind`"),
            ("subscription { demandUpdates { kind } }", "`id`"),
            ("subscription { a { kind id } b { kind id } }", "one field"),
            ("subscription($a: String) { demandUpdates(after: $a) { kind id } }", "variable `$a`"),
            ("subscription A { a { kind id } } subscription B { b { kind id } }", "several operations"),
            ("subscription {", "no GraphQL"),
        ] {
            match check(text) {
                Ok(()) => assert!(part.is_empty(), "{text}"),
                Err(error) => assert!(!part.is_empty() && error.to_string().contains(part), "{text}: {error}"),
            }
        }
    }
}
