//! What is written down beside the code must be what the code says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{access::ViewClass, graphql, policy};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_checked_in_graphql_schema_is_current() {
    let now = graphql::sdl(&ViewClass::whole()).unwrap();
    assert!(now == read("schema.graphql"), "run `cargo run -- schema > schema.graphql` and read the difference");
}

#[test]
fn the_checked_in_cedar_schema_is_current() {
    let now = policy::SCHEMA_TEXT.as_str();
    let kept = read("policies/schema.cedarschema");
    assert!(now == kept, "run `cargo run -- policy schema > policies/schema.cedarschema` and read the difference");
}

#[test]
fn the_policy_in_the_readme_is_the_one_in_force() {
    let (readme, policies) = (read("README.md"), read("policies/demand.cedar"));
    let shown = readme.split("```cedar\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(policies.contains(shown.trim()), "the README shows another policy than policies/demand.cedar");
}

/// Sources that name the entity, without demo data and tests.
fn naming(words: &[&str], folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let skipped = [
            "server/src/demo",
            "server/src/generate",
            "migration/tests",
            "entities/tests",
            "server/examples",
            "server/benches",
        ];
        if skipped.contains(&name.as_str()) || name.ends_with("drift.rs") {
            continue;
        }
        if path.is_dir() {
            naming(words, &path, found);
        } else if path.extension().is_some_and(|x| x == "rs" || x == "cedar") {
            let text = fs::read_to_string(&path).unwrap();
            if words.iter().any(|w| text.contains(w)) {
                found.push(name);
            }
        }
    }
}

#[test]
fn adding_an_entity_touches_what_the_architecture_says() {
    let document = read("ARCHITECTURE.md");
    let entity = read("entities/src/capacity_bucket.rs");
    let shown = &entity[entity.find("#[derive(").unwrap()..];
    assert!(document.contains(shown.trim()), "the example in ARCHITECTURE.md is not the file's text");

    let mut found = Vec::new();
    for folder in ["entities", "migration", "policies", "server/src"] {
        naming(&["capacity_bucket", "CapacityBucket"], &root().join(folder), &mut found);
    }
    found.sort();
    for path in &found {
        assert!(
            document.contains(&format!("`{path}`")),
            "{path} knows the example entity, ARCHITECTURE.md does not say so"
        );
    }
    assert_eq!(found.len(), 8, "{found:?}");
}
