//! `entente policy diff`: what another policy set shows more or less, in rows and fields, held against what the
//! hub answers under each.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{self, Hub, Output, copy_policies, repository, tests};

tests! {
    reading:
        nothing_changes_nothing,
        a_column_that_opens_is_a_gain,
        rows_are_counted_as_sets,
        a_write_that_opens_is_a_gain,
        what_can_be_opened_or_taken_along_is_a_gain,
        what_only_closes_is_no_gain,
        sums_that_tell_more_are_a_gain,
        a_person_counts_where_the_person_decides,
        a_broken_set_is_refused_with_its_place,
        git_revisions_are_compared;
}

const BERGMANN: &str = "bergmann/partner_sales";

/// The shipped policies with one file changed.
fn changed(file: &str, from: &str, to: &str) -> TempDir {
    let folder = harness::policies();
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` stands once in {file}");
    fs::write(path, text.replace(from, to)).unwrap();
    folder
}

async fn diff(hub: &Hub, old: &Path, new: &Path) -> Output {
    hub.cli(&["policy", "diff", &old.to_string_lossy(), &new.to_string_lossy()]).run().await
}

fn shipped() -> std::path::PathBuf {
    repository().join("policies")
}

async fn count(hub: &Hub, seat: &str, document: &str) -> i64 {
    let data = hub.data(seat, &format!("{{ {document} {{ totalCount }} }}")).await;
    data.as_object().unwrap().values().next().unwrap()["totalCount"].as_i64().unwrap()
}

async fn nothing_changes_nothing(hub: Hub) {
    let same = changed("customer.cedar", "// Customers: who they are is our main secret.", "// Customers.");
    let text = diff(&hub, &shipped(), same.path()).await.good();
    assert!(text.ends_with("\nnothing changes for any seat\n"), "{text}");
}

async fn a_column_that_opens_is_a_gain(hub: Hub) {
    // marketing is to see where the market is: the cities
    let from =
        "action in [Action::\"Customer:shared\", Action::\"Customer.segment\", Action::\"Customer.lifecycleStage\"]";
    let to = from.replace("]", ", Action::\"Customer.city\"]");
    let new = changed("customer.cedar", from, &to);
    let said = diff(&hub, &shipped(), new.path()).await;
    assert!(said.sentence(1).contains("shows more than"), "{}", said.stderr);
    let opened = hub.with(|config| config.policies = Some(new.path().to_owned())).await;
    let with = "customers(filter: { city: { isNull: false } })";
    hub.refusal("nordwind/marketing", &format!("{{ {with} {{ totalCount }} }}")).await;
    let rows = count(&opened, "nordwind/marketing", with).await;
    assert_eq!(rows, count(&hub, "nordwind/marketing", "customers").await);
    let seat =
        format!("\nnordwind/marketing\n  Customer           \n    + city  hidden → full: shows more in {rows} rows\n");
    assert!(said.stdout.contains(&seat), "{}", said.stdout);
    assert!(said.stdout.contains("policies changed: customer.marketing\n"), "{}", said.stdout);
    assert_eq!(said.stdout.matches("\n  Customer").count(), 1, "one seat only: {}", said.stdout);
    let (old, new) = (shipped().to_string_lossy().into_owned(), new.path().to_string_lossy().into_owned());
    let said = hub.cli(&["policy", "diff", "--json", &old, &new]).run().await;
    said.sentence(1);
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((json["seats"].as_array().unwrap().len(), &json["seats"][0]["seat"]), (1, &"nordwind/marketing".into()));
    let field = &json["seats"][0]["types"][0]["fields"][0];
    assert_eq!(*field, json!({ "field": "city", "old": "hidden", "new": "full", "fuller": rows, "less": 0 }));
}

async fn rows_are_counted_as_sets(hub: Hub) {
    // instead of four weeks more the window moves: as many rows come as go
    let new = changed("demand.cedar", "A supplier sees which forecasts", "A supplier still sees which forecasts");
    let path = new.path().join("demand.cedar");
    let text = fs::read_to_string(&path).unwrap();
    let moved =
        text.replace("duration(\"-183d\")", "duration(\"-155d\")").replace("duration(\"546d\")", "duration(\"574d\")");
    fs::write(path, moved).unwrap();
    let said = diff(&hub, &shipped(), new.path()).await;
    said.sentence(1);
    let seat = "aqua-seals/partner_planner";
    let moved = hub.with(|config| config.policies = Some(new.path().to_owned())).await;
    assert_eq!(count(&hub, seat, "demandBuckets").await, count(&moved, seat, "demandBuckets").await);
    let ahead = count(&moved, seat, "demandBuckets(filter: { bucketStart: { gt: \"2027-12-13\" } })").await;
    let back = count(&hub, seat, "demandBuckets(filter: { bucketStart: { lt: \"2026-01-12\" } })").await;
    assert!(ahead > 0 && back > 0);
    let line = format!("  DemandBucket       +{ahead} rows  -{back} rows\n");
    assert!(said.stdout.contains(&format!("\n{seat}\n{line}")), "{line}\n{}", said.stdout);
}

async fn a_write_that_opens_is_a_gain(hub: Hub) {
    let from = "resource.bucketStart > context.now.offset(duration(\"54h\"))\n};";
    let new = changed("commitment.cedar", from, &from.replace("54h", "-240h"));
    let said = diff(&hub, &shipped(), new.path()).await;
    assert!(said.sentence(1).contains("than"), "{}", said.stderr);
    // the week that has begun: one answer of A's, two of C's
    for (seat, rows) in [("aqua-seals/partner_planner", 1), ("ceram-motors/partner_planner", 2)] {
        let told =
            format!("\n{seat}\n  SupplyCommitment   \n    + qty:write  is permitted otherwise, in +{rows} rows\n");
        assert!(said.stdout.contains(&told), "{}", said.stdout);
    }
    let back = diff(&hub, new.path(), &shipped()).await.good();
    assert!(back.contains("    - qty:write  is permitted otherwise, in -1 rows\n"), "{back}");
}

/// Nobody reads more at first.
async fn what_can_be_opened_or_taken_along_is_a_gain(hub: Hub) {
    let from = "when { principal in Role::\"support_agent\" };";
    let narrow = changed("glass.cedar", from, "when { principal in Role::\"support_agent\" && resource.isBilling };");
    let said = diff(&hub, narrow.path(), &shipped()).await;
    said.sentence(1);
    let told = "\nnordwind/support_agent\n  Contact            \n    + phone:open  is permitted otherwise, in +";
    assert!(said.stdout.contains(told), "{}", said.stdout);
    assert!(diff(&hub, &shipped(), narrow.path()).await.good().contains("    - phone:open  "));
    let from = "forbid (principal in Role::\"service_account\", action == Action::\"export\", resource);";
    let wide = changed("export.cedar", from, &from.replace("resource)", "resource is Contact)"));
    let said = diff(&hub, &shipped(), wide.path()).await;
    said.sentence(1);
    let rows = count(&hub, "aqua-seals/service_account", "demandSeries").await;
    let told = format!("  DemandSeries       \n    + export  is permitted now, in +{rows} rows\n");
    assert!(said.stdout.contains(&told), "{}", said.stdout);
}

async fn what_only_closes_is_no_gain(hub: Hub) {
    let new = changed(
        "nda.cedar",
        "Action::\"Customer:identity\", Action::\"Customer:place\"",
        "Action::\"Customer:identity\", Action::\"Customer.codeName\", Action::\"Customer:place\"",
    );
    let said = diff(&hub, &shipped(), new.path()).await;
    let text = said.good();
    assert!(
        text.contains(&format!("\n{BERGMANN}\n  Customer           \n    - codeName  full: shows less in 2 rows\n")),
        "{text}"
    );
    assert!(!text.contains("shows more") && !text.contains("nordwind/"), "{text}");
}

async fn sums_that_tell_more_are_a_gain(hub: Hub) {
    const MARKETING: &str = "bergmann/partner_marketing";
    const TREATMENT: &str = "@treatment(\"aggregate_only:5,0.75\")";
    const BY: &str = "@by(\"series.region series.product.family bucketStart.month\")";
    let counted = hub.data(MARKETING, "{ demandBucketAggregate { count } }").await;
    let counted = counted["demandBucketAggregate"][0]["count"].as_i64().unwrap();
    let sums = |shown: &str| format!("aggregate_only:{shown} by seriesRegion seriesProductFamily bucketStartMonth");
    let in_full = changed("demand.cedar", TREATMENT, "");
    let path = in_full.path().join("demand.cedar");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace(BY, "")).unwrap();
    for (new, was, is, rows) in [
        (changed("demand.cedar", "5,0.75", "4,0.75"), sums("5,0.75"), sums("4,0.75"), String::new()),
        (changed("demand.cedar", "5,0.75", "5,0.9"), sums("5,0.75"), sums("5,0.9"), String::new()),
        (in_full, sums("5,0.75"), "full".into(), format!("+{counted} rows")),
    ] {
        let told = |what: &str, rows: &str, sign: char, was: &str, is: &str| {
            let change = format!("{sign} qty  {was} → {is}: shows {what} in {counted} rows");
            format!("\n{MARKETING}\n  DemandBucket       {rows}\n    {change}\n\n")
        };
        let said = diff(&hub, &shipped(), new.path()).await;
        assert!(said.sentence(1).contains("shows more than"), "{}", said.stderr);
        assert!(said.stdout.contains(&told("more", &rows, '+', &was, &is)), "{}", said.stdout);
        let said = diff(&hub, new.path(), &shipped()).await.good();
        assert!(said.contains(&told("less", &rows.replace('+', "-"), '-', &is, &was)), "{said}");
    }
    // which of two grids tells more depends on the rows
    let other = changed("demand.cedar", BY, "@by(\"series.region bucketStart.month\")");
    let said = diff(&hub, &shipped(), other.path()).await;
    said.sentence(1);
    let both = format!("shows more in {counted} rows, shows less in {counted} rows\n");
    assert!(said.stdout.contains(&both), "{}", said.stdout);
}

async fn a_person_counts_where_the_person_decides(hub: Hub) {
    // reps lose the names of customers that others look after
    let new = changed(
        "customer.cedar",
        "when { principal in [Role::\"sales_rep\", Role::\"sales_manager\"] };",
        "when { principal in Role::\"sales_manager\" };",
    );
    let text = diff(&hub, &shipped(), new.path()).await.good();
    let narrow = hub.with(|config| config.policies = Some(new.path().to_owned())).await;
    for rep in ["anna", "bruno", "claire"] {
        let seat = format!("nordwind/sales_rep/{rep}");
        let lost = count(&hub, &seat, "customers").await - count(&narrow, &seat, "customers").await;
        assert!(lost > 0 && text.contains(&format!("\n{seat}\n  Customer           -{lost} rows\n")), "{lost}: {text}");
    }
    assert!(!text.contains("sales_manager"), "{text}");
}

async fn a_broken_set_is_refused_with_its_place(hub: Hub) {
    let broken = changed(
        "stock.cedar",
        "resource.unit.organisation == principal.organisation &&",
        "resource.unit.organization == 1 &&",
    );
    let said = diff(&hub, &shipped(), broken.path()).await;
    let sentence = said.sentence(2);
    assert!(sentence.contains("are refused: stock.cedar:") && sentence.contains("organization"), "{sentence}");
    assert_eq!(said.stdout, "");
    let said = hub.cli(&["policy", "diff", "nowhere", &shipped().to_string_lossy()]).run().await;
    assert!(said.sentence(2).starts_with("`nowhere` is "), "{}", said.stderr);
    let said = hub.cli(&["policy", "diff", &shipped().to_string_lossy()]).run().await;
    assert_eq!(said.code, Some(2));
}

async fn git_revisions_are_compared(hub: Hub) {
    let Ok(path) = std::env::var("PATH") else { crate::harness::skip("needs a PATH") };
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    copy_policies(&policies);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(folder.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@t.example"])
            .args(arguments);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !(git(&["init", "-q"]) && git(&["add", "."]) && git(&["commit", "-q", "-m", "before"])) {
        crate::harness::skip("needs git");
    }
    let file = policies.join("customer.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let closed = text.replace("Action::\"Customer:finance\", Action::\"Customer.name\"", "Action::\"Customer.name\"");
    assert_ne!(closed, text);
    fs::write(&file, closed).unwrap();
    let run = async |old: &str, new: &str| {
        hub.cli(&["policy", "diff", old, new]).env("PATH", &path).folder(folder.path()).run().await
    };
    let text = run("HEAD", "policies").await.good();
    assert!(text.starts_with("HEAD → policies\n") && text.contains("nordwind/finance\n  Customer"), "{text}");
    assert_eq!(run("policies", "HEAD").await.code, Some(1), "the other way round it is a gain");
    let said = run("nowhere", "policies").await;
    assert!(
        said.sentence(2).starts_with("`nowhere` is neither a folder nor a git revision of `policies`"),
        "{}",
        said.stderr
    );
}
