//! PostgreSQL starts slowly, is reached over TLS, has no room.

use crate::cluster::Cluster;
use crate::failover::{PATH, server, texts};
use crate::harness::{eventually, uuid};
use crate::place::Place;
use crate::process::Process;
use serde_json::json;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

#[tokio::test]
async fn a_server_waits_for_a_database_that_is_starting() {
    let primary = Cluster::start("");
    // It says that it is starting for as long as it stands by.
    let standby = Cluster::standby(&primary, "hot_standby = off");
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command = server(&dir.path().join("data"), &Cluster::url(&[&standby]));
    command.stderr(std::fs::File::create(&log).unwrap());
    let starting = tokio::task::spawn_blocking(move || Process::spawn(command));
    eventually("it waits", async || {
        std::fs::read_to_string(&log).unwrap().contains("waiting for the database")
    })
    .await;
    standby.promote();
    let server = starting.await.unwrap();
    let alice = server.api().register("alice").await;
    alice.send(1, "in time").await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn the_database_is_reached_over_tls_and_by_nobody_else_s_name() {
    let certificate = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (right, key) = certificate();
    let cluster = Cluster::start("");
    let (cert_file, key_file) = (cluster.keep("cert.pem", &right), cluster.keep("key.pem", &key));
    // Only what is encrypted is let in over the network.
    let rules = cluster.keep("rules", "local all all trust\nhostssl all all 127.0.0.1/32 trust\n");
    cluster.stop();
    // Its socket is named after the port. Somebody else may take that meanwhile.
    let launched = (0..10).find_map(|_| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nhba_file = '{rules}'
             ssl = on\nssl_cert_file = '{cert_file}'\nssl_key_file = '{key_file}'"
        );
        cluster.try_launch(&settings).ok().map(|()| port)
    });
    let port = launched.expect("a port that is free");
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (right, wrong) = (file("right.pem", &right), file("wrong.pem", &certificate().0));
    let data = dir.path().join("data");
    let url = |host: &str| format!("postgres://chat@{host}:{port}/postgres?hostaddr=127.0.0.1");
    let with = |ca: Option<&Path>, url: &str| {
        let mut command = server(&data, url);
        if let Some(ca) = ca {
            command.env("CHAT_DATABASE_CA", ca);
        }
        command
    };
    for (ca, host, words) in [
        (Some(&*wrong), "localhost", "invalid peer certificate"),
        (Some(&*right), "elsewhere", "not valid for name"),
        (None, "localhost", "no encryption"),
    ] {
        let mut child = with(ca, &url(host)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{words}: {told}");
        assert!(told.contains(words), "{words}: {told}");
    }
    let url = url("localhost");
    let server = Process::spawn(with(Some(&right), &url));
    let alice = server.api().register("alice").await;
    alice.send(1, "unseen on its way").await;
    let sessions = "SELECT DISTINCT ssl FROM pg_stat_ssl NATURAL JOIN pg_stat_activity WHERE application_name = 'chat-server'";
    assert_eq!(cluster.ask_at(port, sessions).await, ["t"]);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_database_without_room_refuses_what_is_new_and_serves_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path());
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    alice.send(1, "before").await;
    let order = async |sql: &'static str| {
        let place = place.clone();
        tokio::task::spawn_blocking(move || place.order(sql).map(|_| ())).await.unwrap().unwrap();
    };
    // What PostgreSQL says when a table cannot grow.
    order(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    .await;
    let body = json!({"id": uuid(), "body": "after"});
    for _ in 0..2 {
        let (status, problem) = alice.call("POST", PATH, Some(body.clone())).await;
        assert_eq!((status, &problem["code"]), (507, &json!("storage_full")), "{problem}");
    }
    assert_eq!(texts(&alice).await.len(), 1);
    order("DROP TRIGGER full_disk ON messages").await;
    alice.ok("POST", PATH, Some(body)).await;
    assert_eq!(texts(&alice).await.len(), 2);
    assert_eq!(server.stop().await, Some(0));
}
