//! The documentation says what the program does.

use chat_server::http::RESOURCES;
use chat_shared::ErrorCode;
use chat_shared::close::CloseCode;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

#[test]
fn every_path_with_every_method_is_documented() {
    for resource in RESOURCES {
        let path = resource.path.strip_prefix("/api/v1").unwrap_or(resource.path);
        for method in resource.methods {
            let call = format!("{method} {path}");
            let found = PROTOCOL
                .match_indices(&call)
                .any(|(at, _)| PROTOCOL[at + call.len()..].starts_with([' ', ',', '\n']));
            assert!(found, "{call} is not in docs/protocol.md");
        }
    }
}

#[test]
fn every_documented_call_is_there() {
    for line in PROTOCOL.lines().filter_map(|line| line.strip_prefix("| ")) {
        let calls = line.split(" | ").next().unwrap_or("");
        for call in calls.split(", ") {
            let Some((method, path)) = call.trim().split_once(' ') else { continue };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
                continue;
            }
            let path = format!("/api/v1{path}");
            let there = RESOURCES.iter().any(|r| r.path == path && r.methods.contains(&method));
            assert!(there, "{call} is documented but not there");
        }
    }
}

#[test]
fn every_code_is_documented() {
    for code in ErrorCode::ALL {
        assert!(PROTOCOL.contains(code.as_str()), "{code}");
    }
    for code in CloseCode::ALL {
        assert!(PROTOCOL.contains(&code.code().to_string()), "{}", code.code());
    }
}
