//! The live feed. A door knows two things of it: the [`Source`] that it asks for a subscription, and the
//! [`Subscription`] that it empties.

mod subscription;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use subscription::{Bounds, End, Event, Sent, Subscriber, Subscription, subscription};

use crate::{
    access::Caller,
    app::App,
    graphql::{Answer, Request},
};

/// Where subscriptions come from.
pub trait Source: Send + Sync {
    /// Refuses with an answer that says why, as a query is refused.
    fn open(&self, app: Arc<App>, asked: Asked) -> BoxFuture<'static, Result<Subscription, Answer>>;
}

/// A document whose operation is a subscription, and who sends it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub caller: Arc<Caller>,
    pub request: Request,
    /// The last event that the client has, by its id: goes before what the document says of it, since a client
    /// that connects again sends the same document.
    pub last_event: Option<String>,
}
