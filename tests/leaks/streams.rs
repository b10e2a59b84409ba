//! L12, L19: every seat follows all that it sees, and is told nothing of what happens after its end.

use std::collections::BTreeSet;

use entente::{
    access::{Treatment, View},
    catalogue::{CATALOGUE, Type, screaming},
};
use entities::meta::Kind;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{
    hidden::{self, Kept, Read, list, read_by, seen},
    unknown,
};
use crate::{
    differential::voice::Voice,
    harness::{Hub, tests},
    streams::client::{Events, Socket},
};

tests! {
    changing: a_view_made_anew_is_the_same, a_stream_ends_with_its_right;
}

struct Marker {
    ty: &'static Type,
    row: Uuid,
    column: &'static str,
}

impl Marker {
    async fn of(voice: &Voice, view: &View, read: &Read) -> Self {
        for ty in followed(view) {
            for (row, hides) in seen(voice, view, ty).await {
                let text = |i: &usize| ty.fields[*i].kind == Kind::Text && ty.fields[*i].one_of.is_empty();
                if let Some(field) = plain(view, read, ty, &hides).into_iter().find(text) {
                    return Marker { ty, row, column: ty.fields[field].column };
                }
            }
        }
        panic!("{} sees no text", voice.seat);
    }

    async fn set(&self, hub: &Hub, mark: &str) {
        let id = list(hub.dialect(), [&self.row]);
        let Marker { ty, column, .. } = self;
        hub.sql(&format!("UPDATE \"{}\" SET \"{column}\" = '{mark}' WHERE id IN ({id})", ty.table)).await;
    }
}

/// Fields that a seat is shown as they are, and that decide nothing.
fn plain(view: &View, read: &Read, ty: &Type, hides: &std::collections::HashSet<usize>) -> Vec<usize> {
    let full = |i: usize| view.of(ty.id).fields[i].levels.iter().all(|(_, shown)| *shown == Treatment::Full);
    let own = ty.fields.iter().enumerate().skip(1);
    own.filter(|(i, f)| {
        let still = f.to.is_none() && f.kind != Kind::Id && !["seq", "line_no"].contains(&f.column);
        still && view.sees(ty.id, *i) && !hides.contains(i) && full(*i) && !read.contains(&(ty.id, *i))
    })
    .map(|(i, _)| i)
    .collect()
}

/// What the doors themselves hang on stays as it is: from where a role may be used, and for how much.
const APART: &[(&str, &[&str])] = &[("Principal", &["kind"]), ("RoleAssignment", &["networks", "costPerMinute"])];
/// The endpoint through which a webhook is heard.
const ENDPOINT: &str = "WebhookEndpoint";

/// What is left alone, and the sets that decide.
fn fixed(view: &View) -> (Read, BTreeSet<&'static str>) {
    let (mut read, sets) = read_by(view);
    let ids = |ty: &'static Type, fields: &mut dyn Iterator<Item = usize>| fields.map(|i| (ty.id, i)).collect::<Read>();
    for (name, fields) in APART {
        let ty = CATALOGUE.by_name(name).unwrap();
        read.extend(ids(ty, &mut fields.iter().map(|field| ty.field_index(field).unwrap())));
    }
    let ty = CATALOGUE.by_name(ENDPOINT).unwrap();
    read.extend(ids(ty, &mut (0..ty.fields.len())));
    (read, sets)
}

/// The types that can be followed.
fn followed(view: &View) -> impl Iterator<Item = &'static Type> {
    CATALOGUE.types.iter().filter(|ty| view.sees_type(ty.id) && ty.name != "AuditEvent")
}

/// Everything of everything.
fn document(view: &View) -> String {
    let types: Vec<String> = followed(view).map(|ty| screaming(&ty.singular())).collect();
    let nodes: Vec<String> = followed(view)
        .map(|ty| {
            let fields = unknown::seen(&view.class, ty).into_iter().filter_map(|name| ty.field(name));
            let fields = fields.map(|f| if f.to.is_some() { format!("{} {{ id }}", f.name) } else { f.name.clone() });
            format!("... on {} {{ {} }}", ty.name, fields.collect::<Vec<_>>().join(" "))
        })
        .collect();
    format!(
        "subscription {{ changes(types: [{}], from: NOW) {{ kind id cursor changedFields occurredAt reason node {{ {} }} }} }}",
        types.join(", "),
        nodes.join(" ")
    )
}

/// Whatever makes a view anew without another right leaves it as it was, or a stream would tell that something has been
/// written that its seat does not see: rows that are gone as LEFT, a GAP for whoever comes back.
async fn a_view_made_anew_is_the_same(hub: Hub) {
    let shown = async |hub: &Hub| {
        let mut all = Vec::new();
        for voice in Voice::all(hub).await {
            let view = voice.view().await;
            all.push((voice.seat, format!("{:?}", view.types)));
        }
        all
    };
    let before = shown(&hub).await;
    for ty in &CATALOGUE.types {
        // every row is written as it is, the last first: a database may keep them in another order from then on
        let ids = hub.texts(&format!("SELECT id FROM \"{}\" ORDER BY id DESC LIMIT 50", ty.table)).await;
        let ids: Vec<Uuid> = ids.into_iter().flatten().map(|id| id.parse().unwrap()).collect();
        let column = ty.fields[1].column;
        let same = |id| {
            format!(
                "UPDATE \"{}\" SET \"{column}\" = \"{column}\" WHERE id IN ({})",
                ty.table,
                list(hub.dialect(), [id])
            )
        };
        hidden::run(&hub, &ids.iter().map(same).collect::<Vec<_>>()).await;
    }
    // another hub has no view yet
    let again = shown(&hub.with(|_| ()).await).await;
    assert_eq!(before.len(), again.len());
    for ((seat, before), (_, after)) in before.into_iter().zip(again) {
        let at = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(80);
        let cut = |text: &str| text.chars().skip(at).take(400).collect::<String>();
        assert!(before == after, "{seat}\nbefore: …{}\nafter:  …{}", cut(&before), cut(&after));
    }
}

/// L12, L19: of every seat, at both doors that stay open: what happens after its end is told to nobody.
async fn a_stream_ends_with_its_right(hub: Hub) {
    let ends = ["UPDATE role_assignment SET valid_to = 0", "UPDATE principal SET status = 'locked'"];
    let kept = Kept::of(&hub).await;
    let mut ended = 0;
    for end in ends {
        let mut open = Vec::new();
        for voice in Voice::all(&hub).await {
            let view = voice.view().await;
            let marker = Marker::of(&voice, &view, &fixed(&view).0).await;
            let document = document(&view);
            let mut socket = Socket::signed_in(&hub, &voice.seat).await;
            socket.ask("1", &document).await;
            assert_eq!(socket.hear().await["payload"]["data"]["changes"]["kind"], "CHECKPOINT");
            let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(&voice.seat).await);
            let mut events = Events::open(request.json(&json!({ "query": document }))).await;
            assert!(events.event().await.unwrap().data.contains("CHECKPOINT"));
            open.push((voice, marker, socket, events));
        }
        hub.sql(end).await;
        for (_, marker, ..) in &open {
            marker.set(&hub, "after the end").await;
        }
        for (voice, _, mut socket, mut events) in open {
            let seat = &voice.seat;
            let (heard, code) = socket.rest().await;
            assert!(
                code == 4401 && !heard.iter().any(|text| text.contains("after the end")),
                "{seat}: {code} {heard:?}"
            );
            let mut last = String::new();
            while let Some(event) = events.event().await {
                assert!(!event.data.contains("after the end"), "{seat}: {event:?}");
                if !event.data.is_empty() {
                    last = event.data;
                }
            }
            assert!(last.contains("UNAUTHENTICATED") || last.contains("FORBIDDEN"), "{seat}: {last}");
            ended += 2;
        }
        kept.restore().await;
    }
    println!("streams that end with their right on {:?}: {ended}", hub.dialect());
}
