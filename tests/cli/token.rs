//! `entente token`: for a seat that somebody holds now.

use crate::harness::{Hub, tests};

tests! {
    reading: a_token_is_good_at_the_hub, who_is_unknown_is_told_who_is_known;
}

async fn a_token_is_good_at_the_hub(hub: Hub) {
    for (seat, name) in [
        ("aqua-seals/partner_planner", "aqua-seals/partner_planner"),
        ("nordwind/sales_rep/bruno", "nordwind/sales_rep"),
    ] {
        let token = hub.cli(&["token", "--as", seat, "--ttl", "15m"]).run().await.good();
        assert_eq!(token.trim().split('.').count(), 3);
        let reply = hub.post(token.trim(), &serde_json::json!({ "query": "{ viewer { seat } }" })).await;
        assert_eq!(reply.data()["viewer"]["seat"], name);
    }
}

async fn who_is_unknown_is_told_who_is_known(hub: Hub) {
    for (arguments, parts) in [
        (&["--as", "aqua/planner"][..], &["no organisation `aqua`", "`aqua-seals`"][..]),
        (&["--as", "aqua-seals/planner"], &["nobody at `aqua-seals` is `planner` now", "`partner_planner`"]),
        (&["--as", "nordwind/sales_rep/paula"], &["`paula` is not `sales_rep` at `nordwind` now", "`anna`"]),
        (&["--as", "nordwind"], &["`nordwind` is no seat", "`organisation/role`"]),
        (&["--as", "//"], &["`//` is no seat"]),
    ] {
        let said = hub.cli(&[&["token"], arguments].concat()).run().await;
        let sentence = said.sentence(2);
        assert!(parts.iter().all(|part| sentence.contains(part)), "{sentence}");
        assert_eq!(said.stdout, "");
    }
    for ttl in ["0s", "1", "400d", "soon", "-1h"] {
        let said = hub.cli(&["token", "--as", "nordwind/admin", &format!("--ttl={ttl}")]).run().await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{ttl}");
        assert!(said.stderr.contains("15m"), "{}", said.stderr);
    }
}
