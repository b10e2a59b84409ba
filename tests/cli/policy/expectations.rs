//! `entente policy test`: the shipped expectations, and what is told of one that fails.

use std::fs;

use crate::harness::{Hub, entente, policies, repository, tests};

tests! {
    alone: the_shipped_expectations_hold, a_wrong_expectation_is_told_with_its_place, a_wrong_file_is_told_with_its_place;
    reading: they_hold_on_this_database;
}

async fn the_shipped_expectations_hold() {
    let inside = entente(&["policy", "test"]).run().await.good();
    for rule in ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R11", "R13", "R14", "R15", "R16", "R17", "R18"]
    {
        // a positive, a negative and a boundary
        let count = inside.split([' ', ',', '\n']).skip_while(|word| *word != rule).nth(1).and_then(|n| n.parse().ok());
        assert!(count >= Some(3), "{rule}: {inside}");
    }
    let folder = repository().join("policies");
    assert_eq!(entente(&["policy", "test", "--policies", &folder.to_string_lossy()]).run().await.good(), inside);
}

async fn they_hold_on_this_database(hub: Hub) {
    let text = hub.cli(&["policy", "test", "--live"]).run().await.good();
    assert!(text.contains(" expectations hold: R1 "), "{text}");
}

/// The shipped policies with one file of expectations.
fn with(expectations: &str) -> tempfile::TempDir {
    let folder = policies();
    fs::create_dir(folder.path().join("tests")).unwrap();
    fs::write(folder.path().join("tests/mine.toml"), expectations).unwrap();
    folder
}

const WRONG: &str = r#"# two that hold, and one that does not
[[expect]]
rule = "mine"
as = "bergmann/partner_sales"
of = "Customer.postcode"
where = { name = "Rheinwasser AG" }
is = "prefix:2"
why = "as its agreement says"

[[expect]]
rule = "mine"
as = "bergmann/partner_sales"
of = "Customer.name"
where = { region = "AT" }
is = "full"
why = "one of them has a code name"

[[expect]]
rule = "mine"
as = "bergmann/partner_sales"
of = "Customer.city"
is = "unknown"
why = "no agreement lists it"
"#;

async fn a_wrong_expectation_is_told_with_its_place() {
    let folder = with(WRONG);
    let said = entente(&["policy", "test", "--policies", &folder.path().to_string_lossy()]).run().await;
    assert_eq!(said.sentence(1), "1 of 3 expectations fail");
    let told = "tests/mine.toml:10: mine bergmann/partner_sales of Customer.name where region=AT is absent in 1 rows, full \
                in 6 rows, hidden in 1 rows, expected full (one of them has a code name)\n  see entente policy explain \
                --demo --as bergmann/partner_sales Customer.name 'region=AT'";
    assert!(said.stderr.contains(told), "{}", said.stderr);
}

async fn a_wrong_file_is_told_with_its_place() {
    for (from, to, sentence) in [
        (
            "is = \"full\"",
            "is = \"aggregate_only:5,0.75\"",
            "tests/mine.toml:10: `is = \"aggregate_only:5,0.75\"` cannot be, here it is full, a treatment as `prefix:2`, hidden",
        ),
        (
            "is = \"unknown\"",
            "is = \"prefix:2\"",
            "tests/mine.toml:18: `is = \"prefix:2\"` cannot be, here it is `aggregate_only:5,0.75`, known or unknown",
        ),
        ("Customer.city", "Customer.town", "tests/mine.toml:18: Customer has no field `town`"),
        ("is = \"full\"", "is = \"visible\"", "tests/mine.toml:10: `is = \"visible\"` cannot be, here it is full"),
        ("is = \"full\"", "iz = \"full\"", "tests/mine.toml:15: unknown field `iz`"),
        ("region = \"AT\"", "region = \"XX\"", "tests/mine.toml:10: `where` means no row of Customer"),
        ("region = \"AT\"", "colour = \"AT\"", "tests/mine.toml:10: Customer has no field `colour`"),
    ] {
        let folder = with(&WRONG.replacen(from, to, 1));
        let said = entente(&["policy", "test", "--policies", &folder.path().to_string_lossy()]).run().await;
        assert!(said.sentence(2).starts_with(sentence), "{sentence}: {}", said.stderr);
    }
    let folder = with("");
    fs::remove_file(folder.path().join("tests/mine.toml")).unwrap();
    let said = entente(&["policy", "test", "--policies", &folder.path().to_string_lossy()]).run().await;
    assert!(said.sentence(2).starts_with("no expectations in `"), "{}", said.stderr);
}
