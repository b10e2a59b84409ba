//! L10, L12, L17-L19: what is hidden makes no event and is in none. Each seat follows all that it sees by WebSocket, event
//! stream, webhook and polls, and a script of visible changes is played twice: alone, and woven into changes of everything
//! that the seat does not see. What is told must be the same, but for what is different each time: cursors, the
//! database's own clock, and what is signed over them.

use std::collections::{BTreeSet, HashSet};

use entente::{
    access::{Treatment, View, connect::Dialect},
    catalogue::{CATALOGUE, Type, screaming},
    webhook,
};
use entities::meta::Kind;
use reqwest::Method;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    hidden::{self, Kept, Read, another, hidden_rows, list, read_by, seen},
    unknown,
};
use crate::{
    differential::voice::Voice,
    harness::{Hub, Reply, send, tests, until},
    streams::client::{Events, Socket},
    webhooks::{Deliveries, open, receiver::Receiver},
};

tests! {
    changing:
        a_view_made_anew_is_the_same,
        what_is_hidden_makes_no_event,
        a_stream_ends_with_its_right;
}

/// One statement: what is seen of a row changes, beside what is hidden of it.
struct Step {
    ty: &'static Type,
    row: Uuid,
    shown: Vec<String>,
    hidden: Vec<String>,
}

struct Script {
    steps: Vec<Step>,
    /// Rows that are seen, and that nothing points at.
    deleted: Vec<(&'static Type, Uuid)>,
    marker: Marker,
}

/// A row and a text of it that say that all was told.
#[derive(Clone, Copy)]
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
fn plain(view: &View, read: &Read, ty: &Type, hides: &HashSet<usize>) -> Vec<usize> {
    let full = |i: usize| view.of(ty.id).fields[i].levels.iter().all(|(_, shown)| *shown == Treatment::Full);
    let own = ty.fields.iter().enumerate().skip(1);
    own.filter(|(i, f)| {
        let still = f.to.is_none() && f.kind != Kind::Id && !["seq", "line_no"].contains(&f.column);
        still && view.sees(ty.id, *i) && !hides.contains(i) && full(*i) && !read.contains(&(ty.id, *i))
    })
    .map(|(i, _)| i)
    .collect()
}

impl Script {
    async fn of(hub: &Hub, voice: &Voice, view: &View, read: &Read, sets: &BTreeSet<&'static str>) -> Self {
        let dialect = hub.dialect();
        let change = |ty: &'static Type, fields: &mut dyn Iterator<Item = usize>| -> Vec<String> {
            let of = |i: usize| Some(format!("\"{}\" = {}", ty.fields[i].column, another(dialect, ty, &ty.fields[i])?));
            fields.filter_map(of).collect()
        };
        let marker = Marker::of(voice, view, read).await;
        let (mut steps, mut deleted) = (Vec::new(), Vec::new());
        let deletable: Vec<&str> = hidden_rows(hub, voice, view, sets).await.iter().map(|(ty, _)| ty.name).collect();
        for ty in followed(view) {
            let rows: Vec<_> = seen(voice, view, ty).await.into_iter().collect();
            for (n, (row, hides)) in rows.iter().enumerate() {
                let plain = plain(view, read, ty, hides);
                if *row == marker.row {
                    continue;
                }
                if n > SOME {
                    break;
                }
                let own = (1..ty.fields.len()).filter(|i| !read.contains(&(ty.id, *i)) && hides.contains(i));
                let shown = change(ty, &mut plain.into_iter());
                let hidden = change(ty, &mut own.into_iter());
                // what decides moves the row out of the view, perhaps
                let moves = (1..ty.fields.len()).filter(|i| {
                    let field = &ty.fields[*i];
                    let scalar = field.to.is_none() && matches!(field.kind, Kind::Text | Kind::Date | Kind::Int);
                    n == SOME && scalar && read.contains(&(ty.id, *i)) && deletable.contains(&ty.name)
                });
                let shown = [shown, change(ty, &mut moves.into_iter())].concat();
                if !shown.is_empty() {
                    steps.push(Step { ty, row: *row, shown, hidden });
                }
            }
            let used = |id: &Uuid| *id == marker.row || steps.iter().any(|step: &Step| step.row == *id);
            let rest: Vec<Uuid> = rows.iter().map(|(id, _)| *id).filter(|id| !used(id)).collect();
            if deletable.contains(&ty.name) && !rest.is_empty() {
                let free = hidden::free(dialect, ty, &rest);
                let found =
                    hub.texts(&format!("SELECT id FROM \"{}\" WHERE {free} ORDER BY id LIMIT 1", ty.table)).await;
                deleted.extend(found.into_iter().flatten().map(|id| (ty, id.parse().unwrap())));
            }
        }
        Script { steps, deleted, marker }
    }

    /// In the second world, what is hidden of each row changes in the same statement.
    async fn play(&self, hub: &Hub, both: bool) {
        let steps = self.steps.iter().map(|Step { ty, row, shown, hidden }| {
            let set = shown.iter().chain(hidden.iter().filter(|_| both)).cloned().collect::<Vec<_>>().join(", ");
            format!("UPDATE \"{}\" SET {set} WHERE id IN ({})", ty.table, list(hub.dialect(), [row]))
        });
        hidden::run(hub, &steps.collect::<Vec<_>>()).await;
    }

    fn deletes(&self, dialect: Dialect) -> Vec<String> {
        let delete =
            |(ty, row): &(&Type, Uuid)| format!("DELETE FROM \"{}\" WHERE id IN ({})", ty.table, list(dialect, [row]));
        self.deleted.iter().map(delete).collect()
    }
}

/// What the doors themselves hang on stays as it is: from where a role may be used, and for how much.
const APART: &[(&str, &[&str])] = &[
    ("Organisation", &["country", "transferContract"]),
    ("Principal", &["kind"]),
    ("RoleAssignment", &["networks", "costPerMinute"]),
];
/// Its rows are how a webhook is heard, and change while it is.
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
    CATALOGUE.types.iter().filter(|ty| view.sees_type(ty.id) && !["AuditEvent", ENDPOINT].contains(&ty.name))
}

/// Seats of the house whose streams are compared. All of them take some minutes: `STREAMS_HOUSE=20`.
const HOUSE: usize = 2;
/// Rows that are changed of those that are hidden alike, and of those of a type, beside one more.
const SOME: usize = 1;

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

/// What stands above the lines of a poll.
const HEADERS: [&str; 9] = [
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "link",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];
/// So many characters in the same place are no chance.
const ALIKE: usize = 8;

/// Two cursors show nothing of what they hold: neither where the log ends, nor whether anything happened between.
fn nothing_in_common(cursors: &[String]) {
    for (one, other) in cursors.iter().zip(cursors.iter().skip(1).chain(cursors.iter().skip(40))) {
        let alike = one.bytes().zip(other.bytes()).map(|(a, b)| a == b).collect::<Vec<_>>();
        assert!(one == other || !alike.windows(ALIKE).any(|run| run.iter().all(|same| *same)), "{one} {other}");
    }
}

/// One seat at each door.
struct Ears {
    hub: Hub,
    token: String,
    /// Where a poll goes on.
    path: String,
    socket: Socket,
    events: Events,
    receiver: Receiver,
    /// None for whom a role binds to networks: nobody knows where a webhook ends.
    endpoint: Option<Uuid>,
    _deliveries: Deliveries,
    heard: usize,
    cursor: usize,
    /// Ids of rows that the seat was shown.
    known: HashSet<String>,
    cursors: Vec<String>,
}

/// The path in `Link`.
fn next(reply: &Reply) -> String {
    reply
        .header("link")
        .split(['<', '>'])
        .nth(1)
        .unwrap_or_else(|| panic!("no link: {} {}", reply.status, reply.text))
        .into()
}

/// What one door told, without what is different each time.
type Told = Vec<String>;

impl Ears {
    async fn open(hub: &Hub, voice: &Voice, view: &View) -> Self {
        let (seat, document) = (&voice.seat, &document(view));
        let codec = voice.app().graphql.codec(view.seat.organisation);
        let mut known = HashSet::new();
        for ty in followed(view) {
            known.extend(seen(voice, view, ty).await.into_keys().map(|row| codec.id(ty.id, row)));
        }
        let mut socket = Socket::signed_in(hub, seat).await;
        socket.ask("1", document).await;
        let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(seat).await);
        let mut events = Events::open(request.json(&json!({ "query": document }))).await;
        let receiver = Receiver::start().await;
        let endpoint = webhook::add(hub.app(), seat, &receiver.url(), document).await.ok().map(|(id, _)| id);
        let deliveries = Deliveries::of(hub);
        // each begins with where it is
        let first = socket.hear().await;
        let cursor =
            first["payload"]["data"]["changes"]["cursor"].as_str().unwrap_or_else(|| panic!("{seat}: {first}"));
        let cursor = cursor.len();
        let token = hub.token(seat).await;
        let types = document.split(['[', ']']).nth(1).unwrap().replace(' ', "");
        let path = format!("/feed/changes?types={types}&from=NOW&wait=1");
        let reply = send(hub.request(Method::GET, &path).bearer_auth(&token)).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{seat}");
        let path = next(&reply);
        assert!(events.event().await.unwrap().data.contains("CHECKPOINT"), "{seat}");
        if endpoint.is_some() {
            receiver.got(1).await;
        }
        Ears {
            hub: hub.clone(),
            token,
            path,
            socket,
            events,
            receiver,
            endpoint,
            _deliveries: deliveries,
            heard: usize::from(endpoint.is_some()),
            cursor,
            known,
            cursors: Vec::new(),
        }
    }

    /// All that is told up to now. Twice, since what happens at once is told in the order of the rows: what stands
    /// behind the first mark stands before the second.
    async fn all(&mut self, marker: &Marker, mark: &str, of: &str) -> [Told; 4] {
        let mut all: [Told; 4] = Default::default();
        for mark in [format!("{mark} 1"), format!("{mark} 2")] {
            marker.set(&self.hub, &mark).await;
            for (all, more) in all.iter_mut().zip(self.until(&mark, of).await) {
                all.extend(more);
            }
        }
        all.iter_mut().for_each(|told| told.sort());
        all
    }

    /// Up to the event of the marker, which is left out.
    async fn until(&mut self, mark: &str, of: &str) -> [Told; 4] {
        let (mut socket, mut events, mut hook, mut polled) = (Told::new(), Told::new(), Told::new(), Told::new());
        let is_marked = |event: &Json| event["node"].to_string().contains(&format!("\"{mark}\""));
        loop {
            let message = self.socket.hear().await;
            assert_eq!(message["type"], "next", "{message}");
            let payload = message["payload"].clone();
            let event = payload["data"]["changes"].clone();
            socket.extend(self.plain(payload, of));
            if is_marked(&event) {
                break;
            }
        }
        loop {
            let event = self.events.event().await.unwrap_or_else(|| panic!("the stream has ended"));
            assert_eq!((event.event.as_str(), event.id.len()), ("next", self.cursor), "{event:?}");
            let payload: Json = serde_json::from_str(&event.data).unwrap();
            let marked = is_marked(&payload["data"]["changes"]);
            events.extend(self.plain(payload, of));
            if marked {
                break;
            }
        }
        let end = until("the marker at the webhook", async || {
            let all = self.receiver.all();
            let at = all.iter().skip(self.heard).position(|got| is_marked(&got.json()["data"]));
            if self.endpoint.is_some() { at.map(|at| self.heard + at + 1) } else { Some(self.heard) }
        })
        .await;
        for got in &self.receiver.all()[self.heard..end] {
            let mut body = got.json();
            assert_eq!(body["cursor"].as_str().map(str::len), Some(self.cursor), "{body}");
            assert_eq!(got.header("webhook-id"), body["id"], "{body}");
            for name in ["id", "cursor", "time"] {
                body[name] = Json::Null;
            }
            let data = json!({ "data": { "changes": body["data"].take() } });
            let Some(data) = self.plain(data, of) else { continue };
            let mut headers: Vec<String> =
                got.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            // of the id, the signature over it, and the length of the time within
            headers.retain(|line| {
                !["webhook-id", "webhook-signature", "content-length"].iter().any(|name| line.starts_with(name))
            });
            hook.push(format!("{data} {body} {headers:?}"));
        }
        self.heard = end;
        let mut marked = false;
        while !marked {
            let reply = send(self.hub.request(Method::GET, &self.path).bearer_auth(&self.token)).await;
            assert!(reply.status == 200 || reply.status == 204, "{} {}", reply.status, reply.text);
            self.path = next(&reply);
            let headers: BTreeSet<&str> = reply.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
            assert!(headers.is_subset(&BTreeSet::from(HEADERS)), "{headers:?}");
            for line in reply.text.lines() {
                let event: Json = serde_json::from_str(line).unwrap();
                marked |= is_marked(&event);
                polled.extend(self.plain(json!({ "data": { "changes": event } }), of));
            }
        }
        [socket, events, hook, polled]
    }

    /// An event, if it is about another row than the marker's: what can be the same twice. Of a row that has left there
    /// is its id alone (L10).
    fn plain(&mut self, mut payload: Json, marker: &str) -> Option<String> {
        let event = &mut payload["data"]["changes"];
        let cursor = event["cursor"].as_str().unwrap().to_owned();
        assert_eq!(cursor.len(), self.cursor, "{event}");
        self.cursors.push(cursor);
        if event["kind"] == "CHECKPOINT" || event["id"] == marker {
            return None;
        }
        if event["kind"] == "LEFT" || event["kind"] == "DELETED" {
            let alone = event["node"].is_null() && event["changedFields"] == json!([]) && event["reason"].is_null();
            assert!(alone && payload.get("extensions").is_none(), "{payload}");
            let id = payload["data"]["changes"]["id"].as_str().unwrap();
            assert!(self.known.contains(id), "a row that was never shown: {payload}");
        } else {
            self.known.extend(event["id"].as_str().map(String::from));
        }
        let event = &mut payload["data"]["changes"];
        event["cursor"] = Json::Null;
        event["occurredAt"] = Json::Null;
        Some(payload.to_string())
    }
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

/// Of each role at a partner one seat, and those of the house that see least. There is none that could not follow what it
/// sees.
async fn in_every_role(hub: &Hub) -> Vec<Voice> {
    let (mut roles, mut partners, mut house, mut host) = (HashSet::new(), Vec::new(), Vec::new(), None);
    for voice in Voice::all(hub).await {
        let view = voice.view().await;
        host = host.or(view.class.operator.then_some(view.seat.organisation));
        if roles.insert(view.seat.role.clone()) {
            partners.push((followed(&view).count(), voice));
        }
    }
    house.extend(partners.extract_if(.., |(_, voice)| Some(voice.caller.seat.organisation) == host));
    house.sort_by_key(|(types, _)| *types);
    house.truncate(std::env::var("STREAMS_HOUSE").map_or(HOUSE, |text| text.parse().expect("a number")));
    partners.into_iter().chain(house).map(|(_, voice)| voice).collect()
}

async fn what_is_hidden_makes_no_event(hub: Hub) {
    let (hub, dialect) = (open(&hub).await, hub.dialect());
    let (mut fields, mut rows, mut told, mut seats) = (0, 0, [0; 4], 0);
    let mut kinds = BTreeSet::new();
    for voice in in_every_role(&hub).await {
        let view = voice.view().await;
        let (read, sets) = fixed(&view);
        let script = Script::of(&hub, &voice, &view, &read, &sets).await;
        let changes = [
            hidden::some_values(&hub, &voice, &view, &read, SOME).await,
            hidden::remainders(&hub, &voice, &view, &read).await,
        ];
        let mut around = hidden_rows(&hub, &voice, &view, &sets).await;
        around.retain(|(ty, _)| ty.name != ENDPOINT);
        for (_, rows) in &mut around {
            *rows = rows.iter().step_by(rows.len() / SOME + 1).copied().collect();
        }
        let changed: Vec<String> = changes.iter().flat_map(|changes| changes.sql.clone()).collect();
        let marker = voice.app().graphql.codec(view.seat.organisation).id(script.marker.ty.id, script.marker.row);
        let mut ears = Ears::open(&hub, &voice, &view).await;
        let kept = Kept::of(&hub).await;

        let mut worlds = Vec::new();
        for both in [false, true] {
            // in one transaction, since every door looks anew behind each
            let mut first = script.deletes(dialect);
            if both {
                let (adding, added) = hidden::adding(&hub, &around).await;
                first = [first, changed.clone(), adding, hidden::deleting(dialect, &around)].concat();
                rows += added;
            }
            hidden::run(&hub, &first).await;
            script.play(&hub, both).await;
            let told = ears.all(&script.marker, &format!("mark {both}"), &marker).await;
            kept.restore().await;
            let back = ears.all(&script.marker, &format!("back {both}"), &marker).await;
            kept.restore().await;
            worlds.push([told, back]);
        }
        let [still, busy] = &worlds[..] else { panic!("two worlds") };
        for (still, busy) in still.iter().zip(busy) {
            for ((door, still), (busy, told)) in
                ["socket", "event stream", "webhook", "poll"].iter().zip(still).zip(busy.iter().zip(&mut told))
            {
                let more: Vec<&String> = busy.iter().filter(|event| !still.contains(event)).collect();
                let less: Vec<&String> = still.iter().filter(|event| !busy.contains(event)).collect();
                let some = |events: &[&String]| {
                    events.iter().take(2).map(|event| event.chars().take(600).collect()).collect::<Vec<String>>()
                };
                assert!(
                    more.is_empty() && less.is_empty(),
                    "{} at a {door}\n{} more: {:#?}\n{} less: {:#?}",
                    voice.seat,
                    more.len(),
                    some(&more),
                    less.len(),
                    some(&less)
                );
                assert_eq!(still.len(), busy.len(), "{} at a {door}", voice.seat);
                *told += still.len();
                for kind in ["ENTERED", "CHANGED", "LEFT", "DELETED"] {
                    kinds.extend(still.iter().any(|event| event.contains(&format!("\"{kind}\""))).then_some(kind));
                }
            }
        }
        nothing_in_common(&ears.cursors);
        if let Some(endpoint) = ears.endpoint {
            webhook::remove(hub.app(), endpoint).await.unwrap();
        }
        fields += changes.iter().map(|changes| changes.fields).sum::<usize>();
        seats += 1;
    }
    println!(
        "streams on {dialect:?}: {seats} seats, {fields} hidden fields and {rows} hidden rows added; the same {} events \
         on sockets, {} on event streams, {} at webhooks, {} polled",
        told[0], told[1], told[2], told[3]
    );
    assert!(kinds.len() == 4 && told.iter().all(|told| *told > 0), "{kinds:?}");
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
