//! The operator's tools in GraphQL: they say what the commands say, to an operator, and leave a line in the log.

use std::{fs, path::Path};

use entente::access::roster;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, AQUA, BERGMANN, PLANNER};
use crate::harness::{Hub, Reply, policies, send, skip, solver, tests};

tests! {
    reading: an_explanation_is_the_commands, a_difference_is_the_commands, a_matrix_is_the_commands,
        a_check_and_a_test_are_the_commands, a_schema_is_the_one_that_the_seat_has, only_an_operator_has_them,
        an_operator_in_anothers_place_has_none, wrong_use_is_told_in_a_sentence, they_count_as_what_they_cost;
    changing: a_place_in_the_log_may_be_longer_than_int, each_use_is_in_the_log, a_log_is_verified_as_the_command_does, a_proof_is_the_commands,
        without_a_solver_it_says_what_to_install;
}

async fn said(hub: &Hub, arguments: &[&str]) -> String {
    hub.cli(arguments).run().await.good()
}

/// Everything of a type, as deep as it goes.
async fn everything(hub: &Hub, ty: &str) -> String {
    let document = "query($ty: String!) { __type(name: $ty) { fields { name type { ...T } } } } \
        fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
    let asked = hub.data_with(ADMIN, document, json!({ "ty": ty })).await;
    let mut out = String::new();
    for field in asked["__type"]["fields"].as_array().unwrap() {
        let mut of = &field["type"];
        while !of["ofType"].is_null() {
            of = &of["ofType"];
        }
        out += &format!(" {}", field["name"].as_str().unwrap());
        if of["kind"] == "OBJECT" {
            out += &Box::pin(everything(hub, of["name"].as_str().unwrap())).await;
        }
    }
    format!(" {{{out} }}")
}

/// All that is told here must be what the command told there.
#[track_caller]
fn same(told: &Value, command: &Value, at: &str) {
    match (told, command) {
        (Value::Object(told), Value::Object(_)) => {
            for (key, value) in told {
                // these are no part of what machines read of a command
                if !["text", "gains"].contains(&key.as_str()) && !at.ends_with("row/") {
                    same(value, &command[key], &format!("{at}{key}/"));
                }
            }
        }
        (Value::Array(told), Value::Array(command)) => {
            assert_eq!(told.len(), command.len(), "{at}");
            told.iter().zip(command).for_each(|(told, command)| same(told, command, at));
        }
        (Value::String(word), Value::String(other))
            if at.ends_with("effect/") || at.ends_with(" to/") || at.ends_with("/to/") =>
        {
            assert_eq!(*word, other.to_uppercase().replace(' ', "_"), "{at}");
        }
        (told, command) => assert_eq!(told, command, "{at}"),
    }
}

const ANSWER: &str = "series.product.sku=S40,supplier.slug=aqua-seals,version.status=published,bucketStart=2026-06-29";

async fn an_explanation_is_the_commands(hub: Hub) {
    let all = everything(&hub, "PolicyExplanation").await;
    let document = format!(
        "query($seat: String!, $ty: String!, $field: String, $row: String, $at: DateTime, $to: PolicyDeed! = READ) {{ \
            policies {{ explain(as: $seat, type: $ty, field: $field, row: $row, at: $at, to: $to) {all} }} }}"
    );
    let dauphin = "dauphin/partner_sales";
    for (seat, to, ty, field, row, at) in [
        // a code name, an embargo, a mask, an agreement that ended, the law
        (BERGMANN, "read", "Customer", Some("name"), Some("Alpenstahl AG"), None),
        (BERGMANN, "read", "Product", None, Some("PX500"), None),
        (BERGMANN, "read", "Customer", Some("postcode"), Some("Rheinwasser AG"), None),
        (dauphin, "read", "Customer", None, Some("Rheinwasser AG"), None),
        (dauphin, "read", "Customer", None, Some("Rheinwasser AG"), Some("2025-06-01T00:00:00Z")),
        (AQUA, "read", "DemandBucket", Some("qty"), None, None),
        // what may be written, taken along, opened
        (AQUA, "update", "SupplyCommitment", Some("qty"), Some(ANSWER), None),
        (AQUA, "update", "SupplyCommitment", Some("qty"), Some(ANSWER), Some("2026-06-26T18:00:00Z")),
        (AQUA, "create", "SupplyCommitment", None, None, None),
        (PLANNER, "delete", "DemandBucket", None, None, None),
        ("aqua-seals/service_account", "export", "DemandSeries", None, None, None),
        ("nordwind/support_agent", "open", "Contact", Some("phone"), Some("customer.name=Familie Huber*"), None),
        (PLANNER, "read", "Contact", Some("email"), None, None),
    ] {
        let what = field.map_or_else(|| ty.to_string(), |field| format!("{ty}.{field}"));
        let mut arguments = vec!["policy", "explain", "--as", seat, "--to", to, &what];
        arguments.extend(row);
        arguments.extend(at.map(|at| ["--at", at]).into_iter().flatten());
        let variables =
            json!({ "seat": seat, "ty": ty, "field": field, "row": row, "at": at, "to": to.to_uppercase() });
        let mut told = match hub.cli(&arguments).run().await {
            output if output.code == Some(0) => {
                let data = hub.data_with(ADMIN, &document, variables).await;
                assert_eq!(data["policies"]["explain"]["text"], output.stdout);
                data
            }
            refused => panic!("{arguments:?} {}", refused.stderr),
        };
        let command: Value = serde_json::from_str(&said(&hub, &[&arguments[..], &["--json"]].concat()).await).unwrap();
        let told = told["policies"]["explain"].take();
        assert_eq!(told["row"]["label"], command["row"]["label"]);
        assert!(!told["policies"].as_array().unwrap().is_empty() || !told["forOthers"].as_array().unwrap().is_empty());
        same(&told, &command, &format!("{arguments:?} "));
    }
    // the row by the id that the seat was given, and by the one that the operator was
    let ask = |row: &str| {
        format!(
            "{{ policies {{ explain(as: \"{BERGMANN}\", type: \"Customer\", row: \"{row}\") {{ row {{ id label }} }} }} }}"
        )
    };
    let own = hub.data(ADMIN, &ask("Rheinwasser AG")).await["policies"]["explain"]["row"].take();
    let given = "{ customers(filter: { postcode: { isNull: false } }, first: 1) { nodes { id } } }";
    let given = hub.data(BERGMANN, given).await["customers"]["nodes"][0]["id"].as_str().unwrap().to_owned();
    for id in [own["id"].as_str().unwrap(), &given] {
        let row = hub.data(ADMIN, &ask(id)).await["policies"]["explain"]["row"].take();
        let node = format!("{{ node(id: {}) {{ ... on Customer {{ name }} }} }}", row["id"]);
        assert_eq!(hub.data(ADMIN, &node).await["node"]["name"], row["label"]);
    }
    // what another seat was given leads nowhere
    let foreign = hub.data("aqua-seals/partner_planner", "{ products(first: 1) { nodes { id } } }").await;
    let foreign = foreign["products"]["nodes"][0]["id"].as_str().unwrap();
    let document =
        format!("{{ policies {{ explain(as: \"{BERGMANN}\", type: \"Product\", row: \"{foreign}\") {{ shown }} }} }}");
    assert_eq!(hub.refusal(ADMIN, &document).await.0, "NOT_FOUND");
}

async fn active(hub: &Hub) -> Vec<Value> {
    let data = hub.data(ADMIN, "{ policies { files { name source } } }").await;
    data["policies"]["files"].as_array().unwrap().clone()
}

/// The files with one text for another.
fn changed(files: &[Value], file: &str, from: &str, to: &str) -> Vec<Value> {
    let mut files = files.to_vec();
    let found = files.iter_mut().find(|f| f["name"] == file).unwrap();
    let source = found["source"].as_str().unwrap().replace(from, to);
    assert_ne!(found["source"], source, "`{from}` stands in {file}");
    found["source"] = source.into();
    files
}

fn write(files: &[Value], to: &Path) {
    for file in files {
        fs::write(to.join(file["name"].as_str().unwrap()), file["source"].as_str().unwrap()).unwrap();
    }
}

async fn a_difference_is_the_commands(hub: Hub) {
    let all = everything(&hub, "PolicyDiff").await;
    let document = format!("query($files: [PolicyFileInput!]!) {{ policies {{ diff(files: $files) {all} }} }}");
    let now = active(&hub).await;
    let columns = "Action::\"Customer.segment\", Action::\"Customer.lifecycleStage\"]";
    for (files, gains) in [
        (now.clone(), false),
        (changed(&now, "demand.cedar", "duration(\"546d\")", "duration(\"28d\")"), false),
        (changed(&now, "customer.cedar", columns, &columns.replace(']', ", Action::\"Customer.city\"]")), true),
        // nobody sees more, and somebody may write more
        (changed(&now, "commitment.cedar", "duration(\"54h\")", "duration(\"30h\")"), true),
    ] {
        let folder = policies();
        write(&files, folder.path());
        let (old, new) = (crate::harness::repository().join("policies"), folder.path());
        let arguments = ["policy", "diff", &old.to_string_lossy(), &new.to_string_lossy()];
        let output = hub.cli(&[&arguments[..], &["--json"]].concat()).run().await;
        assert_eq!(output.code, Some(i32::from(gains)), "{}", output.stderr);
        let command: Value = serde_json::from_str(&output.stdout).unwrap();
        let mut told = hub.data_with(ADMIN, &document, json!({ "files": files })).await;
        let told = told["policies"]["diff"].take();
        assert_eq!(told["gains"], gains);
        same(&told, &command, "diff ");
        // the two differ in what they call the sides
        let text = hub.cli(&arguments).run().await.stdout;
        let rest = |text: &str| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(rest(told["text"].as_str().unwrap()), rest(&text));
    }
}

async fn a_matrix_is_the_commands(hub: Hub) {
    let all = everything(&hub, "PolicyMatrix").await;
    let document = format!("{{ policies {{ matrix(type: \"Customer\") {all} }} }}");
    let matrix = hub.data(ADMIN, &document).await["policies"]["matrix"].take();
    for format in ["text", "markdown", "html"] {
        let command = said(&hub, &["policy", "matrix", "--type", "Customer", "--format", format]).await;
        // the command's clock goes on, and the page tells the moment
        let timeless = |text: &str| match text.split_once(", on ").zip(text.split_once(". Point")) {
            Some(((before, _), (_, after))) => format!("{before}{after}"),
            None => text.to_owned(),
        };
        assert!(timeless(matrix[format].as_str().unwrap()) == timeless(&command), "{format}");
    }
    let fields = matrix["types"][0]["fields"].as_array().unwrap();
    let cell = |field: &str, seat: &str| {
        let field = fields.iter().find(|f| f["field"] == field).unwrap();
        let at = matrix["seats"].as_array().unwrap().iter().position(|s| s == seat).unwrap();
        assert_eq!(field["cells"][at]["seat"], seat);
        field["cells"][at].clone()
    };
    assert_eq!(
        cell("creditLimit", BERGMANN)["state"].as_str().zip(cell("creditLimit", ADMIN)["state"].as_str()),
        Some(("HIDDEN", "FULL"))
    );
    assert_eq!(cell("name", BERGMANN)["state"], "CONDITIONAL");
    let rep = "nordwind/sales_rep";
    assert_eq!((&cell("city", rep)["writes"], &cell("id", rep)["writes"]), (&json!(["UPDATE"]), &json!(["CREATE"])));
    assert_eq!(cell("city", BERGMANN)["writes"], json!([]));
    assert_eq!(cell("name", BERGMANN)["forbids"], json!(["external.no-secret", "nda.existence", "nda.name"]));
    assert_eq!(
        (&cell("postcode", BERGMANN)["state"], matrix["types"].as_array().unwrap().len()),
        (&"TREATED".into(), 1)
    );
}

async fn a_check_and_a_test_are_the_commands(hub: Hub) {
    let document = "query($files: [PolicyFileInput!]) { policies { check(files: $files) { \
        holds policies refusals { file line reason } text } } }";
    let checked = hub.data_with(ADMIN, document, json!({})).await["policies"]["check"].take();
    assert_eq!(format!("{}\n", checked["text"].as_str().unwrap()), said(&hub, &["policy", "check"]).await);
    assert_eq!((&checked["holds"], &checked["refusals"]), (&true.into(), &json!([])));
    let broken = changed(&active(&hub).await, "demand.cedar", "resource.bucketStart >", "resource.bucketstart >");
    let folder = policies();
    write(&broken, folder.path());
    let command = hub.cli(&["policy", "check", "--policies", &folder.path().to_string_lossy()]).run().await;
    let checked = hub.data_with(ADMIN, document, json!({ "files": broken })).await["policies"]["check"].take();
    assert_eq!(checked["holds"], false);
    assert!(command.stderr.contains(checked["text"].as_str().unwrap()), "{checked} {}", command.stderr);
    assert_eq!(checked["refusals"][0]["file"], "demand.cedar");

    let document = "{ policies { live: test(live: true) { text } test { holds tried rules { rule expectations } failures text } } }";
    let tested = hub.data(ADMIN, document).await["policies"].take();
    let command = said(&hub, &["policy", "test"]).await;
    assert_eq!(format!("{}\n", tested["test"]["text"].as_str().unwrap()), command);
    assert_eq!(tested["live"]["text"], tested["test"]["text"]);
    let rules = tested["test"]["rules"].as_array().unwrap().iter().map(|r| r["expectations"].as_i64().unwrap());
    assert_eq!(
        (rules.sum::<i64>(), &tested["test"]["holds"]),
        (tested["test"]["tried"].as_i64().unwrap(), &true.into())
    );
    // the files say what is in them
    let files = hub.data(ADMIN, "{ policies { version files { policies { id effect source } } cedarSchema } }").await;
    let files = &files["policies"];
    let policies: Vec<&Value> =
        files["files"].as_array().unwrap().iter().flat_map(|f| f["policies"].as_array().unwrap()).collect();
    assert_eq!(checked["policies"], 0);
    assert!(policies.len() > 100 && policies.iter().any(|p| p["effect"] == "BY_LAW"));
    assert!(policies.iter().all(|p| p["source"].as_str().unwrap().contains(p["id"].as_str().unwrap())));
    assert_eq!(files["cedarSchema"], said(&hub, &["policy", "schema"]).await);
}

/// What `tools.graphql` adds.
const TYPES: [&str; 6] =
    ["Policies", "PolicyFileInput", "PolicyEffect", "PolicyExplanation", "PolicyDiff", "AuditVerification"];

async fn a_schema_is_the_one_that_the_seat_has(hub: Hub) {
    for seat in [ADMIN, AQUA, BERGMANN] {
        let document = format!("{{ policies {{ schema(as: \"{seat}\") }} }}");
        let schema = hub.data(ADMIN, &document).await["policies"]["schema"].take();
        assert!(schema == said(&hub, &["schema", "--as", seat]).await, "{seat}");
        for ty in TYPES {
            assert_eq!(schema.as_str().unwrap().contains(ty), seat == ADMIN, "{seat} {ty}");
        }
    }
}

async fn only_an_operator_has_them(hub: Hub) {
    let seats = roster::all_seats(hub.db(), hub.clock().now()).await.unwrap();
    assert!(seats.len() > 10);
    for seat in seats.iter().map(|taken| taken.name.to_string()).filter(|seat| seat != ADMIN) {
        for (document, field) in
            [("{ policies { version } }", "policies"), ("{ auditVerify { whole } }", "auditVerify")]
        {
            // in the words of a field that there is nowhere
            let known = hub.refusal(&seat, document).await;
            let unknown = hub.refusal(&seat, &document.replace(field, "nowhere")).await;
            assert_eq!((known.0, known.1.replace(field, "nowhere")), unknown, "{seat}");
        }
        let data = hub.data(&seat, "{ __schema { queryType { fields { name } } types { name } } }").await;
        let told = data.to_string();
        for name in TYPES.into_iter().chain(["policies", "auditVerify"]) {
            assert!(!told.contains(&format!("\"{name}\"")), "{seat} {name}");
        }
        for ty in TYPES {
            assert!(hub.data(&seat, &format!("{{ __type(name: \"{ty}\") {{ name }} }}")).await["__type"].is_null());
        }
    }
    assert_eq!(hub.data(ADMIN, "{ __type(name: \"Policies\") { name } }").await["__type"]["name"], "Policies");
}

async fn posted(hub: &Hub, place: &str, document: &str) -> Reply {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ADMIN).await);
    let request = request.header("X-Entente-As", place).json(&json!({ "query": document }));
    send(request.header("Accept", "application/graphql-response+json")).await
}

async fn an_operator_in_anothers_place_has_none(hub: Hub) {
    for place in [PLANNER, AQUA, ADMIN] {
        let (code, message) = posted(&hub, place, "{ policies { version } }").await.refusal();
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("GRAPHQL_VALIDATION_FAILED", "Unknown field \"policies\" on type \"Query\".")
        );
        assert!(posted(&hub, place, "{ __type(name: \"Policies\") { name } }").await.data()["__type"].is_null());
    }
}

async fn wrong_use_is_told_in_a_sentence(hub: Hub) {
    let explain = |arguments: &str| format!("{{ policies {{ explain({arguments}) {{ shown }} }} }}");
    let customer = format!("as: \"{BERGMANN}\", type: \"Customer\"");
    for (document, code, told) in [
        (explain("as: \"bergmann\", type: \"Customer\""), "BAD_USER_INPUT", "`bergmann` is no seat"),
        (explain("as: \"nobody/x\", type: \"Customer\""), "BAD_USER_INPUT", "no organisation `nobody`, there are"),
        (explain("as: \"bergmann/x\", type: \"Customer\""), "BAD_USER_INPUT", "nobody at `bergmann` is `x` now"),
        (explain(&format!("as: \"{BERGMANN}\", type: \"Klient\"")), "BAD_USER_INPUT", "there is no type `Klient`"),
        (explain(&format!("{customer}, field: \"nam\"")), "BAD_USER_INPUT", "Customer has no field `nam`, its fields"),
        (explain(&format!("{customer}, row: \"Nemo\"")), "NOT_FOUND", "no Customer is meant by `Nemo`"),
        (explain(&format!("{customer}, row: \"a\\u0000\"")), "BAD_USER_INPUT", "`row` is"),
        (explain(&format!("{customer}, at: \"soon\"")), "BAD_USER_INPUT", "`at` is `\"soon\"`, expected a moment"),
        ("{ policies { matrix(type: \"Klient\") { text } } }".into(), "BAD_USER_INPUT", "there is no type `Klient`"),
        ("{ policies { diff(files: []) { text } } }".into(), "BAD_USER_INPUT", "`files` holds 0 files"),
        (
            "{ policies { diff(files: [{ name: \"a.cedar\", source: \"permit(\" }]) { text } } }".into(),
            "BAD_USER_INPUT",
            "the policies of `files` are refused: a.cedar:1: ",
        ),
        ("{ policies { diff { text } } }".into(), "GRAPHQL_VALIDATION_FAILED", "files"),
        ("{ policies { nothing } }".into(), "GRAPHQL_VALIDATION_FAILED", "Unknown field"),
    ] {
        let (given, message) = hub.refusal(ADMIN, &document).await;
        assert_eq!(given, code, "{document} {message}");
        assert!(message.contains(told) && !message.contains('\n'), "{message}");
    }
    let diff = "query($files: [PolicyFileInput!]!) { policies { diff(files: $files) { text } } }";
    let deep = format!("@id(\"a\") @doc(\"a\") permit(principal, action, resource) when {{ {}1", "(".repeat(100_000));
    for (source, told) in [(deep, "`a.cedar` nests 100001 brackets"), ("/".repeat(200_000), "at most 196608 bytes")] {
        let files = json!({ "files": [{ "name": "a.cedar", "source": source }] });
        let (code, message) = hub.refusal_with(ADMIN, diff, files).await;
        assert!(code == "BAD_USER_INPUT" && message.contains(told), "{message}");
    }
    // a document that was validated before comes with other variables
    let document = "query($as: String!) { policies { schema(as: $as) } }";
    hub.data_with(ADMIN, document, json!({ "as": BERGMANN })).await;
    assert_eq!(
        hub.refusal_with(ADMIN, document, json!({ "as": 3 })).await.1,
        "`as` is `3`, expected a string without zero characters"
    );
}

async fn they_count_as_what_they_cost(hub: Hub) {
    let document = "{ policies { a: prove { holds } b: prove { holds } c: prove { holds } d: prove { holds } } }";
    let (code, message) = hub.refusal(ADMIN, document).await;
    assert_eq!(code, "COST_LIMIT_EXCEEDED", "{message}");
}

async fn each_use_is_in_the_log(hub: Hub) {
    let files = active(&hub).await;
    let columns = "Action::\"Customer.segment\", Action::\"Customer.lifecycleStage\"]";
    let files = changed(&files, "customer.cedar", columns, &columns.replace(']', ", Action::\"Customer.city\"]"));
    let key = hub.texts("SELECT CAST(count(*) AS text) FROM customer WHERE name = 'Rheinwasser AG'").await;
    assert_eq!(key, [Some("1".to_owned())]);
    let explained = format!("policy explain as {BERGMANN} Customer [\"postcode\"] 1 Rheinwasser AG");
    for (document, lines) in [
        // the policies themselves are nobody's data
        ("{ policies { version cedarSchema files { name } } }", vec![]),
        (
            "{ policies { explain(as: \"bergmann/partner_sales\", type: \"Customer\", field: \"postcode\", \
                row: \"Rheinwasser AG\") { shown } } }",
            vec![explained.as_str()],
        ),
        // also if nothing came of it
        (
            "{ policies { explain(as: \"bergmann/partner_sales\", type: \"Customer\", field: \"name\", row: \"Nemo\") { \
                shown } } }",
            vec!["policy explain as bergmann/partner_sales Customer [\"name\"] 0 -"],
        ),
        (
            "query($files: [PolicyFileInput!]!) { policies { diff(files: $files) { gains } } }",
            vec!["policy diff Customer [] 0 -"],
        ),
        (
            "{ policies { check { holds } matrix(type: \"Case\") { at } } }",
            vec!["policy check Policy [] 0 -", "policy matrix Policy [] 0 -"],
        ),
        (
            "{ policies { schema(as: \"bergmann/partner_sales\") } auditVerify { whole } }",
            vec!["schema as bergmann/partner_sales Policy [] 0 -", "audit verify AuditEvent [] 0 -"],
        ),
    ] {
        let end = hub.log_end().await;
        hub.query_with(ADMIN, document, json!({ "files": files })).await;
        hub.take_log().await;
        let found = hub
            .texts(&format!(
                "SELECT reason || ' ' || object_type || ' ' || CAST(fields AS text) || ' ' || \"rows\" || ' ' || \
                 coalesce((SELECT c.name FROM customer c WHERE c.id = e.object_id), '-') \
                 FROM audit_event e WHERE seq > {end} AND action = 'read' AND decision = 'allow' \
                 AND organisation_id = (SELECT id FROM organisation WHERE slug = 'nordwind') \
                 AND principal_id = (SELECT id FROM principal WHERE slug = 'ada') ORDER BY seq"
            ))
            .await;
        assert_eq!(found.iter().flatten().collect::<Vec<_>>(), lines, "{document}");
        assert_eq!(hub.log_end().await - end, lines.len() as i64, "{document}");
    }
    // what cannot be logged is not told
    let journal = hub.journal();
    fs::remove_dir_all(&journal).unwrap();
    fs::write(&journal, "").unwrap();
    let closed = hub.query(ADMIN, "{ policies { matrix(type: \"Case\") { text } } }").await;
    assert!(closed.status == 503 && !closed.text.contains("bergmann"), "{} {}", closed.status, closed.text);
    fs::remove_file(&journal).unwrap();
}

async fn a_log_is_verified_as_the_command_does(hub: Hub) {
    let all = everything(&hub, "AuditVerification").await;
    let document = format!("query($head: String) {{ auditVerify(head: $head) {all} }}");
    let verified =
        async |head: Value| hub.data_with(ADMIN, &document, json!({ "head": head })).await["auditVerify"].take();
    let command = said(&hub, &["audit", "verify"]).await;
    let told = verified(Value::Null).await;
    assert_eq!((&told["whole"], &told["text"]), (&true.into(), &command.as_str().into()));
    assert!(
        command.starts_with(&format!("{} lines", told["lines"])) && command.contains(told["head"].as_str().unwrap())
    );
    assert_eq!(verified(told["head"].clone()).await["whole"], true);
    let foreign = verified("0".repeat(64).into()).await;
    assert!(foreign["whole"] == false && foreign["text"].as_str().unwrap().contains("is no part of the chain"));
    hub.sql("UPDATE audit_event SET \"rows\" = 77 WHERE seq = 2").await;
    let told = verified(Value::Null).await;
    assert_eq!((&told["whole"], &told["lines"], &told["head"]), (&false.into(), &Value::Null, &Value::Null));
    let command = hub.cli(&["audit", "verify"]).run().await;
    assert_eq!(told["text"], command.sentence(1));
}

async fn a_place_in_the_log_may_be_longer_than_int(hub: Hub) {
    let far = 4_294_967_297_i64;
    hub.sql(&format!("UPDATE audit_event SET seq = {far} WHERE seq = 5")).await;
    let document = "query($seq: Long!) { auditEvents(filter: { seq: { eq: $seq } }) { nodes { seq } } \
        auditEventAggregate { max { seq } } }";
    // as a number and as text
    for seq in [json!(far), json!(far.to_string())] {
        let data = hub.data_with(ADMIN, document, json!({ "seq": seq })).await;
        assert_eq!(data["auditEvents"]["nodes"], json!([{ "seq": far }]));
        assert_eq!(data["auditEventAggregate"][0]["max"]["seq"], far);
    }
    let after = format!("{{ auditEvents(filter: {{ seq: {{ gt: {} }} }}) {{ totalCount }} }}", far - 1);
    assert_eq!(hub.data(ADMIN, &after).await["auditEvents"]["totalCount"], 1);
    let (code, message) = hub.refusal_with(ADMIN, document, json!({ "seq": 1.5 })).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("BAD_USER_INPUT", "`filter.seq.eq` is `1.5`, expected a whole number of 64 bits")
    );
}

const CLAIM: &str = "@id(\"partner.phones\")\n@doc(\"No partner reads a phone number.\")\n\
    forbid (principal, action == Action::\"Contact.phone\", resource is Contact)\nunless { principal in Kind::\"internal\" };\n";
const HOLE: &str = "@id(\"planted.phones\")\n@doc(\"Distributors call their customers' people.\")\n\
    permit (principal in Kind::\"distributor\", action in Action::\"Contact:contact\", resource is Contact)\n\
    when { principal in Role::\"partner_sales\" && resource has customer && resource.customer.country == \"DE\" };\n";

async fn a_proof_is_the_commands(hub: Hub) {
    let program = solver().unwrap_or_else(|reason| skip(reason));
    let folder = policies();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_none_or(|name| name != "base.cedar") {
            fs::remove_file(path).unwrap();
        }
    }
    fs::write(folder.path().join("contact.cedar"), HOLE).unwrap();
    fs::create_dir(folder.path().join("invariants")).unwrap();
    fs::write(folder.path().join("invariants/contacts.cedar"), CLAIM).unwrap();
    let hub = hub.with(|config| config.policies = Some(folder.path().to_owned())).await;
    let all = everything(&hub, "PolicyProof").await;
    let document = format!("{{ policies {{ prove {all} }} }}");
    // one at a time; rows are read meanwhile
    let (one, other, rows) = tokio::join!(
        hub.query(ADMIN, &document),
        hub.query(ADMIN, &document),
        hub.query(ADMIN, "{ customers { totalCount } }")
    );
    rows.data();
    let (proof, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    let (code, message) = refused.refusal();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("RATE_LIMITED", "a proof is running already, ask again when it has ended")
    );
    let proof = proof.data()["policies"]["prove"].take();
    let path = std::env::var("PATH").unwrap_or_default();
    let prove = hub.cli(&["policy", "prove", "--policies", &folder.path().to_string_lossy()]);
    let command =
        prove.env("CVC5", &program).env("PATH", &path).within(std::time::Duration::from_secs(300)).run().await;
    assert_eq!(proof["refusal"], command.sentence(1));
    // but for the time that it took
    let timeless = |text: &str| text.rsplit_once(" in ").unwrap().0.to_owned();
    assert_eq!(timeless(proof["text"].as_str().unwrap()), timeless(&command.stdout));
    let claim = &proof["invariants"][0];
    assert_eq!((&claim["id"], &claim["holds"], &claim["line"]), (&"partner.phones".into(), &false.into(), &1.into()));
    assert!(claim["faults"][0].as_str().unwrap().contains("Contact.phone is allowed in this world"), "{claim}");
    assert_eq!(proof["holds"], false);
    // the next one has its turn
    hub.data(ADMIN, "{ policies { prove { holds } } }").await;
}

async fn without_a_solver_it_says_what_to_install(hub: Hub) {
    let mut serving = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("CVC5", "/nowhere/cvc5").start();
    let url = serving.says("serving http").await.trim_start_matches("serving ").to_owned();
    let body = json!({ "query": "{ policies { prove { holds } } }" });
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().post(url).json(&body);
    let answer = send(answer.bearer_auth(hub.token(ADMIN).await)).await;
    let (code, message) = answer.refusal();
    assert_eq!(code, "NOT_FOUND", "{message}");
    assert!(message.contains("`/nowhere/cvc5` does not start") && message.contains("apt install cvc5"), "{message}");
}
