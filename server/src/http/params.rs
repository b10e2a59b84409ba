//! The parameters of a GraphQL request, out of a JSON body or a URL. A good request is read in one pass;
//! a bad one a second time, to say what is wrong with it.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    graphql,
};

/// Other members are ignored: they are reserved for what the protocol may become.
#[derive(Deserialize)]
struct Body {
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    #[expect(dead_code, reason = "must be a map, and is for nobody here")]
    extensions: Option<HashMap<String, IgnoredAny>>,
}

pub(super) fn from_json(body: &[u8]) -> Result<graphql::Request> {
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Err(what_is_wrong(body)) };
    Ok(graphql::Request {
        query: body.query,
        operation_name: body.operation_name.filter(|name| !name.is_empty()),
        variables: body.variables.unwrap_or_default(),
        method_get: false,
    })
}

/// `?query=…&operationName=…&variables={…}`
pub(super) fn from_url(text: &str) -> Result<graphql::Request> {
    let mut found: HashMap<Cow<'_, str>, Cow<'_, str>> = HashMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if found.contains_key(&name) {
            return Err(Error::input(format!("parameter `{name}` is given twice")));
        }
        found.insert(name, value);
    }
    let mut take = |name: &str| found.remove(name).filter(|value| !value.is_empty());
    let query = take("query").ok_or_else(|| Error::input("the URL has no `query`: send `?query=…`, or a POST"))?;
    let operation_name = take("operationName").map(Cow::into_owned);
    let mut map = |name| take(name).map_or_else(|| Ok(Map::new()), |text| read_map(name, &text));
    let variables = map("variables")?;
    map("extensions")?;
    Ok(graphql::Request { query: query.into_owned(), operation_name, variables, method_get: true })
}

fn read_map(name: &str, text: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Some(map)) => Ok(map),
        Ok(None) => Ok(Map::new()),
        Err(_) => Err(Error::input(format!("`{name}` is no JSON object"))),
    }
}

fn what_is_wrong(body: &[u8]) -> Error {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        // the reader has no other name for it
        Err(cause) if cause.to_string().starts_with("recursion limit") => {
            return Error::input("the body is nested too deeply, write it flatter, at most 100 levels deep");
        }
        Err(cause) => {
            let at = format!("line {} column {}", cause.line(), cause.column());
            return Error::input(format!("the body is no JSON at {at}"));
        }
    };
    let Value::Object(members) = value else {
        let batch = if value.is_array() { ", one request at a time" } else { "" };
        return Error::input(format!("the body must be a JSON object with `query`{batch}"));
    };
    let kept = |name: &str| members.get(name).filter(|value| !value.is_null());
    Error::input(match (kept("query"), kept("operationName"), kept("variables"), kept("extensions")) {
        (None, ..) => "the body has no `query`",
        (Some(query), ..) if !query.is_string() => "`query` must be a string",
        (_, Some(name), ..) if !name.is_string() => "`operationName` must be a string",
        (_, _, Some(variables), _) if !variables.is_object() => "`variables` must be an object",
        (_, _, _, Some(extensions)) if !extensions.is_object() => "`extensions` must be an object",
        // what one reading finds and the other does not: a member that is there twice
        _ => "the body has the same member twice",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_body_is_read() {
        let text = r#"{"query":"{a}","operationName":null,"variables":{"b":1},"extensions":{"c":[]},"later":1}"#;
        let request = from_json(text.as_bytes()).expect("good");
        assert_eq!((request.query.as_str(), request.operation_name), ("{a}", None));
        assert_eq!(request.variables["b"], 1);
        assert!(from_json(br#"{"query":"{a}","variables":null,"operationName":""}"#).is_ok());
    }

    #[test]
    fn a_bad_body_says_what_is_wrong() {
        for (body, part) in [
            (&b"NONSENSE"[..], "no JSON"),
            (b"", "no JSON"),
            (br#"{"query":"#, "no JSON"),
            (b"{\"query\":\"\xff\"}", "no JSON"),
            (br#"{"qeury":"{a}"}"#, "no `query`"),
            (br#"{"query":null}"#, "no `query`"),
            (br#"{"query":1}"#, "`query` must be a string"),
            (br#"{"query":"{a}","operationName":1}"#, "`operationName`"),
            (br#"{"query":"{a}","variables":[7]}"#, "`variables`"),
            (br#"{"query":"{a}","variables":"{}"}"#, "`variables`"),
            (br#"{"query":"{a}","extensions":0}"#, "`extensions`"),
            (br#"{"query":"{a}","query":"{b}"}"#, "twice"),
            (br#"[{"query":"{a}"}]"#, "one request at a time"),
            (b"7", "JSON object"),
        ] {
            let error = from_json(body).expect_err("bad");
            assert!(matches!(&error, Error::Input(text) if text.contains(part)), "{error}");
        }
    }

    #[test]
    fn a_url_carries_the_same() {
        let request = from_url("query=%7Ba%7D&variables=%7B%22b%22%3A1%7D&operationName=&extensions=").expect("good");
        assert_eq!((request.query.as_str(), request.operation_name, request.method_get), ("{a}", None, true));
        assert_eq!(request.variables["b"], 1);
        for bad in ["", "query=", "q={a}", "query=a&query=b", "query=a&variables=[]", "query=a&extensions=x"] {
            assert!(matches!(from_url(bad), Err(Error::Input(_))), "{bad}");
        }
    }
}
