//! One subscription between the feed and a door: a bounded queue of answers that all members of a group
//! share. Empty, it costs some hundred bytes, and nobody ever waits for the other side.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use axum::body::Bytes;
use tokio::sync::Notify;

use crate::{config::Streams, error::Error};

/// One event as every member of its group gets it.
#[derive(Debug)]
pub struct Event {
    /// The cursor behind it: an event stream hands it out as the event's id.
    pub id: Option<Box<str>>,
    /// A whole GraphQL response, `{"data":{…}}`.
    pub body: Bytes,
    /// When it was found to be so.
    pub made: Instant,
}

impl Event {
    pub fn new(id: Option<Box<str>>, body: impl Into<Bytes>) -> Self {
        Event { id, body: body.into(), made: Instant::now() }
    }
}

/// Why nothing more comes.
#[derive(Clone, Debug)]
pub enum End {
    Completed,
    /// Told to the client with its code, such as that its right has ended.
    Failed(Arc<Error>),
}

/// How much may wait for a slow reader.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub messages: usize,
    pub bytes: usize,
    /// Events in all, for a reader that wants no more.
    pub total: usize,
}

impl From<&Streams> for Bounds {
    fn from(streams: &Streams) -> Self {
        Bounds { messages: streams.buffer_messages, bytes: streams.buffer_bytes, total: usize::MAX }
    }
}

impl Bounds {
    /// The first one is always taken, however large: it could never be delivered otherwise.
    fn is_full(self, load: Load, event: &Event) -> bool {
        let full = load.waiting >= self.messages || load.bytes + event.body.len() > self.bytes;
        full && load.waiting > 0 || load.sent >= self.total
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Taken,
    /// The reader is too slow. Nothing was taken, and what waits stays in order.
    Full,
    /// Nobody reads any more.
    Gone,
}

pub fn subscription(bounds: Bounds) -> (Subscriber, Subscription) {
    let shared = Arc::new(Shared { bounds, queue: Mutex::default(), drained: Notify::new() });
    (Subscriber(shared.clone()), Subscription(shared))
}

struct Shared {
    bounds: Bounds,
    queue: Mutex<Queue>,
    /// Told when the queue was emptied, or its reader went.
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Events so far.
    sent: usize,
    end: Option<End>,
    gone: bool,
    reader: Option<Waker>,
}

/// What a queue has to bear.
#[derive(Clone, Copy)]
struct Load {
    waiting: usize,
    bytes: usize,
    sent: usize,
}

impl Queue {
    fn load(&self) -> Load {
        Load { waiting: self.waiting.len(), bytes: self.bytes, sent: self.sent }
    }
}

/// Room that an emptied queue keeps; after a burst it gives the rest back.
const KEPT: usize = 16;

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All in one hand: the reader is woken once.
    fn put<'a>(&self, events: impl IntoIterator<Item = &'a Arc<Event>>, end: Option<End>) -> Sent {
        let mut queue = self.queue();
        if queue.gone || queue.end.is_some() {
            return Sent::Gone;
        }
        let mut sent = Sent::Taken;
        for event in events {
            if self.bounds.is_full(queue.load(), event) {
                sent = Sent::Full;
                break;
            }
            queue.bytes += event.body.len();
            queue.sent += 1;
            queue.waiting.push_back(event.clone());
        }
        queue.end = end;
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        sent
    }
}

/// The feed's side.
pub struct Subscriber(Arc<Shared>);

impl Subscriber {
    pub fn send(&self, event: &Arc<Event>) -> Sent {
        self.send_all([event])
    }

    /// As far as there is [`Subscriber::room`].
    pub fn send_all<'a>(&self, events: impl IntoIterator<Item = &'a Arc<Event>>) -> Sent {
        self.0.put(events, None)
    }

    /// How many of these there is room for, and what sending all would come to. Only the reader changes it meanwhile, so
    /// there cannot be less.
    pub fn room<'a>(&self, events: impl IntoIterator<Item = &'a Arc<Event>>) -> (usize, Sent) {
        let queue = self.0.queue();
        if queue.gone || queue.end.is_some() {
            return (0, Sent::Gone);
        }
        let (mut load, mut room) = (queue.load(), 0);
        for event in events {
            if self.0.bounds.is_full(load, event) {
                return (room, Sent::Full);
            }
            load = Load { waiting: load.waiting + 1, bytes: load.bytes + event.body.len(), sent: load.sent + 1 };
            room += 1;
        }
        (room, Sent::Taken)
    }

    /// What waits is still delivered.
    pub fn end(self, end: End) {
        self.0.put([], Some(end));
    }

    pub fn is_gone(&self) -> bool {
        self.0.queue().gone
    }

    /// Until the reader has taken all that waits, and wants more; whether there is a reader.
    pub async fn drained(&self) -> bool {
        loop {
            let told = self.0.drained.notified();
            {
                let queue = self.0.queue();
                if queue.gone || queue.waiting.is_empty() && queue.sent < self.0.bounds.total {
                    return !queue.gone;
                }
            }
            told.await;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // nothing if it has ended
        let lost = Error::unavailable("the feed let go of a subscription");
        self.0.put([], Some(End::Failed(Arc::new(lost))));
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}

/// The door's side. Dropped, it tells the feed.
pub struct Subscription(Arc<Shared>);

impl Subscription {
    /// Moves what waits to `into`, at most about so many bytes and at least one event; `Some` when all was
    /// taken and no more will come. A ready answer of `None` means that something was moved.
    pub fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        into: &mut Vec<Arc<Event>>,
        bytes: usize,
    ) -> Poll<Option<End>> {
        let mut queue = self.0.queue();
        let mut moved = 0;
        while moved < bytes
            && let Some(event) = queue.waiting.pop_front()
        {
            moved += event.body.len().max(1);
            queue.bytes -= event.body.len();
            into.push(event);
        }
        if queue.waiting.is_empty() && queue.waiting.capacity() > KEPT {
            queue.waiting.shrink_to(KEPT);
        }
        if moved > 0 {
            let drained = queue.waiting.is_empty();
            drop(queue);
            if drained {
                self.0.drained.notify_waiters();
            }
            return Poll::Ready(None);
        }
        match &queue.end {
            Some(end) => Poll::Ready(Some(end.clone())),
            None => {
                queue.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.gone = true;
        queue.waiting = VecDeque::new();
        queue.bytes = 0;
        drop(queue);
        self.0.drained.notify_waiters();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const BOUNDS: Bounds = Bounds { messages: 3, bytes: 100, total: usize::MAX };

    fn event(body: &'static str) -> Arc<Event> {
        Arc::new(Event::new(None, body))
    }

    async fn take(subscription: &mut Subscription, bytes: usize) -> (Vec<Bytes>, Option<End>) {
        let mut taken = Vec::new();
        let end = poll_fn(|context| subscription.poll_take(context, &mut taken, bytes)).await;
        (taken.iter().map(|event| event.body.clone()).collect(), end)
    }

    #[tokio::test]
    async fn a_queue_goes_out_at_once_and_then_its_end() {
        let (subscriber, mut subscription) = subscription(BOUNDS);
        for body in ["a", "b", "c"] {
            assert_eq!(subscriber.send(&event(body)), Sent::Taken);
        }
        subscriber.end(End::Completed);
        assert_eq!(take(&mut subscription, 1_000).await.0, ["a", "b", "c"]);
        let (rest, end) = take(&mut subscription, 1_000).await;
        assert!(rest.is_empty() && matches!(end, Some(End::Completed)));
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_once_and_loses_nothing_before() {
        let (subscriber, mut subscription) = subscription(BOUNDS);
        for body in ["a", "b", "c"] {
            subscriber.send(&event(body));
        }
        assert_eq!(subscriber.send(&event("d")), Sent::Full);
        assert_eq!(take(&mut subscription, 2).await.0, ["a", "b"]);
        assert_eq!(take(&mut subscription, 1_000).await.0, ["c"]);
        assert!(subscriber.drained().await);
    }

    #[tokio::test]
    async fn of_many_the_first_are_taken() {
        let (subscriber, mut subscription) = subscription(BOUNDS);
        let events: Vec<_> = ["a", "b", "c", "d"].map(event).into();
        assert_eq!(subscriber.room(&events[..2]), (2, Sent::Taken));
        assert_eq!(subscriber.send_all(&events[..2]), Sent::Taken);
        assert_eq!(subscriber.room(&events[2..]), (1, Sent::Full));
        assert_eq!(subscriber.send_all(&events[2..]), Sent::Full);
        assert_eq!(subscriber.room(&events[3..]), (0, Sent::Full));
        assert_eq!(take(&mut subscription, 1_000).await.0, ["a", "b", "c"]);
        drop(subscription);
        assert_eq!(subscriber.room(&events), (0, Sent::Gone));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_for_the_first() {
        let (subscriber, _subscription) = subscription(Bounds { messages: 10, bytes: 3, ..BOUNDS });
        assert_eq!(subscriber.send(&event("longer")), Sent::Taken);
        assert_eq!(subscriber.send(&event("a")), Sent::Full);
    }

    #[tokio::test]
    async fn who_wants_no_more_is_sent_no_more() {
        let (subscriber, mut subscription) = subscription(Bounds { total: 2, ..BOUNDS });
        for body in ["a", "b"] {
            assert_eq!(subscriber.send(&event(body)), Sent::Taken);
        }
        assert_eq!(take(&mut subscription, 1_000).await.0, ["a", "b"]);
        assert_eq!(subscriber.send(&event("c")), Sent::Full);
        let waits = tokio::spawn(async move { subscriber.drained().await });
        drop(subscription);
        assert!(!waits.await.expect("ended"));
    }

    #[tokio::test]
    async fn each_side_learns_that_the_other_went() {
        let (subscriber, reader) = subscription(BOUNDS);
        subscriber.send(&event("a"));
        let waits = tokio::spawn(async move { (subscriber.drained().await, subscriber) });
        drop(reader);
        let (reads, subscriber) = waits.await.expect("ended");
        assert!(!reads && subscriber.is_gone());
        assert_eq!(subscriber.send(&event("b")), Sent::Gone);

        let (subscriber, mut reader) = subscription(BOUNDS);
        let waits = tokio::spawn(async move { take(&mut reader, 1).await });
        drop(subscriber);
        assert!(matches!(waits.await.expect("ended").1, Some(End::Failed(_))));
    }
}
