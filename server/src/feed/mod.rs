//! The live feed. A door knows two things of it: the [`Source`] that it asks for a subscription, and the
//! [`Subscription`] that it empties.

mod copy;
mod difference;
mod group;
mod member;
mod now;
mod subscription;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::time;

pub use now::now;
pub use subscription::{Bounds, End, Event, Sent, Subscriber, Subscription, subscription};

use self::{
    copy::Mark,
    difference::Desk,
    group::{Begin, Group, Key},
};
use crate::{
    access::{Caller, View},
    app::App,
    audit::{Action, Delivered},
    error::{Error, Result},
    graphql::{
        Answer, Refused, Request,
        subscription::{Question, Start},
    },
};

/// Where subscriptions come from.
pub trait Source: Send + Sync {
    /// Refuses with an answer that says why, as a query is refused.
    fn open(&self, app: Arc<App>, asked: Asked) -> BoxFuture<'static, std::result::Result<Subscription, Answer>>;

    /// Until what was handed out is in the access log, when nobody subscribes any more.
    fn settled(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// A document whose operation is a subscription, and who sends it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub caller: Arc<Caller>,
    pub request: Request,
    /// The last event that the client has, by its id: goes before what the document says of it, since a client
    /// that connects again sends the same document.
    pub last_event: Option<String>,
    /// Unless as much may wait as for others.
    pub bounds: Option<Bounds>,
}

/// How often it is looked whether groups are over, when the hub stops.
const SETTLING: Duration = Duration::from_millis(20);

/// The groups of this hub.
#[derive(Default)]
pub struct Feed(Arc<Mutex<HashMap<Key, Arc<Group>>>>);

impl Source for Feed {
    fn open(&self, app: Arc<App>, asked: Asked) -> BoxFuture<'static, std::result::Result<Subscription, Answer>> {
        let groups = Feed(self.0.clone());
        Box::pin(async move { groups.subscribe(&app, asked).await.map_err(Answer::from) })
    }

    fn settled(&self) -> BoxFuture<'static, ()> {
        let groups = self.0.clone();
        Box::pin(async move {
            while !groups.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                time::sleep(SETTLING).await;
            }
        })
    }
}

impl Feed {
    async fn subscribe(&self, app: &Arc<App>, asked: Asked) -> std::result::Result<Subscription, Refused> {
        let Asked { caller, mut request, last_event, bounds } = asked;
        let (view, question, start) = match app.graphql.question(app, &caller, &mut request).await {
            // what is not shown any more is taken back from whoever holds it
            Err(refused) if refused.is_of_request() => {
                let cursor = last_event.clone().or_else(|| app.graphql.cursor(&request));
                let former = match cursor {
                    Some(cursor) => former(app, &caller, &cursor).await?,
                    None => None,
                };
                let Some(view) = former else { return Err(refused) };
                match app.graphql.question_in(app, &view, &mut request).await {
                    Ok((question, start)) => (view, question, start),
                    Err(_) => return Err(refused),
                }
            }
            found => found?,
        };
        let start = last_event.map_or(start, Start::After);
        let codec = app.graphql.codec(view.seat.organisation);
        let watch = question.watch(&view, app.gate.dialect(), &codec, app.graphql.limits())?;
        let key = key(&view, &caller, &question, watch.personal);
        let subject = subject(&key, &question);
        let begin = match start {
            Start::Snapshot => Begin::Snapshot,
            Start::Now => Begin::Now,
            Start::After(text) => {
                let mark = Mark::open(&text, &subject, &codec);
                // nothing is told of the log: a position that is not there yet is as wrong as any other text
                let head = app.gate.head().await?.0;
                let mark = mark.filter(|mark| mark.positions().1 <= head).ok_or_else(bad_cursor)?;
                // behind a GAP nothing is held: it is not told again
                if mark.is_empty() { Begin::Snapshot } else { Begin::After(mark) }
            }
        };
        // so that nobody gets around a budget that is spent by coming again for each row
        app.budgets.spend(caller.principal, view.budget(&caller, app.clock.now()), 1)?;
        // before anything is handed out; how many rows were is noted as it goes on
        app.audit.record((&*caller).into(), Action::Subscribe, &watch.reads, |_| Delivered::default())?;
        let bounds = bounds.unwrap_or_else(|| Bounds::from(&app.config.streams));
        let (subscriber, subscription) = subscription(bounds);
        let (group, member) = self.enter(app, key, Desk { question, subject, codec }, caller, subscriber);
        tokio::spawn(group.join(Arc::downgrade(app), member, begin));
        Ok(subscription)
    }

    /// The group of those who ask the same, made by the first.
    fn enter(
        &self,
        app: &Arc<App>,
        key: Key,
        desk: Desk,
        caller: Arc<Caller>,
        subscriber: Subscriber,
    ) -> (Arc<Group>, member::Member) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&key) {
            return (group.clone(), group.member(app, caller, subscriber));
        }
        let group = Arc::new(Group::new(key.clone(), desk));
        let member = group.member(app, caller, subscriber);
        groups.insert(key.clone(), group.clone());
        let all = self.0.clone();
        let users = group.clone();
        tokio::spawn(group.clone().keep(Arc::downgrade(app), move || {
            let mut groups = all.lock().unwrap_or_else(PoisonError::into_inner);
            let over = users.users.load(Ordering::Acquire) == 0;
            if over {
                groups.remove(&users.key);
            }
            over
        }));
        (group, member)
    }
}

/// The view through which the owner of a cursor was shown what it holds; `None`: it is not known, or nothing is held.
pub async fn former(app: &App, caller: &Caller, cursor: &str) -> Result<Option<Arc<View>>> {
    let view = app.gate.view(caller, app.clock.now()).await?;
    let mark = Mark::unseal(cursor, &app.graphql.codec(view.seat.organisation));
    let Some((_, mark)) = mark else { return Ok(None) };
    let Some((position, at)) = mark.oldest() else { return Ok(None) };
    if position < app.gate.oldest().await? || mark.positions().1 > app.gate.head().await?.0 {
        return Ok(None);
    }
    app.gate.former_view(caller, mark.policies, position, at).await
}

fn key(view: &View, caller: &Caller, question: &Question, personal: bool) -> Key {
    let place =
        caller.place.as_ref().map(|place| (caller.seat.organisation, caller.seat.role.clone(), place.principal));
    Key {
        organisation: view.seat.organisation,
        role: view.seat.role.clone(),
        person: (personal || place.is_some()).then_some(caller.principal),
        place,
        text: question.text.clone(),
    }
}

/// What a cursor is good for: this seat, and what is followed. Not the fields of the node, which may change.
fn subject(key: &Key, question: &Question) -> [u8; 16] {
    let place = key.place.as_ref().map(|(organisation, role, person)| format!("{organisation} {role} {person}"));
    let text = format!("{} {} {}", key.organisation, key.role, place.unwrap_or_default());
    let digest = Sha256::new().chain_update(text).chain_update([0]).chain_update(question.subject).finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

fn bad_cursor() -> Error {
    Error::input(
        "`after` is no cursor of this subscription; use one that the same seat got for the same rows, or leave it out to start over",
    )
}
