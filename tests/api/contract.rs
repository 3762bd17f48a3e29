//! What people outside read: the OpenAPI document, the roles table, the catalogue of codes. Each is checked in and compared.

use std::collections::BTreeSet;

/// The checked-in text; `make docs` writes it anew.
fn same_as_checked_in(path: &str, made: &str) {
    if std::env::var_os("ENTAS_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(path, made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "{path} is not what the code says; run `make docs` and review the difference");
}

#[test]
fn the_document_is_as_checked_in() {
    same_as_checked_in("openapi/openapi.json", &entas::app::document());
}

#[test]
fn the_roles_table_is_as_checked_in() {
    same_as_checked_in("docs/ROLES.md", &entas::app::roles());
}

/// Programs compare these codes: one may be added, none may change its name or status unseen.
#[test]
fn the_catalogue_of_codes_is_as_checked_in() {
    use entas::platform::error::Code;
    let made: String = Code::ALL.iter().map(|code| format!("{} {} {}\n", code.status(), code.name(), code.title())).collect();
    same_as_checked_in("tests/snapshots/codes.txt", &made);
}

#[test]
fn no_two_types_share_a_name_in_the_document() {
    assert!(entas::app::api().conflicts().is_empty(), "{:?}", entas::app::api().conflicts());
}

#[test]
fn every_operation_is_told_in_prose_and_named_once() {
    let api = entas::app::api();
    let mut ids = BTreeSet::new();
    for operation in api.operations() {
        let summary = operation.document["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && summary.len() < 60, "{operation:?}: a summary of less than 60 characters");
        assert!(ids.insert(operation.document["operationId"].as_str().unwrap().to_owned()), "{operation:?}: its id is taken");
    }
    assert!(ids.len() > 10);
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(serde_json::Value::String(to)) = fields.get("$ref") {
                    found.insert(to.clone());
                }
                fields.values().for_each(|value| walk(value, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = entas::app::api().document();
    let mut found = BTreeSet::new();
    walk(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
