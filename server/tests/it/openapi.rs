//! The OpenAPI document is true: it has the paths that there are, and every answer that any of these
//! tests gets is one that it describes.

use chat_server::http::RESOURCES;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap());

/// What would tell of the inside: SQL, types, files, panics.
const INSIDE: [&str; 10] =
    ["SELECT", "INSERT", "sqlite", "SQLite", "::", ".rs", "/tmp", "Some(", "Error {", "panicked"];

/// Insists that an answer is one of those that the document describes, and that an error tells nothing of the
/// inside. What is not documented as a path must be 404, and a method that a path does not have 405.
pub(crate) fn conforms(method: &str, path: &str, status: u16, body: &Value) {
    if status >= 400 {
        let text = body.to_string();
        let inside = INSIDE.iter().find(|word| text.contains(*word));
        assert_eq!(inside, None, "{method} {path}: {text}");
    }
    let path = path.split('?').next().unwrap();
    let path = format!("/api/v1{path}");
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let Some((_, operations)) = paths.iter().find(|(template, _)| matches(template, &path)) else {
        return assert_eq!(status, 404, "{method} {path} is not documented");
    };
    let Some(operation) = operations.get(method.to_lowercase()) else {
        return assert_eq!(status, 405, "{method} {path} is not documented");
    };
    let Some(response) = operation["responses"].get(status.to_string()) else {
        panic!("{method} {path}: {status} is not documented: {body}");
    };
    let media = response.get("content").and_then(Value::as_object);
    match media.and_then(|media| media.values().next()) {
        Some(media) => check(&media["schema"], body, &format!("{method} {path} {status}")),
        None => assert!(body.is_null(), "{method} {path} {status}: {body}"),
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| t.starts_with('{') || t == p)
}

/// Is the value of this schema, with nothing in it that the schema does not have?
fn check(schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema =
            DOCUMENT.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not there"));
        return check(schema, value, at);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value} is no object"));
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(name.as_str().unwrap()), "{at}: {name} is missing in {value}");
            }
            for (name, value) in object {
                let property = schema["properties"].get(name);
                check(
                    property.unwrap_or_else(|| panic!("{at}: {name} is not documented")),
                    value,
                    &format!("{at} {name}"),
                );
            }
        }
        Some("array") => {
            let items = value.as_array().unwrap_or_else(|| panic!("{at}: {value} is no list"));
            items.iter().for_each(|item| check(&schema["items"], item, at));
        }
        Some("string") => {
            let text = value.as_str().unwrap_or_else(|| panic!("{at}: {value} is no text"));
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(&text.into()), "{at}: {text} is not one of {words:?}");
            }
        }
        Some("integer") => assert!(value.is_i64(), "{at}: {value} is no integer"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value} is neither true nor false"),
        _ => panic!("{at}: a schema without a type"),
    }
}

#[test]
fn it_has_the_paths_that_there_are() {
    let there: BTreeSet<String> =
        RESOURCES.iter().flat_map(|r| r.methods.iter().map(move |m| format!("{m} {}", r.path))).collect();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let documented: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, operations)| {
            operations
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(documented, there);
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let text = DOCUMENT.to_string();
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
    let used: BTreeSet<&str> =
        text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unused: Vec<_> = schemas.keys().filter(|name| !used.contains(name.as_str())).collect();
    assert_eq!(unused, Vec::<&String>::new());
    assert!(used.iter().all(|name| schemas.contains_key(*name)));
}
