//! GraphiQL: from the binary, without a token, without data and without anybody else's server.

use reqwest::{Method, header::ACCEPT};

use crate::harness::{Hub, Reply, send, tests};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

tests! {
    reading: the_page_comes_from_the_binary, the_page_is_the_same_for_everybody, a_person_is_led_to_the_page;
}

async fn browse(hub: &Hub, path: &str) -> Reply {
    send(hub.request(Method::GET, path).header(ACCEPT, BROWSER)).await
}

/// What stands in `src="…"` and `href="…"`.
fn links(page: &str) -> Vec<&str> {
    let parts = page.split(['"', '\'']).collect::<Vec<_>>();
    let named = |text: &&str| text.ends_with("src=") || text.ends_with("href=");
    parts.windows(2).filter(|pair| named(&pair[0])).map(|pair| pair[1]).collect()
}

async fn the_page_comes_from_the_binary(hub: Hub) {
    let page = browse(&hub, "/graphql").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{policy}");
    let links = links(&page.text);
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        assert!(link.starts_with("/graphiql/"), "`{link}` is on another server");
        let asset = browse(&hub, link).await;
        let kind = match link.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((asset.status, asset.header("content-type")), (200, kind), "{link}");
        assert!(!asset.text.is_empty());
    }
    // a script in the page itself would not run under the policy
    assert!(!page.text.contains("<script>"));
}

async fn the_page_is_the_same_for_everybody(hub: Hub) {
    let stranger = browse(&hub, "/graphql").await;
    let token = hub.token("nordwind/admin").await;
    let known = send(hub.request(Method::GET, "/graphql").header(ACCEPT, BROWSER).bearer_auth(token)).await;
    assert_eq!(stranger.text, known.text);
    // a query in its address is not executed for it
    let asked = browse(&hub, "/graphql?query=%7Bviewer%7Brole%7D%7D").await;
    assert_eq!(stranger.text, asked.text);
    for word in ["Nordwind", "customer", "supplier"] {
        assert!(!stranger.text.contains(word), "{word}");
    }
}

async fn a_person_is_led_to_the_page(hub: Hub) {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let reply = client.get(format!("{}/", hub.url())).header(ACCEPT, BROWSER).send().await.unwrap();
    assert_eq!(reply.status(), 307);
    assert_eq!(reply.headers()["location"], "/graphql");
    // a program is not
    assert_eq!(send(hub.request(Method::GET, "/").header(ACCEPT, "*/*")).await.status, 401);
    assert_eq!(browse(&hub, "/graphiql/none.js").await.status, 401);
}
