//! What of a change the feed may tell to people who may not read the record itself.

use serde_json::{Map, Value, json};

/// Resources whose values are no personal data, and which of their fields are told with values (`None` = all that the
/// resource itself does not call sensitive).
const TOLD: &[(&str, Option<&[&str]>)] = &[
    ("agencies", None),
    ("programs", None),
    ("datasets", None),
    ("releases", None),
    ("action_plans", None),
    ("activities", None),
    ("jobs", None),
    // Not what the leadership noted.
    (
        "target_lists",
        Some(&[
            "number",
            "state",
            "families",
            "people",
            "added",
            "removed",
            "unchanged",
            "supersedes_id",
            "sk_number",
            "sk_date",
            "digest",
        ]),
    ),
    // Which list a family came onto or went off; nothing else of it.
    ("beneficiaries", Some(&["target_list_id"])),
    // What a family gets is its own business; how far the aid is, is not.
    ("interventions", Some(&["status", "quarter"])),
];

/// The fields of a change as the feed tells them: everywhere else only that they changed.
pub fn told(resource: &str, fields: Value) -> Value {
    let Value::Object(fields) = fields else { return json!({}) };
    let allowed = TOLD.iter().find(|(name, _)| *name == resource).map(|(_, fields)| *fields);
    let told = |name: &str| match allowed {
        None => false,
        Some(None) => true,
        Some(Some(names)) => names.contains(&name),
    };
    let hidden = |(name, value): (String, Value)| {
        let value = if told(&name) { value } else { json!({"changed": true}) };
        (name, value)
    };
    Value::Object(fields.into_iter().map(hidden).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plans_are_told_with_values_and_families_by_name() {
        let fields = json!({"status": {"from": "planned", "to": "delivered"}, "amount": {"from": null, "to": 300_000}});
        assert_eq!(told("action_plans", fields.clone()), fields);
        assert_eq!(told("beneficiaries", fields.clone()), json!({"status": {"changed": true}, "amount": {"changed": true}}));
        assert_eq!(told("interventions", fields), json!({"status": {"from": "planned", "to": "delivered"}, "amount": {"changed": true}}));
        assert_eq!(told("agencies", json!("no object")), json!({}));
    }

    proptest! {
        #[test]
        fn a_noun_that_nobody_decided_on_tells_no_value(resource in "[a-z_]{1,20}", name in "[a-z_]{1,20}", value in "[A-Z0-9]{4,40}") {
            prop_assume!(TOLD.iter().all(|(known, _)| *known != resource));
            let out = told(&resource, json!({name.clone(): {"from": value.clone(), "to": [value.clone()]}}));
            prop_assert!(!out.to_string().contains(&value));
            prop_assert!(out.get(&name).is_some());
        }
    }
}
