//! Where the client's secrets are, and where they are not.

use crate::harness::{PASSWORD, Person, TestServer};
use chat_tui::home::Home;
use chat_tui::net::http::Account;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn check_72_the_log_in_lies_in_its_file_and_nowhere_else() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let login = Account::open(&Home::at(alice.home.path()).unwrap(), None).unwrap().login().unwrap();
    let secrets = [&*login.access_token, &*login.refresh_token, PASSWORD];
    let (tail, _) = alice.follows("#general").await;
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{file}", tail.id())).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(file == "environ" || text.contains("#general"), "it was looked at: {text}");
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{file}: {text}");
    }
    let mut found = Vec::new();
    for file in fs::read_dir(alice.home.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let has = |secret: &&str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        if secrets.iter().any(has) {
            found.push(path.file_name().unwrap().to_owned());
        }
        assert!(!has(&PASSWORD), "{path:?}");
    }
    assert_eq!(found, ["credentials.json"]);
    // There is no way to say a password where others see it.
    for arguments in [["--password", PASSWORD], ["--token", "x"]] {
        let login = ["login", "--server", &server.url(), "--username", "alice", arguments[0], arguments[1]];
        assert_eq!(alice.run(&login).await.code, 2, "{arguments:?}");
    }
}

#[tokio::test]
async fn check_72_nothing_secret_crosses_a_network_in_the_open() {
    // An address of documentation, where nobody is: it is not even tried.
    for server in ["http://192.0.2.1:8080", "http://chat.example.org"] {
        for command in ["login", "register"] {
            let arguments = [command, "--server", server, "--username", "alice", "--password-stdin"];
            let done = Person::new().pipe(&arguments, &format!("{PASSWORD}\n")).await;
            assert_eq!(done.code, 2, "{done:?}");
            assert!(done.err.contains("--insecure"), "{done:?}");
        }
    }
}

#[tokio::test]
async fn check_72_a_credential_is_not_sent_after_a_redirect() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let followed = Arc::new(AtomicUsize::new(0));
    let counting = followed.clone();
    tokio::spawn(async move {
        while elsewhere.accept().await.is_ok() {
            counting.fetch_add(1, Ordering::Relaxed);
        }
    });
    let redirecting = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", redirecting.local_addr().unwrap());
    tokio::spawn(async move {
        for status in
            ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"].iter().cycle()
        {
            let (mut stream, _) = redirecting.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = format!(
                "HTTP/1.1 {status}\r\nlocation: http://{target}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    for _ in 0..4 {
        let login = ["login", "--server", &url, "--username", "alice", "--password-stdin"];
        let done = Person::new().pipe(&login, &format!("{PASSWORD}\n")).await;
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains("sends elsewhere"), "{done:?}");
    }
    // The same when there is a log-in for that address already.
    let file = alice.home.path().join("credentials.json");
    let logins = fs::read_to_string(&file).unwrap().replace(&server.url(), &url);
    fs::write(&file, logins).unwrap();
    for command in ["groups", "users"] {
        let done = alice.run(&[command]).await;
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains("sends elsewhere"), "{done:?}");
    }
    assert_eq!(followed.load(Ordering::Relaxed), 0);
}
