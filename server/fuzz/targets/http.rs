#![no_main]

#[path = "../../tests/properties/http.rs"]
mod property;

use chat_server::app::Server;
use chat_server::config::Values;
use chat_server::listener::Drain;
use std::net::SocketAddr;
use std::sync::{LazyLock, mpsc};

libfuzzer_sys::fuzz_target!(|data: &[u8]| CALLER.check(data));

static CALLER: LazyLock<property::Caller> = LazyLock::new(|| property::Caller::new(serve()));

/// Serves in a thread of its own until the program ends.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let data = dir.path().to_str().unwrap();
            let mut values = Values::default();
            values.environment(|name| {
                let value = match name {
                    "CHAT_LISTEN" => "127.0.0.1:0",
                    "CHAT_DATA_DIR" => data,
                    "CHAT_PBKDF2_ITERATIONS" => "10",
                    "CHAT_RATE_LIMITS" => "off",
                    "CHAT_TRUSTED_PROXIES" => "127.0.0.1",
                    "CHAT_DISK_RESERVE_MB" => "0",
                    _ => return None,
                };
                Some(value.to_owned())
            });
            let server = Server::start(values.load().unwrap().config, None).await.unwrap();
            tell.send(server.address().unwrap()).unwrap();
            let (_never, drain) = Drain::new();
            server.serve(drain).await.unwrap();
        });
    });
    told.recv().unwrap()
}
