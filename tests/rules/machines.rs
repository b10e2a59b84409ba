//! A machine account reads what the planners of its organisation read, minus persons; it does so from its
//! organisation's addresses, within a budget, and takes nothing along.

use entente::access::connect::Dialect;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, AQUA, AQUA_MACHINE, all, column, count, lacks, no_list};
use crate::harness::{Hub, Reply, policies, send, tests};

tests! {
    reading: a_machine_reads_what_planners_read_minus_persons, a_budget_is_for_a_minute, everybody_may_have_a_budget,
        machines_export_nothing;
    changing: a_machine_comes_from_its_networks, only_trusted_proxies_tell_addresses,
        a_machine_without_networks_comes_from_nowhere, a_budget_below_nothing_is_none, budgets_of_several_roles;
}

const MACHINES: &str = "principal_id = (SELECT id FROM principal WHERE slug = 'erp')";

async fn a_machine_reads_what_planners_read_minus_persons(hub: Hub) {
    for (list, field) in [
        ("demandSeries", "product { sku }"),
        ("demandBuckets", "qty"),
        ("supplyCommitments", "qty"),
        ("inventoryPositions", "qty"),
        ("cases", "number"),
    ] {
        let fields = format!("id {field}");
        assert_eq!(all(&hub, AQUA_MACHINE, list, &fields).await, all(&hub, AQUA, list, &fields).await, "{list}");
    }
    for (list, person) in [("supplyCommitments", "committedBy"), ("sharingAgreements", "signedByGrantee")] {
        let field = format!("{person} {{ id }}");
        let named = column(&all(&hub, AQUA, list, &field).await, &format!("/{person}/id"));
        assert!(!named.is_empty(), "{list}.{person}");
        lacks(&hub, AQUA_MACHINE, list, &[&field]).await;
    }
    assert!(count(&hub, AQUA, "principals").await > 0);
    no_list(&hub, AQUA_MACHINE, "principals").await;
}

async fn ask(hub: &Hub, seat: &str, from: Option<&str>) -> Reply {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(seat).await);
    let request = request.json(&json!({ "query": "{ demandSeries { totalCount } }" }));
    send(match from {
        Some(address) => request.header("x-forwarded-for", address),
        None => request,
    })
    .await
}

fn let_in(reply: &Reply) -> bool {
    if reply.status == 200 {
        assert_ne!(reply.data()["demandSeries"]["totalCount"], 0);
        return true;
    }
    let (code, message) = reply.refusal();
    assert_eq!((reply.status, code.as_str()), (403, "FORBIDDEN"), "{message}");
    assert!(message.starts_with("this account cannot be used from"), "{message}");
    false
}

async fn networks(hub: &Hub, list: &str) {
    assert_eq!(hub.sql(&format!("UPDATE role_assignment SET networks = {list} WHERE {MACHINES}")).await, 1);
}

async fn a_machine_comes_from_its_networks(hub: Hub) {
    let trust = "127.0.0.0/8".parse().unwrap();
    let hub = hub.with(|config| config.http.trusted_proxies = vec![trust]).await;
    networks(&hub, r#"'["203.0.113.0/25", "2001:db8::/32"]'"#).await;
    for (address, inside) in [
        ("203.0.113.0", true),
        ("203.0.113.127", true),
        ("203.0.113.128", false),
        ("203.0.112.255", false),
        ("::ffff:203.0.113.5", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::1", false),
        ("198.51.100.7, 203.0.113.5", true),
        ("203.0.113.5, 198.51.100.7", false),
        ("203.0.113.5, nonsense", false),
    ] {
        assert_eq!(let_in(&ask(&hub, AQUA_MACHINE, Some(address)).await), inside, "{address}");
    }
    // nobody forwarded it: the proxy itself asks
    assert!(!let_in(&ask(&hub, AQUA_MACHINE, None).await));
    // people are not bound to a place, unless their role is
    assert!(let_in(&ask(&hub, AQUA, Some("198.51.100.7")).await));
    let alice = "principal_id = (SELECT id FROM principal WHERE slug = 'alice')";
    hub.sql(&format!("UPDATE role_assignment SET networks = '[\"203.0.113.0/25\"]' WHERE {alice}")).await;
    assert!(!let_in(&ask(&hub, AQUA, Some("198.51.100.7")).await), "at once");
    assert!(let_in(&ask(&hub, AQUA, Some("203.0.113.5")).await));
}

async fn only_trusted_proxies_tell_addresses(hub: Hub) {
    assert!(let_in(&ask(&hub, AQUA_MACHINE, None).await), "the demo's machine is here");
    networks(&hub, r#"'["203.0.113.0/25"]'"#).await;
    assert!(!let_in(&ask(&hub, AQUA_MACHINE, None).await));
    assert!(!let_in(&ask(&hub, AQUA_MACHINE, Some("203.0.113.5")).await), "anybody can write a header");
}

async fn a_machine_without_networks_comes_from_nowhere(hub: Hub) {
    for list in ["NULL", "'[]'", r#"'["everywhere"]'"#, r#"'"127.0.0.1"'"#] {
        networks(&hub, list).await;
        assert!(!let_in(&ask(&hub, AQUA_MACHINE, None).await), "{list}");
    }
    networks(&hub, r#"'["everywhere", "127.0.0.1/32"]'"#).await;
    assert!(let_in(&ask(&hub, AQUA_MACHINE, None).await));
    // who administers the hub may look as it would, from elsewhere
    networks(&hub, "NULL").await;
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ADMIN).await);
    let request = request.header("x-entente-as", AQUA_MACHINE);
    assert!(let_in(&send(request.json(&json!({ "query": "{ demandSeries { totalCount } }" }))).await));
}

/// Costs as many points as rows, and one for the list.
async fn cost(hub: &Hub, seat: &str, points: usize) -> Reply {
    hub.query(seat, &format!("{{ demandSeries(first: {}) {{ nodes {{ id }} }} }}", points - 1)).await
}

#[track_caller]
fn spent(reply: &Reply, wait: u64) {
    let (code, message) = reply.refusal();
    assert_eq!((reply.status, code.as_str()), (429, "RATE_LIMITED"), "{message}");
    assert_eq!(reply.header("retry-after"), wait.to_string());
    assert_eq!(reply.json()["errors"][0]["extensions"]["retryAfter"], Value::from(wait), "{message}");
}

async fn a_budget_is_for_a_minute(hub: Hub) {
    let hub = hub.with(|config| config.limits.budgets = true).await;
    cost(&hub, AQUA_MACHINE, 1_000).await.data();
    cost(&hub, AQUA_MACHINE, 998).await.data();
    cost(&hub, AQUA_MACHINE, 2).await.data();
    spent(&cost(&hub, AQUA_MACHINE, 1_000).await, 30);
    hub.set_clock("2026-06-15T10:00:29.999Z");
    spent(&cost(&hub, AQUA_MACHINE, 1_000).await, 1);
    hub.set_clock("2026-06-15T10:00:30.030Z");
    cost(&hub, AQUA_MACHINE, 1_000).await.data();
    spent(&cost(&hub, AQUA_MACHINE, 30).await, 1);
    // a plain JSON client is told by the status, too
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(AQUA_MACHINE).await);
    let request = request.header("accept", "application/json").json(&json!({ "query": "{ viewer { seat } }" }));
    hub.set_clock("2026-06-15T10:00:31Z");
    assert_eq!(send(request.try_clone().unwrap()).await.status, 200);
    cost(&hub, AQUA_MACHINE, 32).await.data();
    spent(&send(request).await, 1);
    // after long silence there is a minute's worth, no more
    hub.set_clock("2026-06-16T10:00:00Z");
    cost(&hub, AQUA_MACHINE, 1_000).await.data();
    cost(&hub, AQUA_MACHINE, 1_000).await.data();
    spent(&cost(&hub, AQUA_MACHINE, 2).await, 1);
    // what would never be taken is no matter of waiting
    let document = "{ demandSeries(first: 50) { nodes { buckets(first: 50) { nodes { id } } } } }";
    let (code, message) = hub.refusal(AQUA_MACHINE, document).await;
    assert_eq!(code, "COST_LIMIT_EXCEEDED", "{message}");
    // nobody else pays for it
    for _ in 0..3 {
        cost(&hub, AQUA, 1_000).await.data();
    }
}

async fn a_budget_below_nothing_is_none(hub: Hub) {
    let hub = hub.with(|config| config.limits.budgets = true).await;
    hub.sql(&format!("UPDATE role_assignment SET cost_per_minute = -1 WHERE {MACHINES}")).await;
    let (code, message) = cost(&hub, AQUA_MACHINE, 2).await.refusal();
    assert_eq!(code, "COST_LIMIT_EXCEEDED", "{message}");
    // zero is no limit
    hub.sql(&format!("UPDATE role_assignment SET cost_per_minute = 0 WHERE {MACHINES}")).await;
    for _ in 0..9 {
        cost(&hub, AQUA_MACHINE, 1_000).await.data();
    }
}

/// Of those that apply where it is asked from, the most generous.
async fn budgets_of_several_roles(hub: Hub) {
    let hub = hub.with(|config| config.limits.budgets = true).await;
    let id = match hub.dialect() {
        Dialect::Sqlite => "randomblob(16)",
        Dialect::Postgres => "gen_random_uuid()",
    };
    let budgets = async |here: u32, networks: &str, there: u32| {
        hub.sql(&format!("UPDATE role_assignment SET cost_per_minute = {here} WHERE {MACHINES}")).await;
        let one = format!(
            "INSERT INTO role_assignment (id, principal_id, role, valid_from, networks, cost_per_minute) \
             SELECT {id}, principal_id, role, valid_from, '[\"{networks}\"]', {there} FROM role_assignment WHERE {MACHINES} LIMIT 1"
        );
        assert_eq!(hub.sql(&one).await, 1);
    };
    // the larger one is for elsewhere
    budgets(10, "203.0.113.0/25", 100_000).await;
    cost(&hub, AQUA_MACHINE, 10).await.data();
    spent(&cost(&hub, AQUA_MACHINE, 2).await, 12);
    hub.sql(&format!("DELETE FROM role_assignment WHERE {MACHINES} AND cost_per_minute = 100000")).await;
    // no limit is more than any
    budgets(20, "127.0.0.0/8", 0).await;
    for _ in 0..3 {
        cost(&hub, AQUA_MACHINE, 20).await.data();
    }
}

async fn everybody_may_have_a_budget(hub: Hub) {
    let change = |config: &mut entente::config::Config| {
        (config.limits.budgets, config.limits.cost_per_minute) = (true, 10);
    };
    let hub = hub.with(change).await;
    cost(&hub, AQUA, 10).await.data();
    spent(&cost(&hub, AQUA, 2).await, 12);
    cost(&hub, AQUA_MACHINE, 1_000).await.data();
}

async fn machines_export_nothing(hub: Hub) {
    let export = |seat, policies: Option<&tempfile::TempDir>| {
        let folder = policies.map(|folder| folder.path().to_str().unwrap().to_owned());
        let mut arguments = vec!["export", "DemandSeries", "--as", seat];
        arguments.extend(folder.iter().flat_map(|folder| ["--policies", folder]));
        hub.cli(&arguments)
    };
    let planners = export(AQUA, None).run().await;
    assert_eq!(planners.code, Some(0), "{}", planners.stderr);
    let refused = export(AQUA_MACHINE, None).run().await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("may read `DemandSeries` but not export it"), "{}", refused.stderr);

    // a policy decides it, by rows if it likes
    let folder = policies();
    let file = folder.path().join("export.cedar");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.split("@id(\"export.no-machines\")").next().unwrap()).unwrap();
    let machines = export(AQUA_MACHINE, Some(&folder)).run().await;
    assert_eq!(machines.code, Some(0), "{}", machines.stderr);
    assert_eq!(machines.stdout.lines().count(), planners.stdout.lines().count());
    let forbid = "@id(\"export.no-germany\") @doc(\"Not Germany.\") forbid (principal, action == Action::\"export\", \
                  resource is DemandSeries) when { resource.region == Region::\"DE\" };";
    std::fs::write(&file, format!("{text}{forbid}")).unwrap();
    let fewer = export(AQUA, Some(&folder)).run().await;
    assert_eq!(fewer.code, Some(0), "{}", fewer.stderr);
    let rows = all(&hub, AQUA, "demandSeries", "region").await;
    let elsewhere = rows.iter().filter(|row| row["region"] != "DE").count();
    assert!(0 < elsewhere && elsewhere < rows.len());
    assert_eq!(fewer.stdout.lines().count(), elsewhere + 1);
    std::fs::write(&file, "").unwrap();
    assert_eq!(export(AQUA, Some(&folder)).run().await.code, Some(1), "what no policy lets out stays");
}
