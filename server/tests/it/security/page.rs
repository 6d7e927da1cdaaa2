//! Checks 62 to 65, as far as they show on the wire. What a browser makes of it: `web/e2e`.

use super::exchange;
use crate::harness::{PASSWORD, TestServer};
use reqwest::header::HeaderMap;
use serde_json::json;

#[tokio::test]
async fn check_62_the_page_may_load_what_is_here_and_nothing_else() {
    let server = TestServer::start().await;
    let base = format!("http://{}", server.address);
    let page = reqwest::get(&base).await.unwrap();
    let headers = page.headers().clone();
    let html = page.text().await.unwrap();
    let policy = headers["content-security-policy"].to_str().unwrap();
    let directives: Vec<(&str, &str)> =
        policy.split(';').map(|part| part.trim().split_once(' ').unwrap_or((part.trim(), ""))).collect();
    let mut needed = vec![
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
        ("connect-src", "'self'"),
        ("base-uri", "'none'"),
        ("form-action", "'none'"),
        ("frame-ancestors", "'none'"),
        ("require-trusted-types-for", "'script'"),
        ("trusted-types", "'none'"),
    ];
    needed.retain(|directive| !directives.contains(directive));
    assert!(needed.is_empty(), "{needed:?} in {policy}");
    for word in ["unsafe", "*", "http:", "https:", "data:", "blob:"] {
        assert!(!policy.contains(word), "{word} in {policy}");
    }
    // Nothing that the policy would have to forbid: scripts and styles are files.
    for script in html.split("<script").skip(1) {
        assert!(script.contains(" src=\"/page/") && script.contains("></script>"), "{script:.80}");
    }
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    for path in ["/", "/page/main.js", "/page/style.css", "/page/icon.svg", "/page/manifest.webmanifest"] {
        let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
        for (name, value) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers()[name], value, "{path}");
        }
    }
    // Only what is part of the program, however it is asked for.
    for path in ["/page/../Cargo.toml", "/page/%2e%2e%2fCargo.toml", "/page//etc/passwd", "/page/.", "/page/"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    server.stop().await;
}

/// No answer says that another page may read it.
fn assert_not_shared(headers: &HeaderMap, what: &str) {
    let shared = headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(shared, None, "{what}");
}

#[tokio::test]
async fn check_64_no_other_page_may_read_an_answer_or_send_a_cookie() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let api = server.api();
    let body = json!({"username": "alice", "password": PASSWORD, "cookie": true});
    let answer = api.http.post(format!("{}/auth/login", api.base)).json(&body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let own = format!("http://{}", server.address);
    for origin in [&*own, "https://evil.example", "null"] {
        for path in ["/auth/login", "/auth/refresh", "/me", "/conversations/1/messages"] {
            for method in ["OPTIONS", "GET", "POST"] {
                let request = api.http.request(method.parse().unwrap(), format!("{}{path}", api.base));
                let request =
                    request.header("origin", origin).header("access-control-request-method", "POST");
                let answer = request.header("cookie", &cookie).send().await.unwrap();
                let what = format!("{method} {path} from {origin}");
                assert_not_shared(answer.headers(), &what);
                assert!(method != "OPTIONS" || answer.status() == 405, "{what}");
            }
        }
    }
    // What a form of another page can send: the cookie, but neither the origin nor the type.
    for path in ["/auth/refresh", "/auth/logout"] {
        for (origin, kind, expected) in [
            ("https://evil.example", "application/json", 403),
            ("null", "application/json", 403),
            ("https://evil.example", "text/plain", 415),
            (&*own, "text/plain", 415),
            (&*own, "application/x-www-form-urlencoded", 415),
        ] {
            let request = api.http.post(format!("{}{path}", api.base)).header("cookie", &cookie).body("{}");
            let answer = request.header("origin", origin).header("content-type", kind).send().await.unwrap();
            assert_eq!(answer.status(), expected, "{path} from {origin} as {kind}");
        }
    }
    // The cookie is a credential for the next token and for nothing else.
    let me = api.http.get(format!("{}/me", api.base)).header("cookie", &cookie).header("origin", &own);
    assert_eq!(me.send().await.unwrap().status(), 401);
    let refresh = api.http.post(format!("{}/auth/refresh", api.base)).json(&json!({}));
    let answer = refresh.header("cookie", &cookie).header("origin", &own).send().await.unwrap();
    assert_eq!(answer.status(), 200, "its session is still there");
    server.stop().await;
}

#[tokio::test]
async fn check_64_another_pages_login_leaves_no_cookie_here() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let api = server.api();
    let own = format!("http://{}", server.address);
    let ask = async |path: &str, name: &str, origin: Option<&str>, cookie: bool| {
        let body = json!({"username": name, "password": PASSWORD, "cookie": cookie});
        let mut request = api.http.post(format!("{}{path}", api.base)).json(&body);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("set-cookie"))
    };
    for origin in ["https://evil.example", "null", &format!("{own}.evil.example")] {
        assert_eq!(ask("/auth/login", "alice", Some(origin), true).await, (403, false), "{origin}");
        assert_eq!(ask("/auth/register", "mallory", Some(origin), true).await, (403, false), "{origin}");
        // Without a cookie nothing stays in the browser.
        assert_eq!(ask("/auth/login", "alice", Some(origin), false).await, (200, false), "{origin}");
    }
    assert_eq!(ask("/auth/login", "alice", Some(&own), true).await, (200, true));
    assert_eq!(ask("/auth/login", "alice", None, true).await, (200, true));
    assert_eq!(ask("/auth/register", "mallory", Some(&own), true).await, (201, true));
    server.stop().await;
}
