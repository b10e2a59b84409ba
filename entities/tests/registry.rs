//! What every entity owes the doors that are derived from it: names that do not collide, references that
//! lead somewhere, a reason beside each field.

use std::collections::HashSet;

use entities::{
    REGISTRY,
    meta::{Behind, EntityDef, Holder, Kind},
};

fn named(name: &str) -> &'static EntityDef {
    REGISTRY.iter().find(|entity| entity.name == name).unwrap_or_else(|| panic!("no entity is called {name}"))
}

/// `unit_id` → `unit`, `bucket_start` → `bucketStart`.
fn outside_name(column: &str, reference: bool) -> String {
    let column = if reference { column.strip_suffix("_id").expect("references end in _id") } else { column };
    let mut words = column.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn every_field_has_a_reason_and_a_key_comes_first() {
    for entity in REGISTRY {
        assert!(!entity.doc.is_empty(), "{}", entity.name);
        assert_eq!((entity.fields[0].column, entity.fields[0].kind), ("id", Kind::Id), "{}", entity.name);
        for field in entity.fields {
            assert!(!field.doc.is_empty(), "{}.{}", entity.name, field.column);
        }
    }
}

#[test]
fn no_two_names_collide() {
    let (mut types, mut tables) = (HashSet::new(), HashSet::new());
    for entity in REGISTRY {
        assert!(types.insert(entity.name) && types.insert(entity.plural), "{}", entity.name);
        assert!(tables.insert(entity.table), "{}", entity.table);
        let own = entity.fields.iter().map(|field| outside_name(field.column, field.to.is_some()));
        let lists = REGISTRY.iter().flat_map(|other| other.fields).filter(|field| field.to == Some(entity.name));
        let mut seen = HashSet::new();
        for name in own.chain(lists.filter_map(|field| field.many).map(String::from)) {
            assert!(seen.insert(name.clone()), "{}.{name}", entity.name);
        }
    }
    let mut held = HashSet::new();
    for membership in REGISTRY.iter().flat_map(|entity| entity.memberships) {
        assert!(held.insert(membership.name), "{}", membership.name);
        let taken = membership.holder == Holder::Organisation
            && named("Organisation").fields.iter().any(|f| outside_name(f.column, f.to.is_some()) == membership.name);
        assert!(!taken && !membership.doc.is_empty(), "{}", membership.name);
    }
}

#[test]
fn references_lead_to_entities_that_can_be_inserted_before() {
    for (place, entity) in REGISTRY.iter().enumerate() {
        for field in entity.fields {
            let Some(to) = field.to else {
                assert!(field.many.is_none(), "{}.{}", entity.name, field.column);
                continue;
            };
            assert_eq!(field.kind, Kind::Id, "{}.{}", entity.name, field.column);
            let target = REGISTRY.iter().position(|other| other.name == to).unwrap_or_else(|| panic!("{to}"));
            assert!(target < place || (target == place && field.optional), "{}.{}", entity.name, field.column);
        }
    }
}

#[test]
fn scopes_walk_references_to_what_they_speak_of() {
    for entity in REGISTRY {
        let Some(scope) = entity.scope else { continue };
        for (path, to, code) in [
            (scope.product, Some("Product"), None),
            (scope.region, None, Some("Region")),
            (scope.customer, Some("Customer"), None),
        ] {
            let Some(path) = path else { continue };
            let mut at = entity;
            let mut steps = path.split('.').peekable();
            while let Some(step) = steps.next() {
                let field = at
                    .fields
                    .iter()
                    .find(|f| f.column == step || f.to.is_some() && f.column.strip_suffix("_id") == Some(step))
                    .unwrap_or_else(|| panic!("{}: {path}", entity.name));
                if steps.peek().is_some() {
                    at = named(field.to.expect("only references can be walked"));
                } else if field.column == "id" {
                    assert_eq!(Some(at.name), to, "{}: {path}", entity.name);
                } else {
                    assert_eq!((field.to, field.code), (to, code), "{}: {path}", entity.name);
                }
            }
        }
    }
}

#[test]
fn a_set_that_depends_on_the_moment_says_by_which_times() {
    for membership in REGISTRY.iter().flat_map(|entity| entity.memberships) {
        let mut compared: Vec<(String, i64)> = Vec::new();
        for word in ["{now}", "{today}"] {
            for (at, _) in membership.sql.match_indices(word) {
                let before = membership.sql[..at].trim_end();
                let before = before.strip_suffix("<=").or(before.strip_suffix('>')).unwrap_or_else(|| {
                    panic!("{}: a time stands before `<= {word}` or `> {word}`", membership.name);
                });
                let column = before.trim_end().rsplit([' ', '(', '.']).next().unwrap_or_default();
                let rest = membership.sql[at + word.len()..].trim_start();
                let back = rest.strip_prefix("- ").unwrap_or("0");
                compared.push(match back.strip_prefix("CASE WHEN a.") {
                    Some(days) => (format!("{column} + {}", days.split(' ').next().unwrap_or_default()), 0),
                    None => {
                        let micros = back.split([')', ' ']).next().unwrap_or_default();
                        (column.to_owned(), micros.parse().expect("microseconds"))
                    }
                });
            }
        }
        let declared =
            membership.turns.iter().flat_map(|turn| turn.columns.iter().map(|c| ((*c).to_owned(), turn.after)));
        let (mut compared, mut declared) = (compared, declared.collect::<Vec<_>>());
        compared.sort_unstable();
        compared.dedup();
        declared.sort_unstable();
        declared.dedup();
        assert_eq!(declared, compared, "{}", membership.name);
        for turn in membership.turns {
            let entity = REGISTRY.iter().find(|entity| entity.table == turn.table).expect("a table of the model");
            let kind = |column: &str| {
                entity.fields.iter().find(|field| field.column == column).expect("a column of the table").kind
            };
            for column in turn.columns {
                let moved = match column.split_once(" + ") {
                    Some((at, days)) => kind(at) == Kind::Instant && kind(days) == Kind::Int,
                    None => kind(column) == Kind::Instant || kind(column) == Kind::Date && turn.after == 0,
                };
                assert!(moved, "{}: {column} is no time", membership.name);
            }
        }
    }
}

#[test]
fn what_stands_behind_a_number_is_there() {
    let column = |entity: &'static EntityDef, name: &str| {
        let field = entity.fields.iter().find(|f| f.column == name || f.column.strip_suffix("_id") == Some(name));
        field.unwrap_or_else(|| panic!("{}.{name}", entity.name))
    };
    let mut guarded = 0;
    for entity in REGISTRY {
        match entity.behind {
            None => continue,
            Some(Behind::Told { of, customers, top_share }) => {
                let kinds = [of, customers, top_share].map(|name| column(entity, name).kind);
                assert_eq!(kinds, [Kind::Decimal, Kind::Int, Kind::Decimal], "{}", entity.name);
                assert!(!column(entity, of).optional && !column(entity, customers).optional, "{}", entity.name);
            }
            Some(Behind::One(path)) => {
                let last = path.split('.').fold(entity, |at, step| named(column(at, step).to.expect("a reference")));
                assert_eq!(last.name, "Customer", "{}", entity.name);
            }
        }
        guarded += 1;
    }
    assert!(guarded > 0);
}
