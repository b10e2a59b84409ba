//! What an operator's tools tell of rows over GraphQL: no more than the operator's own view. At the shell they tell all.

use std::fs;

use serde_json::{Value, json};

use super::{ADMIN, BERGMANN};
use crate::harness::{Hub, policies, tests};

tests! {
    changing: a_row_is_meant_only_if_it_is_seen, values_and_names_of_unseen_rows_are_not_told,
        numbers_of_rows_are_of_those_that_are_seen;
}

const SECRET: &str = "Donauwerk Sondertechnik GmbH";
const REP: &str = "nordwind/sales_rep/bruno";

/// The operator is in no account team.
async fn apart(hub: &Hub) {
    let gone = "DELETE FROM customer_team WHERE principal_id IN (SELECT a.principal_id FROM role_assignment a WHERE a.role = 'admin')";
    assert!(hub.sql(gone).await > 0);
    let seen = format!("{{ customers(filter: {{ name: {{ eq: \"{SECRET}\" }} }}) {{ totalCount }} }}");
    assert_eq!(hub.data(ADMIN, &seen).await["customers"]["totalCount"], 0);
}

fn explain(seat: &str, ty: &str, row: &str) -> String {
    format!(
        "{{ policies {{ explain(as: \"{seat}\", type: \"{ty}\", row: \"{row}\") {{ row {{ id label }} text }} }} }}"
    )
}

async fn a_row_is_meant_only_if_it_is_seen(hub: Hub) {
    apart(&hub).await;
    let of = |column: &str| format!("SELECT {column} FROM customer WHERE name = '{SECRET}'");
    let key = match hub.database_url().starts_with("sqlite") {
        true => hub.texts(&of("lower(hex(id))")).await.remove(0).unwrap(),
        false => hub.texts(&of("CAST(id AS text)")).await.remove(0).unwrap(),
    };
    // a colleague has its id, which is the organisation's
    let given = format!("{{ customers(filter: {{ name: {{ eq: \"{SECRET}\" }} }}) {{ nodes {{ id }} }} }}");
    let id = hub.data(REP, &given).await["customers"]["nodes"][0]["id"].as_str().unwrap().to_owned();
    for (ty, row) in [
        ("Customer", "ndaLevel=2"),
        ("Customer", "ndaLevel=2,name=D*"),
        ("Customer", SECRET),
        ("Customer", "Kestrel"),
        ("Customer", &key),
        ("Customer", &id),
        ("SalesOrder", "customer.ndaLevel=2"),
        ("OrderLine", "order.customer.codeName=K*"),
        ("Contact", "customer.codeName=Kestrel"),
    ] {
        let (code, message) = hub.refusal(ADMIN, &explain(REP, ty, row)).await;
        assert_eq!((code.as_str(), message), ("NOT_FOUND", no(ty, row)), "{ty} {row}");
        // whether there is such a row is for the shell
        let said = hub.cli(&["policy", "explain", "--as", REP, ty, row]).run().await;
        assert!(said.code == Some(0) || said.stderr.contains("more than one"), "{ty} {row}: {}", said.stderr);
    }
    // what is seen is meant as before, and told by ids
    let label = hub.data(ADMIN, &explain(BERGMANN, "Customer", "codeName=H*")).await;
    assert_eq!(label["policies"]["explain"]["row"]["label"], "Alpenstahl AG");
    let (code, message) = hub.refusal(ADMIN, &explain(BERGMANN, "Customer", "ndaLevel>=1")).await;
    let named: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    assert!(code == "BAD_USER_INPUT" && message.contains("more than one") && named.len() == 2, "{message}");
    for id in named {
        let node = hub.data(ADMIN, &format!("{{ node(id: \"{id}\") {{ ... on Customer {{ codeName }} }} }}")).await;
        assert!(["Heron", "Otter"].contains(&node["node"]["codeName"].as_str().unwrap()), "{node}");
    }
}

fn no(ty: &str, row: &str) -> String {
    format!(
        "no {ty} is meant by `{row}`, give an id as this seat's organisation gets it, a key, a name or `field=value`"
    )
}

async fn values_and_names_of_unseen_rows_are_not_told(hub: Hub) {
    apart(&hub).await;
    let scoped = "UPDATE agreement_scope SET region = NULL, customer_id = (SELECT id FROM customer WHERE nda_level = 2) \
        WHERE object_type = 'customer' AND agreement_id IN (SELECT a.id FROM sharing_agreement a \
        JOIN organisation o ON o.id = a.grantee_id WHERE o.slug = 'bergmann')";
    assert!(hub.sql(scoped).await > 0);
    let document = format!("{{ policies {{ explain(as: \"{BERGMANN}\", type: \"Customer\") {{ text }} }} }}");
    let text = hub.data(ADMIN, &document).await["policies"]["explain"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("one that you are not shown") && !text.contains("Donauwerk"), "{text}");
    let shell = hub.cli(&["policy", "explain", "--as", BERGMANN, "Customer"]).run().await.good();
    assert!(shell.contains(SECRET), "{shell}");
}

async fn numbers_of_rows_are_of_those_that_are_seen(hub: Hub) {
    apart(&hub).await;
    let counted = hub.data(ADMIN, "{ customers { totalCount } }").await["customers"]["totalCount"].as_i64().unwrap();
    assert_eq!(hub.number("SELECT count(*) FROM customer").await, counted + 1);
    let document = format!("{{ policies {{ explain(as: \"{REP}\", type: \"Customer\") {{ verdict }} }} }}");
    let verdict = hub.data(ADMIN, &document).await["policies"]["explain"]["verdict"].as_str().unwrap().to_owned();
    assert!(verdict.contains(&format!("of the {counted} rows")), "{verdict}");

    // policies that would open a customer whose name begins so, if there is one
    let files = hub.data(ADMIN, "{ policies { files { name source } } }").await["policies"]["files"].take();
    let folder = policies();
    for (like, there) in [("D*", true), ("X*", false)] {
        let mut files = files.as_array().unwrap().clone();
        let file = files.iter_mut().find(|file| file["name"] == "nda.cedar").unwrap();
        let rule = "when { resource.ndaLevel >= 2 }";
        let asks = format!("when {{ resource.ndaLevel >= 2 && !(resource.name like \"{like}\") }}");
        let source = file["source"].as_str().unwrap().replacen(rule, &asks, 1);
        assert_ne!(file["source"], source);
        fs::write(folder.path().join("nda.cedar"), &source).unwrap();
        file["source"] = source.into();
        let document = "query($files: [PolicyFileInput!]!) { policies { diff(files: $files) { gains seats { seat types { \
            type rowsGained rowsLost fields { field fuller less } } } } } }";
        let diff = hub.data_with(ADMIN, document, json!({ "files": files })).await["policies"]["diff"].take();
        let types = diff["seats"].as_array().unwrap().iter().flat_map(|seat| seat["types"].as_array().unwrap());
        let numbers = |ty: &Value| {
            let fields = ty["fields"].as_array().unwrap().iter().flat_map(|f| [&f["fuller"], &f["less"]]);
            fields.chain([&ty["rowsGained"], &ty["rowsLost"]]).any(|n| *n != 0)
        };
        assert!(!types.into_iter().any(numbers), "{like}: {diff}");
        let old = crate::harness::repository().join("policies");
        let arguments = ["policy", "diff", &old.to_string_lossy(), &folder.path().to_string_lossy(), "--json"];
        let shell: Value = serde_json::from_str(&hub.cli(&arguments).run().await.stdout).unwrap();
        let types = shell["seats"].as_array().unwrap().iter().flat_map(|seat| seat["types"].as_array().unwrap());
        assert_eq!(types.into_iter().any(numbers), there, "{like}: {shell}");
    }
}
