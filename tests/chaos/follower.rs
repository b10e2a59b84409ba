//! A client that keeps a copy of what its seat is shown by the events alone, on whichever node answers, and takes up
//! the stream behind the last event that it has. It is strict: what comes twice or not in order is a fault.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    kills::Run,
    line::{Asked, Door, Heard, Line},
};

/// A stream that has said so often in a row that all was told, though the copy is not what a query shows, has lost
/// something. Until then a machine that does many things at once is slow.
const CHECKPOINTS: usize = 8;
/// For a stream that says nothing at all.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// A query is asked again so often: the moment moves, too.
const AGAIN: Duration = Duration::from_secs(2);

/// What is followed, and the lists that show the same.
#[derive(Clone, Copy)]
pub struct Topic {
    /// With its arguments but the cursor's: `demandUpdates`, or `changes` of these types.
    pub field: &'static str,
    pub types: Option<&'static str>,
    pub filter: &'static str,
    pub parts: &'static [Part],
}

#[derive(Clone, Copy)]
pub struct Part {
    pub ty: &'static str,
    pub list: &'static str,
    /// But for the id.
    pub fields: &'static [&'static str],
}

pub struct Follower {
    pub seat: &'static str,
    pub place: Option<&'static str>,
    pub door: Door,
    pub topic: Topic,
    held: Mutex<Held>,
}

type Rows = BTreeMap<String, Value>;

#[derive(Default)]
struct Held {
    copy: Rows,
    cursor: Option<String>,
    /// Since the last event, and since all was let settle.
    checkpoints: usize,
    /// Where it is connected.
    url: Option<String>,
    /// The seat's schema no longer has what is asked for, or there is no seat.
    refused: bool,
}

impl Follower {
    pub fn new(seat: &'static str, place: Option<&'static str>, door: Door, topic: Topic) -> Arc<Self> {
        Arc::new(Follower { seat, place, door, topic, held: Mutex::default() })
    }

    fn name(&self) -> String {
        let place = self.place.map(|place| format!(" as {place}")).unwrap_or_default();
        format!("{}{place} {} {}{}", self.seat, self.topic.field, self.topic.types.unwrap_or(""), self.topic.filter)
    }

    fn document(&self) -> String {
        let part = |part: &Part| format!("... on {} {{ id {} }}", part.ty, part.fields.join(" "));
        let node = match self.topic.types {
            Some(_) => self.topic.parts.iter().map(part).collect::<Vec<_>>().join(" "),
            None => format!("id {}", self.topic.parts[0].fields.join(" ")),
        };
        let types = self.topic.types.map(|types| format!("types: [{types}], ")).unwrap_or_default();
        let filter = match self.topic.filter {
            "" => String::new(),
            filter => format!(", filter: {filter}"),
        };
        format!(
            "subscription ($after: String) {{ {}({types}after: $after{filter}) \
             {{ cursor kind id node {{ {node} }} changedFields reason }} }}",
            self.topic.field
        )
    }

    /// Follows until the run is over.
    pub async fn follow(self: Arc<Self>, run: Arc<Run>) {
        let document = self.document();
        while !run.is_over() {
            let Some(url) = run.some_node() else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let cause = self.stream(&run, &document, &url).await;
            let refused = {
                let mut held = self.held.lock().unwrap();
                held.url = None;
                // without a right to the seat there is no connection
                held.refused |= cause.starts_with("4401 ") || cause.starts_with("4403 ");
                held.refused
            };
            run.counts.broke(&cause);
            let pause = rand::thread_rng().gen_range(0..if refused { 400 } else { 60 });
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Until it breaks; why.
    async fn stream(&self, run: &Run, document: &str, url: &str) -> String {
        let cursor = self.held.lock().unwrap().cursor.clone();
        let token = run.hub.token(self.seat).await;
        let asked = Asked { url, token: &token, place: self.place, document, cursor: cursor.as_deref() };
        let mut line = match Line::open(self.door, &run.client, &asked).await {
            Ok(line) => line,
            Err(Heard::Ended(cause)) => return cause,
            Err(Heard::Answer(answer)) => return answer.to_string(),
        };
        let mut first = true;
        loop {
            let answer = match line.next().await {
                Heard::Answer(answer) => answer,
                Heard::Ended(cause) => return cause,
            };
            if let Some(error) = answer.get("errors").map(|errors| &errors[0]) {
                return self.failed(run, error);
            }
            if let Err(fault) = self.taken(run, url, std::mem::take(&mut first), &answer["data"][self.topic.field]) {
                run.fault(format!("{}: {fault}", self.name()));
                return "a fault".into();
            }
            // under load clients die, too, or are busy with other things
            let chance = if run.is_calm() { 2_000 } else { rand::thread_rng().gen_range(0..2_000) };
            match chance {
                0..6 => return "the client died".into(),
                6..10 => sleep(Duration::from_millis(700)).await,
                _ => {}
            }
        }
    }

    fn failed(&self, run: &Run, error: &Value) -> String {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        let mut held = self.held.lock().unwrap();
        match code {
            "GRAPHQL_VALIDATION_FAILED" | "UNAUTHENTICATED" | "FORBIDDEN" => {
                held.refused = true;
            }
            "RATE_LIMITED" | "GAP" => {}
            "INTERNAL" if error["message"].as_str().is_some_and(|text| text.contains("try again")) => {}
            _ => {
                drop(held);
                run.fault(format!("{}: {error}", self.name()));
            }
        }
        code.to_owned()
    }

    /// After a fault it begins anew, so that one is told once.
    fn taken(&self, run: &Run, url: &str, first: bool, event: &Value) -> Result<(), String> {
        let mut held = self.held.lock().unwrap();
        if first {
            (held.url, held.refused) = (Some(url.to_owned()), false);
            run.counts.add(&run.counts.streams, 1);
        }
        let taken = take(run, &mut held, event);
        if taken.is_err() {
            *held = Held::default();
        }
        taken
    }

    /// The copy becomes what a fresh query of the seat shows at the node that it follows, with so many rows; `None` if
    /// the seat is refused both. Else how they differ.
    pub async fn agrees(&self, run: &Run) -> Result<Option<usize>, String> {
        let end = Instant::now() + PATIENCE;
        self.held.lock().unwrap().checkpoints = 0;
        let mut known: Option<(String, Option<Rows>, Instant)> = None;
        loop {
            let (url, told) = {
                let held = self.held.lock().unwrap();
                (held.url.clone().or_else(|| run.some_node()), held.checkpoints >= CHECKPOINTS)
            };
            let mut lost = false;
            if let Some(url) = url {
                if told || known.as_ref().is_none_or(|(at, _, asked)| *at != url || asked.elapsed() > AGAIN) {
                    known = self.asked(run, &url).await.map(|rows| (url, rows, Instant::now()));
                }
                let held = self.held.lock().unwrap();
                let here = known.as_ref().is_some_and(|(url, ..)| held.url.as_ref() == Some(url));
                match &known {
                    Some((_, None, _)) if held.refused => return Ok(None),
                    Some((_, Some(rows), _)) if here && held.copy == *rows => return Ok(Some(rows.len())),
                    _ => lost = told && here && held.checkpoints >= CHECKPOINTS,
                }
            }
            if lost || Instant::now() > end {
                return Err(self.differs(known.map(|(_, rows, _)| rows)));
            }
            sleep(Duration::from_millis(40)).await;
        }
    }

    fn differs(&self, known: Option<Option<Rows>>) -> String {
        let held = self.held.lock().unwrap();
        let state = format!("connected {:?}, refused {}", held.url, held.refused);
        let Some(Some(rows)) = known else {
            return format!("{}: {state}, {} rows, asked {known:?}", self.name(), held.copy.len());
        };
        let other = |a: &Rows, b: &Rows| a.iter().find(|(id, row)| b.get(*id) != Some(row)).map(|(_, row)| row.clone());
        format!(
            "{}: {state}, {} rows held and {} shown; shown {:?}, held {:?}",
            self.name(),
            held.copy.len(),
            rows.len(),
            other(&rows, &held.copy),
            other(&held.copy, &rows)
        )
    }

    /// What queries show at a node; none of it, if they are refused. `None`: no answer.
    async fn asked(&self, run: &Run, url: &str) -> Option<Option<Rows>> {
        let mut rows = Rows::new();
        for part in self.topic.parts {
            let (mut after, filter) = (String::new(), self.topic.filter);
            let filter = if filter.is_empty() { String::new() } else { format!(", filter: {filter}") };
            loop {
                let document = format!(
                    "{{ {}(first: 500{after}{filter}) {{ nodes {{ id {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
                    part.list,
                    part.fields.join(" ")
                );
                let answer = run.ask(url, self.seat, self.place, &json!({ "query": document })).await?;
                match answer["errors"][0]["extensions"]["code"].as_str() {
                    None => {}
                    Some("GRAPHQL_VALIDATION_FAILED" | "UNAUTHENTICATED" | "FORBIDDEN") => return Some(None),
                    Some(_) => return None,
                }
                let page = &answer["data"][part.list];
                for node in page["nodes"].as_array()? {
                    rows.insert(node["id"].as_str()?.to_owned(), node.clone());
                }
                if page["pageInfo"]["hasNextPage"] == false {
                    break;
                }
                after = format!(", after: {}", page["pageInfo"]["endCursor"]);
            }
        }
        Some(Some(rows))
    }
}

/// One event into the copy.
fn take(run: &Run, held: &mut Held, event: &Value) -> Result<(), String> {
    let cursor = event["cursor"].as_str().ok_or_else(|| format!("no event: {event}"))?;
    held.cursor = Some(cursor.to_owned());
    let kind = event["kind"].as_str().unwrap_or_default();
    if kind == "CHECKPOINT" {
        held.checkpoints += 1;
        return Ok(());
    }
    held.checkpoints = 0;
    run.counts.add(&run.counts.events, 1);
    if kind == "GAP" {
        run.counts.lost(event["reason"].as_str().unwrap_or_default());
        held.copy.clear();
        return Ok(());
    }
    let id = event["id"].as_str().ok_or_else(|| format!("no id: {event}"))?.to_owned();
    let node = &event["node"];
    match kind {
        "ENTERED" => {
            if node["id"] != id.as_str() {
                return Err(format!("another node: {event}"));
            }
            if let Some(before) = held.copy.insert(id, node.clone()) {
                return Err(format!("entered twice: {event}, held {before}"));
            }
        }
        "CHANGED" => {
            let before = held.copy.insert(id, node.clone());
            let Some(before) = before else { return Err(format!("changed unseen: {event}")) };
            let changed = event["changedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
            let shown = |name: &Value| node.get(name.as_str().unwrap_or_default()).is_some();
            if changed.is_empty() || before == *node && changed.iter().all(shown) {
                return Err(format!("nothing changed: {event}, held {before}"));
            }
        }
        "LEFT" | "DELETED" => {
            if held.copy.remove(&id).is_none() {
                return Err(format!("left unseen: {event}"));
            }
        }
        _ => return Err(format!("unknown: {event}")),
    }
    Ok(())
}
