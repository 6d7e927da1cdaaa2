//! A socket that is handed over, as systemd does it, outlives the process that serves it.

use crate::harness::{PATIENCE, User, eventually};
use crate::process::{Process, program};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The program with this socket as its descriptor 3; standard input carries it there, so that no other child
/// of this process gets it.
fn handed(socket: &TcpListener, data: &Path, arguments: &[&str]) -> Command {
    let direct = program(data, arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#])
        .arg(direct.get_program())
        .args(direct.get_args())
        .envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(OwnedFd::from(socket.try_clone().unwrap()))
        .stderr(Stdio::null());
    command
}

/// Somebody who connects anew for each request, until told to stop. What failed.
async fn knock(url: String, served: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap();
        match client.get(&url).send().await {
            Ok(answer) if answer.status() == 200 => {
                served.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => failed.push(answer.status().to_string()),
            Err(error) => failed.push(format!("{error:?}")),
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_takes_over_and_nobody_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Where it would listen by itself is in use.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = taken.local_addr().unwrap().to_string();
    let start = || Process::spawn(handed(&socket, dir.path(), &["--listen", &elsewhere]));
    let mut server = start();
    assert_eq!(server.base, format!("http://{address}/api/v1"));
    let alice = server.api().register("alice").await;
    let (served, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let knocking: Vec<_> = (0..4)
        .map(|_| tokio::spawn(knock(format!("http://{address}/healthz"), served.clone(), stop.clone())))
        .collect();
    for round in 1..=3 {
        let enough = served.load(Ordering::Relaxed) + 20;
        eventually("some were served", async || served.load(Ordering::Relaxed) >= enough).await;
        let mut ws = alice.connect().await;
        alice.send(1, &format!("round {round}")).await;
        assert_eq!(server.stop().await, Some(0));
        assert_eq!(ws.closed().await, Some(1012));
        server = start();
    }
    let enough = served.load(Ordering::Relaxed) + 20;
    eventually("some were served", async || served.load(Ordering::Relaxed) >= enough).await;
    stop.store(true, Ordering::Relaxed);
    for one in knocking {
        assert_eq!(one.await.unwrap(), [] as [String; 0]);
    }
    let alice = User { api: server.api(), ..alice };
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "round 3");
    assert_eq!(server.stop().await, Some(0));
}

/// Runs it to its end.
fn run(socket: &TcpListener, data: &Path) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = handed(socket, data, &[]).stderr(Stdio::piped()).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// The rules for addresses hold for the one that the socket has.
#[test]
fn a_socket_that_others_can_reach_wants_tls_too() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody can connect to it: it is not listened on.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"0.0.0.0:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let (code, told) = run(&socket.into(), dir.path());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("can be reached from other machines"), "{told}");
}
