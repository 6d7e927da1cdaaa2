//! The listener with real sockets: what cuts a connection, what a request meets, how it all stops.

mod ends;
mod https;
mod times;
mod upgrade;

use super::*;
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use warp::Filter;

/// Longer than anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);
/// A limit that is meant to be met.
const SOON: Duration = Duration::from_millis(50);
/// A limit that is meant not to be met.
const NEVER: Duration = Duration::from_secs(3600);

struct Server {
    address: SocketAddr,
    drain: DrainHandle,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a new connection; what came back until it was closed.
    async fn exchange(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        // A server that has closed already shows in what comes back.
        let _ = stream.write_all(bytes.as_bytes()).await;
        until_closed(&mut stream).await
    }

    async fn stop(self) {
        self.drain.start();
        patiently(self.task).await.unwrap();
    }
}

async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

/// Everything until the end; a reset is an end too.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    patiently(async {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
    })
    .await;
    String::from_utf8(bytes).unwrap()
}

/// One answer of a connection that stays open, as far as `end`.
async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    patiently(async {
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(bytes).unwrap()
}

fn unhurried() -> ListenerOptions {
    ListenerOptions {
        head_timeout: NEVER,
        idle_timeout: NEVER,
        handshake_timeout: NEVER,
        request_deadline: NEVER,
        first_words: NEVER,
        drain_grace: NEVER,
        ..ListenerOptions::default()
    }
}

fn start<S>(service: S, options: ListenerOptions) -> Server
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let counters = Arc::clone(&options.counters);
    let (handle, drain) = Drain::new();
    let task = tokio::spawn(serve(listener, service, options, drain));
    Server { address, drain: handle, task, counters }
}

/// What most tests ask.
async fn route(request: Request<Incoming>) -> Result<Response, Infallible> {
    match request.uri().path() {
        "/panic" => panic!("as asked"),
        "/stuck" => std::future::pending().await,
        "/upload" => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok(Response::new(body.into()))
        }
        "/cached" => {
            let mut response = Response::new("cached".into());
            response.headers_mut().insert("cache-control", "max-age=60".parse().unwrap());
            Ok(response)
        }
        "/peer" => {
            let peer = request.extensions().get::<Peer>().unwrap();
            assert!(request.extensions().get::<ConnectionGuard>().is_some());
            Ok(Response::new(format!("{} {}", peer.addr, peer.secure).into()))
        }
        _ => Ok(Response::new("hello".into())),
    }
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn get_once(path: &str) -> String {
    get(path, "Connection: close\r\n")
}

/// Is it a problem of this status and code, without anything from inside?
fn assert_problem(answer: &str, status: u16, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let problem: chat_shared::Problem = serde_json::from_str(body).unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (status, code));
    assert!(!body.contains("as asked"), "{answer}");
}

#[tokio::test]
async fn warp_routes_are_served_with_protective_headers() {
    let routes = warp::path!("hello").map(|| "from warp");
    let server = start(TowerToHyperService::new(warp::service(routes)), unhurried());
    let answer = server.exchange(&get_once("/hello")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("from warp"), "{answer}");
    for header in
        ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-store"]
    {
        assert!(answer.contains(header), "{answer}");
    }
    assert!(!answer.to_lowercase().contains("server:"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_route_keeps_its_own_cache_control() {
    let server = start(service_fn(route), unhurried());
    let answer = server.exchange(&get_once("/cached")).await;
    assert!(answer.contains("cache-control: max-age=60") && !answer.contains("no-store"), "{answer}");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_lives_on() {
    let server = start(service_fn(route), unhurried());
    let answer = server.exchange(&get("/panic", "")).await;
    assert_problem(&answer, 500, "internal");
    assert_eq!(server.counters.panicked.load(Ordering::Relaxed), 1);
    let sync = start(
        service_fn(|request: Request<Incoming>| {
            assert_ne!(request.uri().path(), "/panic", "as asked");
            route(request)
        }),
        unhurried(),
    );
    assert_problem(&sync.exchange(&get("/panic", "")).await, 500, "internal");
    for server in [server, sync] {
        assert!(server.exchange(&get_once("/")).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn heads_have_a_size() {
    let server = start(service_fn(route), unhurried());
    let lines = |count: usize| "X-A: b\r\n".repeat(count);
    let long = |size: usize| format!("X-Long: {}\r\n", "a".repeat(size));
    for (headers, refused) in [
        // Host and Connection count too.
        (lines(62), false),
        (lines(63), true),
        (lines(98), true),
        (long(15 * 1024), false),
        (long(16 * 1024), true),
        (long(30 * 1024), true),
    ] {
        let answer = server.exchange(&get("/", &format!("{headers}Connection: close\r\n"))).await;
        if refused {
            assert_problem(&answer, 431, "headers_too_large");
        } else {
            assert!(answer.ends_with("hello"), "{answer}");
        }
    }
    // What hyper itself refuses has no body, but the same status.
    for headers in [lines(200), long(100 * 1024)] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(get("/", &headers).as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn http2_is_not_spoken() {
    let server = start(service_fn(route), unhurried());
    let answer = server.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn smuggling_is_refused_or_closes_the_connection() {
    let server = start(service_fn(route), unhurried());
    for headers in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Bad Name: x\r\n",
        " folded: x\r\n",
    ] {
        let request = format!("POST /upload HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nab");
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "one answer, then closed: {answer}");
    }
}

#[tokio::test]
async fn an_address_has_its_share_of_sockets() {
    let options = ListenerOptions { max_connections_per_address: Some(2), ..unhurried() };
    let server = start(service_fn(route), options);
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(get("/", "").as_bytes()).await.unwrap();
        until(&mut stream, "hello").await;
        inside.push(stream);
    }
    assert_eq!(until_closed(&mut server.connect().await).await, "");
    assert_eq!(server.counters.refused.load(Ordering::Relaxed), 1);
    for stream in &mut inside {
        stream.write_all(get("/", "").as_bytes()).await.unwrap();
        until(stream, "hello").await;
    }
}

#[tokio::test]
async fn the_server_has_its_limit_of_sockets() {
    let options = ListenerOptions {
        max_connections: 1,
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..unhurried()
    };
    let server = start(service_fn(route), options);
    let mut inside = server.connect().await;
    inside.write_all(get("/", "").as_bytes()).await.unwrap();
    until(&mut inside, "hello").await;
    assert_eq!(until_closed(&mut server.connect().await).await, "", "also for a proxy");
}

#[tokio::test]
async fn only_a_trusted_proxy_speaks_for_others() {
    let forwarded = get(
        "/peer",
        "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n",
    );
    let trusting = |networks: &[&str]| ListenerOptions {
        trusted_proxies: networks.iter().map(|network| network.parse().unwrap()).collect(),
        ..unhurried()
    };
    for (networks, expected) in [
        (&[][..], "127.0.0.1 false"),
        (&["10.0.0.0/8"], "127.0.0.1 false"),
        (&["127.0.0.1/32"], "203.0.113.9 true"),
    ] {
        let server = start(service_fn(route), trusting(networks));
        let answer = server.exchange(&forwarded).await;
        assert!(answer.ends_with(expected), "{networks:?}: {answer}");
    }
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_closes_the_rest() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        service_fn(move |request: Request<Incoming>| {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            async move {
                if request.uri().path() == "/slow" {
                    begun.notify_one();
                    go_on.notified().await;
                }
                route(request).await
            }
        })
    };
    let server = start(service, unhurried());
    let mut idle = server.connect().await;
    idle.write_all(get("/", "").as_bytes()).await.unwrap();
    until(&mut idle, "hello").await;
    let mut slow = server.connect().await;
    slow.write_all(get("/slow", "").as_bytes()).await.unwrap();
    patiently(begun.notified()).await;

    server.drain.start();
    assert_eq!(until_closed(&mut idle).await, "");
    // Nobody is let in any more.
    patiently(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    go_on.notify_one();
    let answer = until_closed(&mut slow).await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    patiently(server.task).await.unwrap();
}

#[tokio::test]
async fn a_drain_hears_whoever_has_just_come() {
    for speaks in [true, false] {
        let first_words = if speaks { NEVER } else { SOON };
        let server = start(service_fn(route), ListenerOptions { first_words, ..unhurried() });
        let mut new = server.connect().await;
        // A finished exchange shows that the one before was accepted.
        server.exchange(&get_once("/")).await;
        server.drain.start();
        patiently(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
        if speaks {
            new.write_all(get("/", "").as_bytes()).await.unwrap();
            assert!(until_closed(&mut new).await.ends_with("hello"));
        } else {
            assert_eq!(until_closed(&mut new).await, "");
        }
        patiently(server.task).await.unwrap();
    }
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end() {
    let server = start(service_fn(route), ListenerOptions { drain_grace: SOON, ..unhurried() });
    let mut inside = Vec::new();
    for begin in ["", "GET / HTTP/1.1\r\nHost: local", &get("/stuck", "")] {
        let mut stream = server.connect().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        inside.push(stream);
    }
    // A finished exchange shows that those before were accepted.
    server.exchange(&get_once("/")).await;
    server.drain.start();
    for mut stream in inside {
        assert_eq!(until_closed(&mut stream).await, "");
    }
    patiently(server.task).await.unwrap();
}

#[test]
fn want_of_descriptors_is_told_from_a_peer_that_went_away() {
    for (errno, one) in [(24, false), (23, false), (12, false), (103, true), (104, true), (4, true)] {
        assert_eq!(is_of_one_connection(&io::Error::from_raw_os_error(errno)), one, "{errno}");
    }
}
