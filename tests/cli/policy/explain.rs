//! `entente policy explain`: the hard cases of the demo world, each with what decides and what would change it.

use serde_json::Value;

use crate::harness::{Hub, entente, tests};

tests! {
    alone: the_demo_world_is_explained_without_a_database;
    reading:
        a_code_name_hides_the_name,
        an_embargo_names_its_day,
        a_mask_names_its_agreement,
        an_agreement_that_ended_is_named,
        the_law_stands_above_agreements,
        a_field_nobody_permits_names_those_who_see_it,
        a_type_is_told_in_rows_and_fields,
        what_is_shown_in_sums_is_told_so,
        a_row_is_meant_in_many_ways,
        json_says_the_same,
        wrong_use_is_told_in_a_sentence;
    changing: what_is_said_to_change_it_does;
}

const BERGMANN: &str = "bergmann/partner_sales";
const DAUPHIN: &str = "dauphin/partner_sales";

async fn told(hub: &Hub, arguments: &[&str]) -> String {
    hub.cli(&[&["policy", "explain", "--as"], arguments].concat()).run().await.good()
}

#[track_caller]
fn holds(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "no `{sentence}` in\n{text}");
    }
}

async fn a_code_name_hides_the_name(hub: Hub) {
    let text = told(&hub, &[BERGMANN, "Customer.name", "Alpenstahl AG"]).await;
    holds(
        &text,
        &[
            "bergmann/partner_sales does not see Customer.name of `Alpenstahl AG`, because `nda.name` forbids it\n",
            "  forbid nda.name  nda.cedar:",
            "“Partners know a customer of level 1 by its code name; place and industry would name it.”",
            "      yes resource.ndaLevel >= 1   (ndaLevel is 1)\n",
            "  permit customer.distributor-agreed  customer.cedar:",
            "      yes resource in principal.organisation.sharedCustomers\n",
            "    covers this row: customer: region AT\n",
            "  were it not for `nda.name`: name is shown in full\n",
            "also seen by nordwind/admin (full)",
        ],
    );
    let text = told(&hub, &["nordwind/sales_rep/anna", "Customer", "Donauwerk Sondertechnik GmbH"]).await;
    holds(
        &text,
        &[
            "does not see the Customer `Donauwerk Sondertechnik GmbH`, because `nda.existence` forbids it",
            "resource in principal.accounts",
        ],
    );
}

async fn an_embargo_names_its_day(hub: Hub) {
    let text = told(&hub, &[BERGMANN, "Product", "PX500"]).await;
    holds(
        &text,
        &[
            "bergmann/partner_sales does not see the Product `PX500`, because `embargo.product` forbids it\n",
            "  forbid embargo.product  embargo.cedar:4\n",
            "yes resource.embargoUntil > context.now   (embargoUntil is 2026-09-01T09:00:00Z)",
            "  from 2026-09-01T09:00:00Z on, by itself: the row is there: `sku`, `name`",
        ],
    );
    let text = told(&hub, &["nordwind/support_agent", "Product.name", "PX500"]).await;
    holds(&text, &["`embargo.support`", "  from 2026-08-25T09:00:00Z on, by itself: it is shown in full\n"]);
    let text = told(&hub, &[BERGMANN, "Product.name", "PX500", "--at", "2026-09-01T09:00:00Z"]).await;
    holds(&text, &["sees Product.name of `PX500` in full: `product.catalogue`\n"]);
}

async fn a_mask_names_its_agreement(hub: Hub) {
    let of = |name: &str| format!("customer.name={name},jobTitle=Head of maintenance");
    let text = told(&hub, &[BERGMANN, "Contact.email", &of("Stadtwerke Kassel")]).await;
    holds(
        &text,
        &[
            "sees Contact.email of `Stadtwerke Kassel` as email_mask, as the agreement “Distribution Germany, Austria, \
             Switzerland” says: `contact.distributor-agreed`\n",
            "  permit contact.distributor-assigned  contact.cedar:",
            "      no  resource.customer.assignedPartner == principal.organisation",
            "  `contact.distributor-assigned` lacks one condition, `resource.customer.assignedPartner == \
             principal.organisation`: with it, it is shown in full\n",
            "shows email as email_mask: listed in full, it is shown in full\n",
        ],
    );
    let text = told(&hub, &[BERGMANN, "Contact.email", &of("Rheinwasser AG")]).await;
    holds(&text, &["in full: `contact.distributor-assigned`\n", "assignedPartner == principal.organisation\n"]);
}

async fn an_agreement_that_ended_is_named(hub: Hub) {
    let text = told(&hub, &[DAUPHIN, "Customer", "Rheinwasser AG"]).await;
    holds(
        &text,
        &[
            "dauphin/partner_sales does not see the Customer `Rheinwasser AG`, because no agreement in force covers it\n",
            "      no  resource in principal.organisation.sharedCustomers   (region is DE)\n",
            "  “Distribution France”, active from 2025-01-01, until 2027-01-01: in force\n    none of its 1 scopes covers",
            "  “Distribution Germany, trial”, active from 2025-01-01, until 2026-01-01: not in force, it ended on 2026-01-01\n",
            "    would cover this row: customer: everything\n",
            "  the agreement “Distribution Germany, trial” is not in force, it ended on 2026-01-01: were it in force, \
             the row is there: ",
        ],
    );
    // a scope may end before its agreement, and what is in force says when it ends
    let aqua = "aqua-seals/partner_planner";
    let text = told(&hub, &[aqua, "DemandSeries.region", "product.sku=S25,supplier.slug=aqua-seals"]).await;
    holds(&text, &["a scope of “Supply collaboration 2026” is not in force (demand: product S25 until 2026-05-16)"]);
    let s40 = "product.sku=S40,supplier.slug=aqua-seals,shipToUnit.name=Plant Kiel";
    let text = told(&hub, &[aqua, "DemandSeries.region", s40]).await;
    holds(&text, &["in full: `demand.supplier`\n", "  from 2027-01-01 on, by itself: the row is gone\n"]);
}

async fn the_law_stands_above_agreements(hub: Hub) {
    let of = "customer.name=Chauffage Delorme";
    let text = told(&hub, &[BERGMANN, "Case.number", of]).await;
    holds(
        &text,
        &[
            " in full by law, which stands above every forbid: `safety.case`\n",
            "  by law safety.case  safety.cedar:4\n",
            "      yes resource.safetyFlag\n      yes resource in principal.organisation.safetyCases\n",
            "  permit case.distributor  case.cedar:",
            "      no  resource in principal.organisation.sharedCases",
            "    none of its 4 scopes covers this row\n",
        ],
    );
    let text = told(&hub, &[BERGMANN, "Case.customer", of]).await;
    holds(
        &text,
        &["does not see Case.customer of", "because `external.no-secret` forbids it", "safety.case"].map(|s| s)[..1],
    );
    assert!(!text.contains("sees Case.customer"), "{text}");
}

async fn a_field_nobody_permits_names_those_who_see_it(hub: Hub) {
    let text = told(&hub, &["aqua-seals/partner_planner", "Case.customer"]).await;
    holds(
        &text,
        &[
            "Case.customer is unknown to aqua-seals/partner_planner, because no policy permits it to a partner_planner",
            "permitted to others by host.admin (base.cedar:16), case.support (case.cedar:",
            "also seen by bergmann/partner_sales (full), dauphin/partner_sales (full), nordwind/admin (full)",
        ],
    );
    let text = told(&hub, &[BERGMANN, "Customer.city"]).await;
    holds(
        &text,
        &[
            "says how to show it",
            "“Distribution Germany, Austria, Switzerland” does not list city: listed in full, it is seen in 25 rows instead of 0\n",
        ],
    );
}

async fn a_type_is_told_in_rows_and_fields(hub: Hub) {
    let data = hub.data(BERGMANN, "{ customers { totalCount } }").await;
    let (rows, all) = (&data["customers"]["totalCount"], hub.number("SELECT count(*) FROM customer").await);
    let text = told(&hub, &[BERGMANN, "Customer"]).await;
    holds(
        &text,
        &[&format!("bergmann/partner_sales sees {rows} of the {all} rows of Customer, and 8 of its 21 fields\n")],
    );
    let with = hub.data(BERGMANN, "{ customers(filter: { postcode: { isNull: false } }) { totalCount } }").await;
    let with = &with["customers"]["totalCount"];
    let text = told(&hub, &[BERGMANN, "Customer.postcode"]).await;
    let sentence = format!("sees Customer.postcode as prefix:2 in {with} of the {rows} rows of Customer that it sees");
    holds(&text, &[&sentence, "if  resource in principal.organisation.sharedCustomers"]);
}

/// R6
async fn what_is_shown_in_sums_is_told_so(hub: Hub) {
    const MARKETING: &str = "bergmann/partner_marketing";
    let counted = hub.data(MARKETING, "{ demandBucketAggregate { count } }").await;
    let counted = counted["demandBucketAggregate"][0]["count"].as_i64().unwrap();
    let text = told(&hub, &[MARKETING, "DemandBucket.qty"]).await;
    holds(
        &text,
        &[
            &format!(
                "bergmann/partner_marketing sees no row of DemandBucket, but DemandBucket.qty in sums over {counted} of the "
            ),
            " rows, as aggregate_only:5,0.75 by seriesRegion seriesProductFamily bucketStartMonth: `demand.marketing`\n",
            "  permit demand.marketing  demand.cedar:",
            "    shows qty: aggregate_only:5,0.75\n",
            "  from 2026-09-01T09:00:00Z on, by itself: its sums are over ",
            "  from 2028-01-01 on, by itself: it is told in no sum\n",
        ],
    );
    let row = "series.product.sku=P100,series.region=CH,version.status=published,bucketStart=2026-07-01";
    let text = told(&hub, &[MARKETING, "DemandBucket.qty", row]).await;
    holds(
        &text,
        &[
            "nor that there is such a row: because `demand.marketing` shows it in sums only\n",
            "decided by\n  permit demand.marketing  demand.cedar:",
        ],
    );
    let text = told(&hub, &[MARKETING, "DemandBucket.qty", "--at", "2028-01-01T00:00:00Z"]).await;
    holds(
        &text,
        &[
            "DemandBucket.qty is unknown to bergmann/partner_marketing, because",
            "not in force, it ended on 2028-01-01: were it in force, it is told in sums over ",
        ],
    );
    let text = told(&hub, &[BERGMANN, "DemandBucket.qty"]).await;
    holds(&text, &["is unknown to bergmann/partner_sales", "bergmann/partner_marketing (aggregate_only:5,0.75)"]);
}

async fn a_row_is_meant_in_many_ways(hub: Hub) {
    let by_name = told(&hub, &[BERGMANN, "Customer.name", "Rheinwasser AG"]).await;
    let key = hub.texts("SELECT id FROM customer WHERE name = 'Rheinwasser AG'").await;
    let key = key[0].clone().unwrap();
    let document = "{ customers(filter: { name: { eq: \"Rheinwasser AG\" } }) { nodes { id } } }";
    let data = hub.data(BERGMANN, document).await;
    let id = data["customers"]["nodes"][0]["id"].as_str().unwrap().to_owned();
    for row in [key.as_str(), &id, "name=Rhein*", "name=Rheinwasser AG,region=DE,ndaLevel<1"] {
        assert_eq!(told(&hub, &[BERGMANN, "Customer.name", row]).await, by_name, "{row}");
    }
    // another organisation's id of the same row is none
    let said = hub.cli(&["policy", "explain", "--as", DAUPHIN, "Customer", &id]).run().await;
    let sentence = said.sentence(2);
    assert!(sentence.starts_with(&format!("no Customer is meant by `{id}`")), "{sentence}");
    assert!(sentence.contains("an id as this seat's organisation gets it"), "{sentence}");
}

async fn json_says_the_same(hub: Hub) {
    let text = told(&hub, &[BERGMANN, "Customer.name", "Alpenstahl AG", "--json"]).await;
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["shown"], "hidden");
    assert_eq!(json["row"]["label"], "Alpenstahl AG");
    let first = &json["policies"][0];
    assert_eq!(
        (&first["id"], &first["file"], &first["decides"]),
        (&"nda.name".into(), &"nda.cedar".into(), &true.into())
    );
    assert_eq!(first["conditions"][0]["values"][0], serde_json::json!({ "path": "ndaLevel", "value": "1" }));
}

/// Each change that is promised is made, as an operator, and does what was said.
async fn what_is_said_to_change_it_does(hub: Hub) {
    let field = [BERGMANN, "Contact.email", "customer.name=Stadtwerke Kassel,jobTitle=Head of maintenance"];
    assert!(told(&hub, &field).await.contains("as email_mask"));
    let bergmann = "(SELECT id FROM organisation WHERE slug = 'bergmann')";
    hub.sql(&format!("UPDATE customer SET assigned_partner_id = {bergmann} WHERE name = 'Stadtwerke Kassel'")).await;
    assert!(told(&hub, &field).await.contains("in full: `contact.distributor-assigned`"));
    let row = [DAUPHIN, "Customer", "Rheinwasser AG"];
    assert!(told(&hub, &row).await.contains("does not see"));
    hub.sql("UPDATE sharing_agreement SET valid_to = NULL WHERE title = 'Distribution Germany, trial'").await;
    assert!(
        told(&hub, &row).await.contains("dauphin/partner_sales sees the Customer `Rheinwasser AG`, 5 of its 21 fields")
    );
}

async fn the_demo_world_is_explained_without_a_database() {
    let arguments = ["policy", "explain", "--demo", "--as", BERGMANN, "Product.name", "PX500"];
    let text = entente(&arguments).run().await.good();
    holds(&text, &["does not see Product.name of `PX500`", "from 2026-09-01T09:00:00Z on"]);
}

async fn wrong_use_is_told_in_a_sentence(hub: Hub) {
    for (arguments, sentence) in [
        (&["x", "Customer"][..], "`x` is no seat"),
        (&["bergmann/admin", "Customer"], "nobody at `bergmann` is `admin` now"),
        (&[BERGMANN, "Custommer"], "there is no type `Custommer`"),
        (&[BERGMANN, "Customer.colour"], "Customer has no field `colour`, its fields are organisation, name"),
        (&[BERGMANN, "Customer", "Nobody AG"], "no Customer is meant by `Nobody AG`"),
        (&[BERGMANN, "Customer", "region=DE"], "more than one Customer is meant by `region=DE`: "),
        (&[BERGMANN, "Customer", "colour=red"], "Customer has no field `colour`"),
        (&[BERGMANN, "Customer", "ndaLevel=high"], "`high` is no value of `ndaLevel`, which is a whole number"),
        (&[BERGMANN, "Customer", "--at", "noon"], "`noon` is no instant"),
    ] {
        let said = hub.cli(&[&["policy", "explain", "--as"], arguments].concat()).run().await;
        assert!(said.sentence(2).starts_with(sentence), "{arguments:?}: {}", said.stderr);
    }
}
