//! `entente policy check`, `matrix` and `schema`, and `entente schema`.

use std::fs;

use entente::catalogue::CATALOGUE;

use crate::harness::{Hub, entente, repository, tests};

tests! {
    alone: the_shipped_policies_hold, what_is_wrong_is_told_with_its_place, schemas_are_printed;
    reading: a_seat_has_a_schema_of_its_own, the_matrix_names_every_seat, the_matrix_is_one_page;
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
    // what may be written is another matter
    let read = |sdl: &str| -> Vec<String> {
        let blocks = sdl.split("\n}\n").filter(|block| !block.contains("input ") && !block.contains("Payload"));
        blocks.map(|block| block.trim().to_owned()).collect()
    };
    let operators = hub.cli(&["schema", "--as", "nordwind/admin"]).run().await.good();
    assert_eq!(read(&operators), read(&whole), "the operator sees all");
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

async fn the_matrix_is_one_page(hub: Hub) {
    let matrix = |format: &'static str| hub.cli(&["policy", "matrix", "--format", format]);
    let page = matrix("html").run().await.good();
    let types = CATALOGUE.types.len();
    assert_eq!(page.matches("<details open id=").count(), types);
    let seats = page.matches("<th class=\"role").count() / (types + 1);
    let fields: usize = CATALOGUE.types.iter().map(|ty| ty.fields.len() - 1).sum();
    assert_eq!(
        page.matches(" data-told=").count(),
        seats * (fields + types),
        "a cell for each field and seat, and a bar"
    );
    // nothing is fetched, and nothing of a policy can become markup
    for word in ["src=", "http:", "https:", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    for told in [
        "Customer.postcode as bergmann/partner_sales: if prefix:2; by customer.distributor-agreed; restricted by ",
        "Customer.creditLimit as nordwind/finance: in full; by customer.finance; restricted by nda.existence",
        "Customer.street as aqua-seals/partner_planner: unknown; no policy permits it",
        "DemandBucket.qty as bergmann/partner_marketing: aggregate_only:5,0.75; by demand.marketing; restricted by ",
        "DemandBucket as bergmann/partner_marketing: 0 of 13 fields in full, 0 treated, 0 by row, 1 in sums, 12 unknown",
        ">Σ <small>aggregate_only:5,0.75</small></td>",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
        let name = tag.trim_start_matches('/').split([' ', '>', '\n']).next().unwrap();
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name), "tags close in turn"),
            false if ["meta", "br"].contains(&name) => {}
            false => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");

    let markdown = matrix("markdown").run().await.good();
    assert_eq!(markdown.matches("\n## ").count(), types);
    assert!(markdown.contains("\n| postcode | PER |") && markdown.contains(" ◐ if prefix:2 |"), "{markdown}");
    assert_eq!(markdown.matches(" Σ aggregate_only:5,0.75 |").count(), 1, "{markdown}");
    let said = matrix("pdf").run().await;
    assert_eq!(said.code, Some(2), "{}", said.stderr);
}
