//! Which media type the answer takes: what the client ranks highest of what is on offer, by RFC 9110.

use axum::http::{HeaderMap, header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    GraphqlResponse,
    /// For clients that do not know the other; GraphQL over HTTP calls them legacy.
    Json,
    /// An event for each answer.
    EventStream,
    /// The page, for people.
    Html,
    /// Lines of JSON, by either name: none of the two is registered, and clients ask for both.
    Lines,
    JsonLines,
}

impl Media {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Media::Json => "application/json; charset=utf-8",
            Media::EventStream => "text/event-stream; charset=utf-8",
            Media::Html => "text/html; charset=utf-8",
            Media::Lines => "application/x-ndjson",
            Media::JsonLines => "application/jsonl",
        }
    }

    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Media::GraphqlResponse => ("application", "graphql-response+json"),
            Media::Json => ("application", "json"),
            Media::EventStream => ("text", "event-stream"),
            Media::Html => ("text", "html"),
            Media::Lines => ("application", "x-ndjson"),
            Media::JsonLines => ("application", "jsonl"),
        }
    }
}

/// What answers are offered in, the one that is preferred when the client has no opinion first.
pub(super) const ANSWERS: &[Media] = &[Media::GraphqlResponse, Media::Json, Media::EventStream];
pub(super) const ANSWERS_AND_PAGE: &[Media] = &[Media::GraphqlResponse, Media::Json, Media::EventStream, Media::Html];

/// Of a feed. The first is what tools know.
pub(super) const LINES: &[Media] = &[Media::Lines, Media::JsonLines];

/// The offer that the client ranks highest; among equals the one it names most closely, then the one it
/// names first, then the first offered. `None` if it takes none of them.
pub(super) fn negotiate(headers: &HeaderMap, offers: &[Media]) -> Option<Media> {
    let mut sent = headers.get_all(header::ACCEPT).iter().peekable();
    if sent.peek().is_none() {
        return offers.first().copied();
    }
    let ranges: Vec<Range> = sent
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .enumerate()
        .filter_map(|(place, text)| Range::read(text, place))
        .collect();
    if ranges.is_empty() {
        return offers.first().copied();
    }
    let ranked = offers.iter().enumerate().filter_map(|(offered, media)| {
        // the closest range decides for a type, whatever a wider one says
        let range = ranges.iter().filter(|range| range.covers(*media)).max_by_key(|range| range.closeness())?;
        let earlier = std::cmp::Reverse((range.place, offered));
        (range.quality > 0).then_some(((range.quality, range.closeness(), earlier), *media))
    });
    ranked.max_by_key(|(rank, _)| *rank).map(|(_, media)| media)
}

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
    place: usize,
}

impl<'a> Range<'a> {
    fn read(text: &'a str, place: usize) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("q") {
                quality = thousandths(value)?;
            } else if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
                return None;
            }
        }
        Some(Range { kind, subtype, quality, place })
    }

    fn covers(&self, media: Media) -> bool {
        let (kind, subtype) = media.parts();
        let same = |range: &str, own: &str| range == "*" || range.eq_ignore_ascii_case(own);
        same(self.kind, kind) && same(self.subtype, subtype)
    }

    fn closeness(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }
}

/// A weight: `0`, `1`, or up to three digits between.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn pick(accept: &[&'static str], offers: &[Media]) -> Option<Media> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        negotiate(&headers, offers)
    }

    #[test]
    fn the_client_decides() {
        use Media::{EventStream, GraphqlResponse, Json};
        for (accept, media) in [
            ("application/graphql-response+json", Some(GraphqlResponse)),
            ("application/json", Some(Json)),
            ("APPLICATION/JSON; charset=UTF-8", Some(Json)),
            ("application/json; charset=\"utf-8\"", Some(Json)),
            ("application/json, application/graphql-response+json", Some(Json)),
            ("application/graphql-response+json, application/json;q=0.9", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.5, application/json;q=0.51", Some(Json)),
            ("application/graphql-response+json;q=0, */*", Some(Json)),
            ("application/json, */*", Some(Json)),
            ("application/json, */*;q=0.1", Some(Json)),
            ("*/*", Some(GraphqlResponse)),
            ("application/*", Some(GraphqlResponse)),
            ("", Some(GraphqlResponse)),
            ("text/html", None),
            ("text/event-stream", Some(EventStream)),
            ("text/event-stream, application/json;q=0.9", Some(EventStream)),
            ("application/json, text/event-stream", Some(Json)),
            ("text/*", Some(EventStream)),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("application/json; charset=latin1", Some(GraphqlResponse)),
            ("text/plain, application/json; charset=latin1", None),
        ] {
            assert_eq!(pick(&[accept], ANSWERS), media, "{accept}");
        }
        assert_eq!(pick(&[], ANSWERS), Some(GraphqlResponse));
        assert_eq!(pick(&["text/plain", "application/json"], ANSWERS), Some(Json));
    }

    #[test]
    fn a_browser_gets_the_page_and_a_client_does_not() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert_eq!(pick(&[browser], ANSWERS_AND_PAGE), Some(Media::Html));
        for client in ["*/*", "application/json, text/plain, */*", "application/json,text/html;q=0.5"] {
            assert_ne!(pick(&[client], ANSWERS_AND_PAGE), Some(Media::Html), "{client}");
        }
    }
}
