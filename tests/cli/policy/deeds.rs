//! `entente policy explain --to`: why a seat may, or may not, write a row, take it along, or open a field of it.

use crate::harness::{Hub, entente, tests};

tests! {
    alone: a_whole_row_has_no_field;
    changing: webhooks_are_managed;
    reading:
        an_open_answer_may_be_changed,
        a_closed_answer_may_not,
        what_is_not_seen_is_not_written,
        who_may_not_learns_who_may,
        rows_are_created_and_deleted_whole,
        machines_take_nothing_along,
        a_hidden_field_may_be_opened,
        json_says_what_is_asked;
}

const AQUA: &str = "aqua-seals/partner_planner";
const SVEA: &str = "nordwind/support_agent/svea";

async fn told(hub: &Hub, to: &str, arguments: &[&str]) -> String {
    hub.cli(&[&["policy", "explain", "--to", to, "--as"], arguments].concat()).run().await.good()
}

#[track_caller]
fn holds(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "no `{sentence}` in\n{text}");
    }
}

/// A's answer for the week that begins on this Monday.
fn answer(monday: &str) -> String {
    format!("series.product.sku=S40,supplier.slug=aqua-seals,version.status=published,bucketStart={monday}")
}

async fn an_open_answer_may_be_changed(hub: Hub) {
    let text = told(&hub, "update", &[AQUA, "SupplyCommitment.qty", &answer("2026-06-29")]).await;
    holds(
        &text,
        &[
            "aqua-seals/partner_planner may change SupplyCommitment.qty of `",
            "`: `commitment.answer`\n",
            "  permit commitment.answer  commitment.cedar:",
            "“A supplier's planner changes quantity, reason and comment",
            "      yes resource.version.status == \"published\"\n",
            "      yes resource.bucketStart > context.now.offset(duration(\"54h\"))\n",
            "  permit commitment.own  commitment.cedar:",
            ", to read it\n",
            "  from 2026-06-26T18:00:00Z on, by itself: it may be changed no more\n",
        ],
    );
    // a new one as well, in a row that is so
    let text = told(&hub, "create", &[AQUA, "SupplyCommitment", &answer("2026-06-29")]).await;
    holds(&text, &["may create a SupplyCommitment such as `", "`: `commitment.give`\n", "agreements\n", "in force\n"]);
    let text = told(&hub, "update", &[AQUA, "SupplyCommitment", &answer("2026-06-29")]).await;
    holds(&text, &["may change `qty`, `upsideQty`, `reasonCode`, `commentShared` of the SupplyCommitment `"]);
}

async fn a_closed_answer_may_not(hub: Hub) {
    let late = ["--at", "2026-06-19T18:00:00Z"];
    let week = answer("2026-06-22");
    let text = told(&hub, "update", &[&[AQUA, "SupplyCommitment.qty", &week], &late[..]].concat()).await;
    holds(
        &text,
        &[
            "aqua-seals/partner_planner may not change SupplyCommitment.qty of `",
            "`, because no permit holds for this row\n",
            "      no  resource.bucketStart > ",
            "(bucketStart is 2026-06-22)\n",
            "`commitment.answer` lacks one condition, `resource.bucketStart > ",
            "`: with it, it may be changed\n",
        ],
    );
    // an answer to a forecast that was replaced, in time
    let replaced = "supplier.slug=aqua-seals,version.status=superseded,bucketStart=2026-06-15";
    let early = ["--at", "2026-06-10T00:00:00Z"];
    let text = told(&hub, "update", &[&[AQUA, "SupplyCommitment.qty", replaced], &early[..]].concat()).await;
    holds(
        &text,
        &[
            "      no  resource.version.status == \"published\"",
            "`resource.version.status == \"published\"`: with it, it may",
        ],
    );
}

async fn what_is_not_seen_is_not_written(hub: Hub) {
    let text =
        told(&hub, "update", &["ceram-motors/partner_planner", "SupplyCommitment.qty", &answer("2026-06-29")]).await;
    holds(
        &text,
        &[
            "ceram-motors/partner_planner may not change SupplyCommitment.qty of `",
            "it does not see that there is such a row: ",
        ],
    );
    let donauwerk = "Donauwerk Sondertechnik GmbH";
    let text = told(&hub, "update", &["nordwind/sales_rep/anna", "Customer.city", donauwerk]).await;
    holds(&text, &["such a row: `nda.existence` forbids it\n", "forbid nda.existence", ", to read it\n"]);
}

async fn who_may_not_learns_who_may(hub: Hub) {
    let text = told(&hub, "update", &["nordwind/planner", "SupplyCommitment.qty"]).await;
    holds(
        &text,
        &[
            "nordwind/planner may change SupplyCommitment.qty in no row, because no policy permits it to a planner of this \
             kind of organisation\n",
            "permitted to others by commitment.answer (commitment.cedar:",
            "also may be changed by aqua-seals/partner_planner (in some rows)",
        ],
    );
    let text = told(&hub, "update", &["nordwind/sales_rep/bruno", "Customer.city", "Rheinwasser AG"]).await;
    holds(&text, &["nordwind/sales_rep/bruno may not change Customer.city of `Rheinwasser AG`, because "]);
}

async fn rows_are_created_and_deleted_whole(hub: Hub) {
    let text = told(&hub, "create", &[AQUA, "SupplyCommitment"]).await;
    holds(&text, &["may create rows of SupplyCommitment, such as `commitment.give` says\n"]);
    let text = told(&hub, "delete", &[AQUA, "SupplyCommitment"]).await;
    holds(&text, &["may delete SupplyCommitment in no row, because no policy permits it to a partner_planner"]);
    let text = told(&hub, "delete", &["nordwind/admin", "AgreementScope"]).await;
    holds(&text, &["nordwind/admin may delete AgreementScope in "]);
}

async fn webhooks_are_managed(hub: Hub) {
    let admin = "aqua-seals/partner_admin";
    let add = [
        "webhook",
        "add",
        "--as",
        admin,
        "https://example.com/in",
        "subscription { changes(types: [PRINCIPAL]) { kind id cursor } }",
    ];
    let id = hub.cli(&add).run().await.good();
    let id = id.split_whitespace().find(|word| word.len() == 36).unwrap();
    let text = told(&hub, "manage", &[admin, "WebhookEndpoint", id]).await;
    holds(
        &text,
        &["may manage the WebhookEndpoint `", "`: `webhook.manage`\n", "permit webhook.manage  webhook.cedar:"],
    );
    let text = told(&hub, "manage", &[admin, "WebhookEndpoint"]).await;
    holds(&text, &["may manage WebhookEndpoint in 1 of the 1 rows that it sees, 1 in all: `webhook.manage`\n"]);
    let text = told(&hub, "manage", &[AQUA, "WebhookEndpoint"]).await;
    holds(&text, &["in no row, because no policy permits it", "permitted to others by webhook.manage"]);
}

async fn machines_take_nothing_along(hub: Hub) {
    let machine = "aqua-seals/service_account";
    let text = told(&hub, "export", &[machine, "DemandSeries"]).await;
    holds(&text, &["may take along DemandSeries in no row, because `export.no-machines` forbids it\n"]);
    let row = "product.sku=S40,supplier.slug=aqua-seals,shipToUnit.name=Plant Kiel";
    let text = told(&hub, "export", &[machine, "DemandSeries", row]).await;
    holds(&text, &["may not take along the DemandSeries `", "`, because `export.no-machines` forbids it\n"]);
    holds(&text, &["  were it not for `export.no-machines`: it may be taken along\n"]);
    let text = told(&hub, "export", &[AQUA, "DemandSeries", row]).await;
    holds(&text, &["may take along the DemandSeries `", "`: `export.readers`\n"]);
}

async fn a_hidden_field_may_be_opened(hub: Hub) {
    let huber = "customer.name=Familie Huber*";
    let text = told(&hub, "open", &[SVEA, "Contact.phone", huber]).await;
    holds(
        &text,
        &["may open Contact.phone of `", "`: `glass.support-phone`\n", "permit glass.support-phone  glass.cedar:"],
    );
    let open = "customer.name=Rheinwasser AG,jobTitle=Head of maintenance";
    let text = told(&hub, "open", &[SVEA, "Contact.phone", open]).await;
    holds(&text, &["may not open Contact.phone of `", "`, because it is shown anyway\n"]);
    let text = told(&hub, "open", &["nordwind/marketing", "Contact.phone"]).await;
    holds(&text, &["may open Contact.phone in no row, because ", "permitted to others by glass.support-phone"]);
}

async fn json_says_what_is_asked(hub: Hub) {
    let json = told(&hub, "update", &[AQUA, "SupplyCommitment.qty", &answer("2026-06-29"), "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["to"], &json["shown"]), (&"update".into(), &"allowed".into()));
    let policies = json["policies"].as_array().unwrap();
    assert_eq!((&policies[0]["id"], &policies[0]["to"]), (&"commitment.answer".into(), &"update".into()));
    assert!(policies.iter().any(|policy| policy["id"] == "commitment.own" && policy["to"] == "read"), "{json}");
}

async fn a_whole_row_has_no_field() {
    let explain = |to, what| entente(&["policy", "explain", "--demo", "--to", to, "--as", AQUA, what]);
    let said = explain("delete", "SupplyCommitment.qty").run().await;
    assert_eq!(said.sentence(2), "to delete speaks of whole rows, leave the field out");
    let said = explain("open", "Contact").run().await;
    assert_eq!(said.sentence(2), "to open speaks of one field, name it as in `Contact.phone`");
}
