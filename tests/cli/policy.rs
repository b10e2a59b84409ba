//! `entente policy` and `entente schema`.

use std::fs;

use crate::harness::{Hub, entente, repository, tests};

tests! {
    alone: the_shipped_policies_hold, what_is_wrong_is_told_with_its_place, schemas_are_printed;
    reading: a_seat_has_a_schema_of_its_own, the_matrix_names_every_seat;
}

async fn the_shipped_policies_hold() {
    let inside = entente(&["policy", "check"]).run().await.good();
    let folder = repository().join("policies");
    let same = entente(&["policy", "check", "--policies", &folder.to_string_lossy()]).run().await.good();
    assert_eq!(inside, same, "those inside the binary are those of the folder");
    let count: usize = inside.split(' ').next().unwrap().parse().unwrap();
    assert!(count > 100 && inside.ends_with(" policies hold\n"), "{inside}");
}

async fn what_is_wrong_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let check = || entente(&["policy", "check", "--policies", &folder.path().to_string_lossy()]);
    let good = "@id(\"a\")\n@doc(\"x\")\npermit (principal, action in Action::\"Customer\", resource is Customer);\n";
    fs::write(folder.path().join("a.cedar"), good).unwrap();
    assert_eq!(check().run().await.good(), "1 policies hold\n");
    // two files, each with its own fault: both are told
    fs::write(folder.path().join("b.cedar"), format!("{good}permit (")).unwrap();
    fs::write(folder.path().join("c.cedar"), "\n// a comment\npermit (principal, action, resource is Customer);")
        .unwrap();
    let said = check().run().await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(
        said.stderr.contains("b.cedar:4:") && said.stderr.contains("c.cedar:1: a policy has no @id"),
        "{}",
        said.stderr
    );
    // files of another kind are no policies
    fs::remove_file(folder.path().join("b.cedar")).unwrap();
    fs::rename(folder.path().join("c.cedar"), folder.path().join("c.cedar.orig")).unwrap();
    assert_eq!(check().run().await.good(), "1 policies hold\n");
}

async fn schemas_are_printed() {
    let schema = entente(&["schema"]).run().await.good();
    assert_eq!(schema, fs::read_to_string(repository().join("schema.graphql")).unwrap());
    let schema = entente(&["policy", "schema"]).run().await.good();
    assert_eq!(schema, fs::read_to_string(repository().join("policies/schema.cedarschema")).unwrap());
}

async fn a_seat_has_a_schema_of_its_own(hub: Hub) {
    let whole = hub.cli(&["schema"]).run().await.good();
    assert_eq!(hub.cli(&["schema", "--as", "nordwind/admin"]).run().await.good(), whole, "the operator sees all");
    let own = hub.cli(&["schema", "--as", "aqua-seals/partner_planner"]).run().await.good();
    assert!(own.contains("type DemandBucket ") && own.len() < whole.len());
    for hidden in ["type Customer ", "netAmount", "type SalesOrder "] {
        assert!(whole.contains(hidden) && !own.contains(hidden), "{hidden}");
    }
}

async fn the_matrix_names_every_seat(hub: Hub) {
    let matrix = hub.cli(&["policy", "matrix", "--type", "Customer"]).run().await.good();
    for word in ["nordwind/sales_rep", "bergmann/partner_sales", "name", "creditLimit"] {
        assert!(matrix.contains(word), "{word}:\n{matrix}");
    }
    let said = hub.cli(&["policy", "matrix", "--type", "Custommer"]).run().await;
    assert!(said.sentence(2).starts_with("there is no type `Custommer`"), "{}", said.stderr);
}
