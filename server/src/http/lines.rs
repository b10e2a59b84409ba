//! `/feed/…`, for clients that can do no more than ask: what follows a cursor, as lines of JSON, and in `Link` where to
//! go on. If there is nothing yet the answer waits a while. Behind each request is a subscription like any other, which
//! is let go of when the page is full.

use std::{borrow::Cow, collections::HashMap, future::poll_fn, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::Value;
use tokio::time::{self, Instant};

use super::{
    accept::{self, Media},
    caller,
    connections::Notice,
    graphql::{deliver, refused},
    origin, reply,
};
use crate::{
    access::Caller,
    app::App,
    error::{Code, Error, Result},
    feed::{self, Bounds, End},
    graphql::{Answer, AnswerStatus, Refused, lines},
};

const METHODS: &str = "GET, HEAD";
/// Errors are written as at the other doors.
const ERRORS: Media = Media::Json;
/// Seconds to wait for something to happen, if nobody says, and at most: proxies give up after a minute.
const WAIT: u64 = 20;
const LONGEST: u64 = 55;

/// The name of the feed at this path.
pub(super) fn feed(path: &str) -> Option<String> {
    path.strip_prefix("/feed/").filter(|name| lines::is_feed(name)).map(str::to_owned)
}

pub(super) async fn handle(app: Arc<App>, feed: String, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let origin = origin::of(&parts, &app.config.http.trusted_proxies);
    let caller = match app.tokens.caller(&parts.headers, origin, app.clock.now()) {
        Ok(caller) => caller,
        Err(error) => return reply::unauthenticated(ERRORS, &error),
    };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let error = Error::input(format!("`{}` is not served here, send GET", parts.method));
        return reply::not_allowed(ERRORS, METHODS, &error);
    }
    let Some(media) = accept::negotiate(&parts.headers, accept::LINES) else {
        let error = Error::input("answers are `application/x-ndjson` or `application/jsonl`: accept one of them");
        return reply::refused(ERRORS, StatusCode::NOT_ACCEPTABLE, &error);
    };
    match answer(&app, caller, feed, &parts, media).await {
        Ok(response) => response,
        Err(Stop::Error(error)) if error.code() == Code::NotFound => {
            reply::refused(ERRORS, StatusCode::NOT_FOUND, &error)
        }
        Err(Stop::Error(error)) => refused(ERRORS, &error),
        Err(Stop::Answer(answer)) if answer.status == AnswerStatus::RequestError => {
            reply::send(ERRORS, StatusCode::BAD_REQUEST, answer.body)
        }
        Err(Stop::Answer(answer)) => deliver(ERRORS, answer),
    }
}

/// Why there are no lines.
enum Stop {
    Error(Error),
    /// Of the feed.
    Answer(Answer),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl Stop {
    fn told(error: &Error) -> Self {
        Stop::Answer(Refused::from(error).into())
    }
}

async fn answer(
    app: &Arc<App>,
    caller: Arc<Caller>,
    feed: String,
    parts: &Parts,
    media: Media,
) -> std::result::Result<Response, Stop> {
    let asked = Asked::read(feed, parts.uri.query().unwrap_or_default(), app.graphql.limits().page_max)?;
    let caller = caller::in_place(app, caller, &parts.headers).await?;
    let mut guest = app.connections.admit(app, &caller).await?;
    let view = app.gate.view(&caller, app.clock.now()).await?;
    let mut request = asked.lines.request(&view.class);
    drop(view);
    if let (Ok(None) | Err(_), Some(after)) = (&request, &asked.after)
        // what is not shown any more is taken back from whoever holds it
        && let Some(former) = feed::former(app, &caller, after).await?
    {
        request = asked.lines.request(&former.class);
    }
    let request = request?.ok_or_else(|| Error::not_found("there is nothing at this path"))?;
    if parts.method == Method::HEAD {
        return Ok(reply::send(media, StatusCode::OK, ""));
    }
    let usual = Bounds::from(&app.config.streams);
    // no more than is shown is rendered and paid for, but for the word that all was told
    let total = asked.limit + 1;
    let bounds = Bounds { messages: usual.messages.min(total), total, ..usual };
    let last_event = asked.after.clone();
    let opening = feed::Asked { caller, request, last_event, bounds: Some(bounds) };
    let source = app.feed.load_full().ok_or_else(|| Error::unavailable("there is no feed"))?;
    let mut subscription = source.open(app.clone(), opening).await.map_err(Stop::Answer)?;

    let mut page = Page { text: Vec::new(), count: 0, cursor: asked.after.clone(), complete: false };
    let (mut until, mut taken) = (None, 0);
    while page.count < asked.limit && taken < total && page.text.len() < usual.bytes {
        if page.complete && page.count > 0 {
            break;
        }
        let until = match page.complete {
            true => Some(*until.get_or_insert_with(|| Instant::now() + asked.wait)),
            false => None,
        };
        let mut events = Vec::new();
        let end = tokio::select! {
            // first: behind the end of a right nothing is handed out
            biased;
            notice = guest.told() => match notice {
                Notice::Stopping => break,
                Notice::Refused(error) => return Err(Stop::told(&error)),
            },
            end = poll_fn(|context| subscription.poll_take(context, &mut events, usize::MAX)) => end,
            () = async { time::sleep_until(until.unwrap_or_else(Instant::now)).await }, if until.is_some() => break,
        };
        taken += events.len();
        for event in &events {
            if page.count < asked.limit {
                page.take(event)?;
            }
        }
        match end {
            None => {}
            Some(End::Completed) => break,
            Some(End::Failed(error)) => match error.code() {
                Code::Unauthenticated | Code::Forbidden => return Err(Stop::told(&error)),
                _ if page.count > 0 => break,
                // the fields were chosen here, and are chosen anew when the client comes again
                Code::GraphqlValidationFailed if asked.lines.fields.is_none() => break,
                _ => return Err(Stop::told(&error)),
            },
        }
    }
    Ok(page.response(media, &asked)?)
}

/// What a request says.
struct Asked {
    lines: lines::Asked,
    after: Option<String>,
    wait: Duration,
    limit: usize,
    /// As it was said, but for where to begin.
    again: Vec<(String, String)>,
}

impl Asked {
    fn read(feed: String, query: &str, most: usize) -> Result<Self> {
        let mut found: HashMap<Cow<'_, str>, Cow<'_, str>> = HashMap::new();
        let mut again = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !matches!(&*name, "after" | "from") {
                again.push((name.to_string(), value.to_string()));
            }
            if found.insert(name.clone(), value).is_some() {
                return Err(Error::input(format!("parameter `{name}` is given twice")));
            }
        }
        let mut take = |name: &str| found.remove(name).map(Cow::into_owned);
        let after = take("after");
        let wait = number("wait", take("wait"), WAIT, 0, LONGEST)?;
        let limit = number("limit", take("limit"), most as u64, 1, most as u64)?;
        let filter = match take("filter").map(|text| serde_json::from_str(&text)) {
            None => None,
            Some(Ok(Value::Object(filter))) => Some(filter),
            Some(_) => return Err(Error::input("`filter` is no JSON object")),
        };
        let lines = lines::Asked { feed, types: take("types"), fields: take("fields"), filter, from: take("from") };
        if let Some(from) = lines.from.as_deref().filter(|from| !matches!(*from, "NOW" | "SNAPSHOT")) {
            return Err(Error::input(format!("`from` is `{from}`, give `NOW` or `SNAPSHOT`")));
        }
        if after.is_some() && lines.from.is_some() {
            return Err(Error::input("give `after` or `from`, not both"));
        }
        match found.keys().min() {
            Some(name) => Err(Error::input(format!(
                "there is no parameter `{name}`; there are `after`, `from`, `wait`, `limit`, `types`, `fields` and `filter`"
            ))),
            None => Ok(Asked { lines, after, wait: Duration::from_secs(wait), limit: limit as usize, again }),
        }
    }

    /// Where to go on behind this cursor.
    fn next(&self, cursor: &str) -> Result<HeaderValue> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", cursor).extend_pairs(&self.again);
        let link = format!("</feed/{}?{}>; rel=\"next\"", self.lines.feed, query.finish());
        HeaderValue::try_from(link).map_err(|cause| Error::internal(cause.to_string()))
    }
}

fn number(name: &str, given: Option<String>, usual: u64, least: u64, most: u64) -> Result<u64> {
    let Some(given) = given else { return Ok(usual) };
    let number = given.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| Error::input(format!("`{name}` is `{given}`, give a whole number from {least} to {most}")))
}

/// The lines of an answer.
struct Page {
    text: Vec<u8>,
    count: usize,
    /// Behind what is in it.
    cursor: Option<String>,
    /// All was told that there is.
    complete: bool,
}

impl Page {
    fn take(&mut self, event: &feed::Event) -> Result<()> {
        let begun = self.text.len();
        let checkpoint = lines::write(event, &mut self.text)?;
        // alone it says no more than an answer without lines
        if checkpoint && self.count == 0 {
            self.text.truncate(begun);
        } else {
            self.count += 1;
        }
        self.complete = checkpoint || self.complete;
        if let Some(id) = &event.id {
            self.cursor = Some(id.to_string());
        }
        Ok(())
    }

    fn response(self, media: Media, asked: &Asked) -> Result<Response> {
        // the hub stops before there was anything to go on from
        let cursor = self.cursor.ok_or_else(|| Error::unavailable("the feed has not begun"))?;
        let mut response = match self.count {
            0 => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            _ => reply::send(media, StatusCode::OK, self.text),
        };
        response.headers_mut().insert(header::LINK, asked.next(&cursor)?);
        Ok(response)
    }
}
