//! What the fuzz targets look for (`server/fuzz`), with the seeds and some thousand inputs made of them.

#[path = "../properties/decoder.rs"]
mod decoder;
#[path = "../properties/http.rs"]
mod http;
#[path = "../../../shared/tests/support/mutated.rs"]
mod mutated;
#[path = "../properties/tokens.rs"]
mod tokens;

use crate::harness::TestServer;
use crate::process::{Process, program};
use crate::wire::{Raw, frame};
use futures_util::StreamExt as _;
use mutated::{many, mutated, seeds};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

#[test]
fn the_decoders_seeds() {
    seeds("tests/seeds/decoder").iter().for_each(|bytes| decoder::check(bytes));
}

#[test]
fn the_tokens_seeds() {
    seeds("tests/seeds/tokens").iter().for_each(|text| tokens::check(text));
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn two_decoders_read_the_same_messages(bytes in mutated(seeds("tests/seeds/decoder"))) {
        decoder::check(&bytes);
    }

    #[test]
    fn only_what_was_issued_is_believed(text in mutated(seeds("tests/seeds/tokens"))) {
        tokens::check(&text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_is_answered() {
    let server = TestServer::with(&[("CHAT_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let address = server.address;
    let asking = tokio::task::spawn_blocking(move || {
        let caller = http::Caller::new(address);
        seeds("tests/seeds/http").iter().for_each(|request| caller.check(request));
        let inputs = mutated(seeds("tests/seeds/http"));
        TestRunner::new(many()).run(&inputs, |request| {
            caller.check(&request);
            Ok(())
        })
    });
    asking.await.unwrap().unwrap();
    server.stop().await;
}

/// Connections, and on each the last frame is bent as bytes, the ones before it as JSON.
const CONNECTIONS: usize = 2_000;
const FRAMES: usize = 5;
/// Connections at once.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_bent_frames_disturb_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command =
        program(&dir.path().join("data"), &["--listen", "127.0.0.1:0", "--max-connections-per-user", "100"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Process::spawn(command);
    let (alice, bob) = (server.api().register("alice").await, server.api().register("bob").await);
    let mut neighbour = bob.connect().await;

    let (mut lot, bytes) = (TestRunner::deterministic(), mutated(seeds("tests/seeds/decoder")));
    let text = mutated(seeds("../shared/tests/golden"));
    let mut inputs = (0..CONNECTIONS).map(|_| {
        let mut input: Vec<u8> =
            (1..FRAMES).flat_map(|_| frame(0x81, &text.new_tree(&mut lot).unwrap().current())).collect();
        input.extend(bytes.new_tree(&mut lot).unwrap().current().iter().skip(2));
        input
    });
    let alice = &alice;
    for turn in 0..CONNECTIONS / 100 {
        futures_util::stream::iter(inputs.by_ref().take(100))
            .for_each_concurrent(AT_ONCE, |input| async move {
                let mut raw = Raw::connect(alice).await;
                raw.write(&input).await;
                // However it ends, it does.
                let _ = socket2::SockRef::from(&raw.stream).shutdown(std::net::Shutdown::Write);
                while raw.frame().await.is_some() {}
            })
            .await;
        neighbour.send(json!({"type": "ping", "id": turn.to_string()})).await;
        assert_eq!(neighbour.next_of("pong").await["id"], turn.to_string());
    }
    assert_eq!(server.stop().await, Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("panic"), "{log}");
}
