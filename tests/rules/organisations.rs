//! R11, R18, and what holds beside the rules: who knows of whom, and that roles stay at their house.

use super::{ADMIN, AQUA, BERGMANN, CERAM, DAUPHIN, LINDNER, all, column, count, lacks, no_list};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_partner_knows_itself_and_the_host,
        both_sides_of_a_delegation_know_it,
        a_partner_reads_its_own_lines_of_the_log,
        what_a_partner_told_us_is_its_own,
        a_draft_stays_with_its_writer;
    changing: a_partner_cannot_appoint_itself;
}

/// R11
async fn a_partner_knows_itself_and_the_host(hub: Hub) {
    for seat in [AQUA, BERGMANN, CERAM, DAUPHIN, LINDNER] {
        let own = seat.split('/').next().unwrap();
        let mut expected = vec![own, "nordwind"];
        expected.sort_unstable();
        assert_eq!(column(&all(&hub, seat, "organisations", "slug").await, "/slug"), expected);
        assert_eq!(hub.data(seat, "{ organisationAggregate { count } }").await["organisationAggregate"][0]["count"], 2);
        let mut roles = column(&all(&hub, seat, "orgRoles", "organisation { slug }").await, "/organisation/slug");
        roles.dedup();
        assert_eq!(roles, [own]);
        let mut granted = column(&all(&hub, seat, "sharingAgreements", "grantee { slug }").await, "/grantee/slug");
        granted.dedup();
        assert_eq!(granted, [own]);
        lacks(&hub, seat, "organisations", &["riskRating", "partnerTier"]).await;
        lacks(&hub, seat, "agreementScopes", &["customer { id }"]).await;
        let effects = column(&all(&hub, seat, "agreementScopes", "effect").await, "/effect");
        assert!(effects.iter().all(|effect| effect == "INCLUDE"), "an exclusion may name whom it must not know");
    }
}

/// R10
async fn both_sides_of_a_delegation_know_it(hub: Hub) {
    let fields = "fromPrincipal { displayName } toPrincipal { displayName } validTo";
    for seat in [AQUA, LINDNER, "nordwind/planner"] {
        let seen = all(&hub, seat, "delegations", fields).await;
        assert_eq!(column(&seen, "/fromPrincipal/displayName"), ["Alice Aden"], "{seat}");
        assert_eq!(column(&seen, "/toPrincipal/displayName"), ["Lena Lindner"], "{seat}");
        assert_eq!(column(&seen, "/validTo"), ["2026-07-01T00:00:00Z"], "{seat}");
    }
    for seat in [BERGMANN, CERAM, DAUPHIN] {
        assert_eq!(count(&hub, seat, "delegations").await, 0, "{seat}");
    }
}

/// R10
async fn a_partner_reads_its_own_lines_of_the_log(hub: Hub) {
    let fields = "principal { displayName } onBehalfOf { displayName }";
    let seen = all(&hub, AQUA, "auditEvents", fields).await;
    assert_eq!(column(&seen, "/principal/displayName"), ["Alice Aden", "Lena Lindner"]);
    assert_eq!(column(&seen, "/onBehalfOf/displayName"), ["Alice Aden"]);
    assert_eq!(count(&hub, CERAM, "auditEvents").await, 0);
    assert_eq!(count(&hub, ADMIN, "auditEvents").await, 5);
}

/// R18
async fn what_a_partner_told_us_is_its_own(hub: Hub) {
    for seat in [AQUA, BERGMANN, DAUPHIN] {
        let seen = all(&hub, seat, "demandSignals", "originator { slug }").await;
        assert!(!seen.is_empty());
        let own = seat.split('/').next().unwrap();
        assert!(column(&seen, "/originator/slug").iter().all(|slug| slug == own), "{seat}");
        lacks(&hub, seat, "demandSignals", &["note"]).await;
    }
    assert_eq!(count(&hub, CERAM, "demandSignals").await, 0);
}

async fn a_draft_stays_with_its_writer(hub: Hub) {
    let titles = column(&all(&hub, BERGMANN, "sharingAgreements", "title").await, "/title");
    assert_eq!(titles, ["Distribution Germany, Austria, Switzerland"], "nobody signed the proposal");
    let drafts = column(&all(&hub, CERAM, "sharingAgreements", "status").await, "/status");
    assert_eq!(drafts, ["ACTIVE", "ACTIVE", "DRAFT"], "the offer waits for its signature");
    // a supplier's answer is its own while it is written
    let status = async |seat: &str| column(&all(&hub, seat, "supplyCommitments", "status").await, "/status");
    assert!(status(AQUA).await.contains(&"DRAFT".to_owned()));
    assert!(!status("nordwind/planner").await.contains(&"DRAFT".to_owned()));
}

async fn a_partner_cannot_appoint_itself(hub: Hub) {
    hub.sql("UPDATE role_assignment SET role = 'admin' WHERE role = 'partner_admin'").await;
    let seat = "aqua-seals/admin";
    for list in ["customers", "contacts", "organisations", "salesOrders", "orderLines", "demandBuckets"] {
        no_list(&hub, seat, list).await;
    }
    // but the law stands above that too
    assert_eq!(column(&all(&hub, seat, "products", "sku").await, "/sku"), ["SK40"]);
    assert!(count(&hub, ADMIN, "customers").await > 0);
}
