//! L1-L6, L20: what a seat does not see moves no byte of any answer to it, of any export, of any line of the access log.
//! For every seat the values that it does not see are changed in the database, rows that it does not see are copied
//! and deleted, and all is asked again. What a policy decides by is left alone, and said in [`DECIDES`].

use std::collections::BTreeSet;

use entente::{
    access::View,
    catalogue::{CATALOGUE, TypeId},
    export,
};
use uuid::Uuid;

use super::{
    hidden::{self, Kept, Read, hidden_rows, read_by, seen},
    questions,
};
use crate::{
    differential::{dump::Dump, voice::Voice},
    harness::{Hub, tests},
};

tests! {
    reading: ids_of_hidden_rows_are_ids_of_none, who_stands_for_another_sees_no_more_than_both;
    changing:
        hidden_values_move_nothing,
        hidden_values_move_nothing_for_who_stands_for_another,
        what_a_treatment_takes_away_moves_nothing,
        hidden_rows_move_nothing_for_partners,
        hidden_rows_move_nothing_for_the_house;
}

/// Fields that decide about a seat's rights in rows in which the seat does not see them, with the reason: who
/// changes one of them changes what somebody sees, and must. Held against what the compiled views read.
const DECIDES: &[(&str, &[&str])] = &[
    (
        "who sits where, and what an organisation is to us",
        &[
            "OrgRole.kind",
            "OrgRole.organisation",
            "OrgRole.validFrom",
            "OrgRole.validTo",
            "Organisation.status",
            "Principal.organisation",
            "Principal.status",
            "RoleAssignment.principal",
            "RoleAssignment.role",
            "RoleAssignment.validFrom",
            "RoleAssignment.validTo",
        ],
    ),
    ("a territory is the regions of the units that a role is limited to", &["RoleAssignment.scopeUnit"]),
    (
        "which agreement is in force with whom, and whom an organisation can name",
        &[
            "SharingAgreement.grantee",
            "SharingAgreement.grantor",
            "SharingAgreement.readAfterEndDays",
            "SharingAgreement.signedByGrantee",
            "SharingAgreement.signedByGrantor",
            "SharingAgreement.status",
            "SharingAgreement.validFrom",
            "SharingAgreement.validTo",
        ],
    ),
    (
        "what an agreement covers; an exclusion is not shown to whom it excludes",
        &[
            "AgreementScope.agreement",
            "AgreementScope.customer",
            "AgreementScope.effect",
            "AgreementScope.objectType",
            "AgreementScope.product",
            "AgreementScope.productFamily",
            "AgreementScope.region",
            "AgreementScope.validFrom",
            "AgreementScope.validTo",
        ],
    ),
    (
        "how an agreement shows a field",
        &[
            "AgreementField.agreement",
            "AgreementField.field",
            "AgreementField.objectType",
            "AgreementField.param",
            "AgreementField.treatment",
        ],
    ),
    (
        "what scopes name of a row: its product's family, its region, its customer (R1, R4)",
        &[
            "Case.customer",
            "Case.region",
            "Customer.region",
            "DemandSeries.customer",
            "DemandSeries.product",
            "DemandSeries.region",
            "InventoryPosition.product",
            "OrderLine.order",
            "OrderLine.product",
            "Product.family",
            "SalesOrder.customer",
            "SalesOrder.shipToRegion",
        ],
    ),
    (
        "published demand of its own parts, in a window of weeks (R1, R3, R11)",
        &[
            "DemandBucket.bucketStart",
            "DemandBucket.series",
            "DemandBucket.supplier",
            "DemandBucket.version",
            "DemandSeries.supplier",
            "ForecastVersion.status",
            "SupplyCommitment.series",
            "SupplyCommitment.supplier",
            "SupplyCommitment.version",
        ],
    ),
    (
        "whose row it is: owner, supplier, seller, carrier, originator (R11, R18)",
        &[
            "AuditEvent.organisation",
            "CapacityBucket.supplier",
            "DemandSignal.originator",
            "ExceptionItem.organisation",
            "InventoryPosition.owner",
            "OrderLine.source",
            "OrgUnit.organisation",
            "SalesOrder.carrier",
            "SalesOrder.soldBy",
        ],
    ),
    (
        "how long stock lasts, by what is planned for its place",
        &["DemandSeries.shipToUnit", "ForecastVersion.publishedAt"],
    ),
    ("marketing sees what its promotions did", &["DemandSignal.kind"]),
    (
        "signals about a customer under NDA or a product under embargo",
        &["DemandSignal.customer", "DemandSignal.product"],
    ),
    (
        "whoever runs a warehouse, and plants and warehouses of counterparties",
        &["InventoryPosition.unit", "OrgUnit.kind"],
    ),
    (
        "a customer under NDA is known to its team only (R9)",
        &["Customer.ndaLevel", "CustomerTeam.customer", "CustomerTeam.principal"],
    ),
    ("a partner in charge of a customer sees more of its people (R5)", &["Customer.assignedPartner"]),
    ("a new product is unknown outside (R8)", &["Product.embargoUntil"]),
    (
        "who supplied a part, alone or built in, on the day of delivery (R7)",
        &[
            "CaseProduct.case",
            "CaseProduct.deliveredOn",
            "CaseProduct.product",
            "PartnerProduct.organisation",
            "PartnerProduct.product",
            "PartnerProduct.role",
            "PartnerProduct.validFrom",
            "PartnerProduct.validTo",
            "ProductComponent.component",
            "ProductComponent.product",
            "ProductComponent.validFrom",
            "ProductComponent.validTo",
        ],
    ),
    (
        "whoever supplied or sold a lot in a safety case (R17)",
        &["Case.safetyFlag", "CaseProduct.lotNo", "OrderLine.lotNo"],
    ),
    (
        "who is invited to a case, and whose thread a message is in",
        &[
            "CaseMessage.author",
            "CaseMessage.case",
            "CaseMessage.party",
            "CaseMessage.visibility",
            "CaseParty.case",
            "CaseParty.organisation",
            "CaseParty.validFrom",
            "CaseParty.validTo",
        ],
    ),
    (
        "people: billing contacts, our own, those who were erased (R13)",
        &["Contact.customer", "Contact.erasedAt", "Contact.isBilling", "Contact.organisation"],
    ),
    (
        "live consent (R15)",
        &[
            "Consent.contact",
            "Consent.expiresAt",
            "Consent.givenAt",
            "Consent.purpose",
            "Consent.recipient",
            "Consent.status",
            "Consent.withdrawnAt",
        ],
    ),
    ("who acts for whom is known to both (R10)", &["Delegation.fromPrincipal", "Delegation.toPrincipal"]),
];

/// A question, and what it is answered.
type Asked = Vec<(String, String)>;

async fn answers(voice: &Voice, questions: &[String]) -> Asked {
    let mut all = Vec::new();
    for question in questions {
        all.push((question.clone(), voice.ask(question).await));
    }
    all
}

/// What the seat can take along of each type.
async fn exports(hub: &Hub, voice: &Voice, view: &View) -> Asked {
    // which name its organisation goes by may be hidden, too
    let organisation = hidden::list(hub.dialect(), [&view.seat.organisation]);
    let slug = hub.texts(&format!("SELECT slug FROM organisation WHERE id = {organisation}")).await;
    let seat = format!("{}/{}", slug[0].as_deref().unwrap(), view.seat.role);
    let mut all = Vec::new();
    // nobody takes anything along in the place of another
    let alone = voice.caller.place.is_none();
    for ty in CATALOGUE.types.iter().filter(|ty| alone && view.sees_type(ty.id)) {
        let (mut sheet, asked) = (Vec::new(), export::Args { ty: ty.name.into(), seat: seat.clone() });
        let code = export::run(voice.app(), &asked, &mut sheet).await.err().map(|error| error.code().as_str());
        all.push((format!("export {}", ty.name), format!("{code:?} {}", String::from_utf8(sheet).unwrap())));
    }
    all
}

fn compare(voice: &Voice, before: &Asked, after: &Asked, what: &str) {
    for ((question, before), (_, after)) in before.iter().zip(after) {
        if before != after {
            let at = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(80);
            let cut = |text: &str| text.get(at..).unwrap_or(text).chars().take(300).collect::<String>();
            panic!("{what} shows to {}\n{question}\nbefore: …{}\nafter:  …{}", voice.seat, cut(before), cut(after));
        }
    }
}

/// What is asked again leaves the same lines in the access log, of which the organisation reads its own.
async fn same_lines(hub: &Hub, voice: &Voice, since: i64, times: usize) -> usize {
    let lines = hub.log(since).await;
    assert!(lines.len().is_multiple_of(times), "{}: {} lines of {times} times the same", voice.seat, lines.len());
    let each = lines.len() / times;
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(*line, lines[i % each], "{}", voice.seat);
    }
    lines.len()
}

async fn hidden_values_move_nothing(hub: Hub) {
    let deciding = hidden_values(&hub, Voice::all(&hub).await).await;
    let name = |(ty, i): &(TypeId, usize)| format!("{}.{}", CATALOGUE.ty(*ty).name, CATALOGUE.ty(*ty).fields[*i].name);
    let deciding: BTreeSet<String> = deciding.iter().map(name).collect();
    let said: BTreeSet<String> =
        DECIDES.iter().flat_map(|(_, fields)| fields.iter().map(|f| (*f).to_string())).collect();
    assert_eq!(deciding, said, "what decides and is hidden from somebody");
}

/// An operator who looks as another seat, a deputy: neither learns what the two views together hide.
async fn hidden_values_move_nothing_for_who_stands_for_another(hub: Hub) {
    let placed = Voice::in_places(&hub).await;
    hidden_values(&hub, placed.into_iter().map(|(voice, _)| voice).collect()).await;
}

/// Changes what each does not see, and returns what was left alone.
async fn hidden_values(hub: &Hub, voices: Vec<Voice>) -> Read {
    let dialect = hub.dialect();
    let (mut changed, mut fields, mut asked, mut exported, mut lines, mut deciding) = (0, 0, 0, 0, 0, Read::new());
    let seats = voices.len();
    for voice in voices {
        let view = voice.view().await;
        let dump = Dump::of(&voice).await;
        let questions = questions::all(&view, &dump);
        let since = hub.log_end().await;
        let (before, taken) = (answers(&voice, &questions).await, exports(hub, &voice, &view).await);
        let mut read = read_by(&view).0;
        if voice.caller.place.is_some() {
            // whoever stands for another has named its organisation
            let ty = CATALOGUE.by_name("Organisation").unwrap();
            read.insert((ty.id, ty.field_index("slug").unwrap()));
        }
        let changes = hidden::values(hub, &voice, &view, &read).await;
        for sql in &changes.sql {
            changed += hub.sql(sql).await;
        }
        deciding.extend(changes.deciding);
        fields += changes.fields;
        compare(&voice, &before, &answers(&voice, &questions).await, "a hidden value");
        compare(&voice, &taken, &exports(hub, &voice, &view).await, "a hidden value");
        lines += same_lines(hub, &voice, since, 2).await;
        (asked, exported) = (asked + before.len(), exported + taken.len());
    }
    println!(
        "hidden values on {dialect:?}: {seats} seats, {fields} fields in {changed} rows changed, {asked} documents and \
         {exported} exports asked twice, {lines} lines of the log"
    );
    deciding
}

/// Whoever stands for another sees of no row or field what that one does not, nor what it does not see itself, unless that
/// was handed to it.
async fn who_stands_for_another_sees_no_more_than_both(hub: Hub) {
    let (mut places, mut deputies, mut rows) = (0, 0, 0);
    let delegated = hub.texts("SELECT CAST(object_types AS text) FROM delegation").await;
    let delegated: Vec<String> = delegated.into_iter().flatten().collect();
    for (voice, [own, theirs]) in Voice::in_places(&hub).await {
        let (view, own_view, their_view) = (voice.view().await, own.view().await, theirs.view().await);
        deputies += usize::from(!own_view.class.operator);
        for ty in CATALOGUE.types.iter().filter(|ty| view.sees_type(ty.id)) {
            let mut held = vec![(&theirs, &their_view)];
            // what is handed over a deputy need not see itself
            let is_handed = !own_view.class.operator && delegated.iter().any(|types| types.contains(ty.name));
            held.extend((!is_handed).then_some((&own, &own_view)));
            let shown = seen(&voice, &view, ty).await;
            for (holder, held) in &held {
                let theirs = seen(holder, held, ty).await;
                for (row, hides) in &shown {
                    let Some(hidden) = theirs.get(row) else { panic!("{} sees {} {row}", voice.seat, ty.name) };
                    let more: Vec<&str> =
                        hidden.difference(hides).map(|field| ty.fields[*field].name.as_str()).collect();
                    assert!(
                        more.is_empty(),
                        "{} sees {more:?} of {} {row}, {} does not",
                        voice.seat,
                        ty.name,
                        holder.seat
                    );
                }
            }
            rows += shown.len();
        }
        places += 1;
    }
    println!("in the place of another on {:?}: {places} seats, {deputies} of deputies, {rows} rows", hub.dialect());
    assert!(deputies > 0 && places > deputies && rows > 0);
}

/// What a prefix, a mask or a band leaves out is as hidden as a hidden value.
async fn what_a_treatment_takes_away_moves_nothing(hub: Hub) {
    let dialect = hub.dialect();
    let mut changed = 0;
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let changes = hidden::remainders(&hub, &voice, &view, &read_by(&view).0).await;
        if changes.sql.is_empty() {
            continue;
        }
        let questions = questions::all(&view, &Dump::of(&voice).await);
        let before = answers(&voice, &questions).await;
        for sql in &changes.sql {
            changed += hub.sql(sql).await;
        }
        compare(&voice, &before, &answers(&voice, &questions).await, "what a treatment took away");
    }
    println!("treated values on {dialect:?}: {changed} changed");
    assert!(changed > 0, "nothing is treated");
}

async fn hidden_rows_move_nothing_for_partners(hub: Hub) {
    hidden_rows_move_nothing(hub, |seat| !seat.starts_with("nordwind/")).await;
}

async fn hidden_rows_move_nothing_for_the_house(hub: Hub) {
    hidden_rows_move_nothing(hub, |seat| seat.starts_with("nordwind/")).await;
}

/// Rows outside of the view: copied under new keys, then deleted where nothing needs them.
async fn hidden_rows_move_nothing(hub: Hub, of: fn(&str) -> bool) {
    let dialect = hub.dialect();
    let (mut added, mut deleted, mut asked, mut lines) = (0, 0, 0, 0);
    for voice in Voice::all(&hub).await.into_iter().filter(|voice| of(&voice.seat)) {
        let view = voice.view().await;
        let questions = questions::all(&view, &Dump::of(&voice).await);
        let since = hub.log_end().await;
        let kept = Kept::of(&hub).await;
        let before = answers(&voice, &questions).await;
        let rows = hidden_rows(&hub, &voice, &view, &read_by(&view).1).await;
        added += hidden::add(&hub, &rows).await;
        compare(&voice, &before, &answers(&voice, &questions).await, "a hidden row that was added");
        kept.restore().await;
        deleted += hidden::delete(&hub, &rows).await;
        compare(&voice, &before, &answers(&voice, &questions).await, "a hidden row that was deleted");
        kept.restore().await;
        lines += same_lines(&hub, &voice, since, 3).await;
        asked += before.len();
    }
    println!(
        "hidden rows on {dialect:?}: {added} added, {deleted} deleted, {asked} documents asked three times, {lines} lines of \
         the log"
    );
}

/// L5, L6: an id of a row outside of the view and an id of no row give the same bytes, everywhere.
async fn ids_of_hidden_rows_are_ids_of_none(hub: Hub) {
    let mut tried = 0;
    for voice in Voice::all(&hub).await {
        let view = voice.view().await;
        let codec = voice.app().graphql.codec(view.seat.organisation);
        for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
            let seen = seen(&voice, &view, ty).await;
            let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id", ty.table)).await;
            let hidden: Vec<Uuid> =
                ids.into_iter().flatten().map(|id| id.parse().unwrap()).filter(|id| !seen.contains_key(id)).collect();
            let plural = ty.plural;
            for (n, row) in hidden.iter().step_by(hidden.len() / 4 + 1).enumerate() {
                let none = Uuid::from_u128(0x7000_0000_0000_0000 + n as u128);
                let (id, none) = (codec.id(ty.id, *row), codec.id(ty.id, none));
                let mut documents = vec![
                    "{ node(id: \"#\") { id __typename } }".to_string(),
                    "{ nodes(ids: [\"#\", \"#\"]) { id } }".to_string(),
                    format!("{{ node(id: \"#\") {{ ... on {} {{ again: id }} }} }}", ty.name),
                    format!(
                        "{{ {plural}(filter: {{ id: {{ eq: \"#\" }} }}) {{ totalCount nodes {{ id }} pageInfo {{ endCursor }} }} }}"
                    ),
                    format!(
                        "{{ {plural}(filter: {{ id: {{ in: [\"#\"] }} }}) {{ totalCount }} b: {plural}(filter: {{ id: {{ ne: \"#\" }} }}) {{ totalCount }} }}"
                    ),
                    format!("{{ {}Aggregate(filter: {{ id: {{ eq: \"#\" }} }}) {{ count }} }}", ty.singular()),
                    format!("{{ {plural}(after: \"#\") {{ totalCount }} }}"),
                ];
                for from in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
                    let steps =
                        from.fields.iter().enumerate().filter(|(i, f)| f.to == Some(ty.id) && view.sees(from.id, *i));
                    documents.extend(steps.map(|(_, f)| {
                        format!(
                            "{{ {}(filter: {{ {}: {{ id: {{ eq: \"#\" }} }} }}) {{ totalCount }} }}",
                            from.plural, f.name
                        )
                    }));
                }
                for document in documents {
                    let (one, other) =
                        (voice.ask(&document.replace('#', &id)).await, voice.ask(&document.replace('#', &none)).await);
                    assert_eq!(one.replace(&id, "#"), other.replace(&none, "#"), "{} asks {document}", voice.seat);
                    tried += 1;
                }
            }
        }
    }
    println!("ids of hidden rows on {:?}: {tried} documents", hub.dialect());
}
