//! Who may import whom and who writes which table: the rules of ARCHITECTURE.md, checked on the text of every file.

use std::path::{Path, PathBuf};

/// The features in their one order; each uses only those before it.
const FEATURES: &[&str] = &[
    "regions",
    "agencies",
    "users",
    "sessions",
    "beneficiaries",
    "datasets",
    "matching",
    "action_plans",
    "interventions",
    "family_events",
    "attachments",
    "verification",
    "target_lists",
    "lookups",
    "jobs",
    "feed",
    "monitoring",
    "ops",
];

/// Which feature writes which tables; the platform writes its own four.
const TABLES: &[(&str, &[&str])] = &[
    ("regions", &["regions", "populations"]),
    ("agencies", &["agencies"]),
    ("users", &["actors", "assignments"]),
    ("sessions", &["sessions", "refresh_tokens"]),
    ("beneficiaries", &["beneficiaries", "members"]),
    (
        "datasets",
        &["datasets", "releases", "release_rejects", "rejected_rows", "statements", "source_families", "source_people", "welfare_ranks"],
    ),
    (
        "matching",
        &[
            "matching_runs",
            "match_pairs",
            "match_codebooks",
            "match_results",
            "match_decisions",
            "match_queue",
            "possible_duplicates",
            "match_samples",
        ],
    ),
    ("action_plans", &["programs", "action_plans", "activities"]),
    ("interventions", &["interventions"]),
    ("family_events", &["family_events", "family_moves"]),
    ("attachments", &["attachments"]),
    (
        "verification",
        &[
            "criteria_sets",
            "verification_campaigns",
            "campaign_subdistricts",
            "village_results",
            "assigned_families",
            "visits",
            "proposals",
            "meeting_verdicts",
            "objections",
        ],
    ),
    ("target_lists", &["target_lists", "target_list_entries"]),
    ("platform", &["changes", "reads", "idempotency_keys", "jobs", "signing_keys"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 40, "the sources were not found");
    files
}

/// The code of a file without its comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn feature_of(path: &Path) -> Option<&str> {
    path.strip_prefix("src/features").ok()?.components().next()?.as_os_str().to_str().filter(|name| *name != "mod.rs")
}

fn is_in(path: &Path, name: &str) -> bool {
    path.file_stem().is_some_and(|stem| stem == name) || path.components().any(|part| part.as_os_str() == name)
}

#[test]
fn imports_flow_one_way() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        let at = path.display().to_string();
        if path.starts_with("src/platform") && (code.contains("crate::features") || code.contains("crate::app")) {
            broken.push(format!("{at}: the platform knows no feature"));
        }
        if !["src/commands.rs", "src/main.rs", "src/app.rs"].contains(&at.as_str()) && code.contains("crate::app") {
            broken.push(format!("{at}: nothing imports the composition root"));
        }
        let pure = is_in(&path, "model") || path.starts_with("src/simulate") || path.starts_with("src/linkage");
        for foreign in ["actix_web", "diesel", "tokio"] {
            if pure && code.contains(&format!("{foreign}::")) {
                broken.push(format!("{at}: a pure file uses {foreign}"));
            }
        }
        let may_name_tables = path.starts_with("src/platform") || is_in(&path, "store") || at == "src/schema.rs";
        if code.contains("crate::schema") && !may_name_tables {
            broken.push(format!("{at}: only stores name tables"));
        }
        if let Some(feature) = feature_of(&path) {
            let Some(own) = FEATURES.iter().position(|name| *name == feature) else {
                broken.push(format!("{at}: a feature without a place in the order"));
                continue;
            };
            for (index, other) in FEATURES.iter().enumerate() {
                if index > own && code.contains(&format!("features::{other}::")) {
                    broken.push(format!("{at}: uses {other}, which comes later"));
                }
            }
            let readers = ["feed", "monitoring"];
            if readers.contains(&feature) && FEATURES.iter().any(|other| *other != feature && code.contains(&format!("features::{other}")))
            {
                broken.push(format!("{at}: a reader imports no other feature"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_store_writes_only_its_own_tables() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let owner = if path.starts_with("src/platform") { Some("platform") } else { feature_of(&path) };
        let Some(owner) = owner else { continue };
        let own = TABLES.iter().find(|(name, _)| *name == owner).map_or(&[][..], |(_, tables)| tables);
        let code = code(&text);
        for table in TABLES.iter().flat_map(|(_, tables)| tables.iter()).filter(|table| !own.contains(table)) {
            for verb in ["insert_into", "update", "delete"] {
                if code.contains(&format!("{verb}({table}::table")) {
                    broken.push(format!("{}: writes {table}", path.display()));
                }
            }
            for verb in ["INSERT INTO", "UPDATE", "DELETE FROM"] {
                if code.contains(&format!("{verb} {table} ")) || code.contains(&format!("{verb} {table}\n")) {
                    broken.push(format!("{}: writes {table}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_are_named_opened_and_sized_as_the_house_has_it() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let at = path.display().to_string();
        if ["utils", "common", "helpers", "prelude", "misc"].iter().any(|name| is_in(&path, name)) {
            broken.push(format!("{at}: a name that promises nothing"));
        }
        if at != "src/schema.rs" && !text.starts_with("//! ") {
            broken.push(format!("{at}: opens without saying what it promises"));
        }
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        if at != "src/schema.rs" && lines > 520 {
            broken.push(format!("{at}: {lines} lines; make it a folder"));
        }
        let code = code(&text);
        for (word, why) in
            [(".or_filter(", "ORs away the scope"), ("#[allow(", "use expect with a reason"), (".offset(", "lists are keyset")]
        {
            if code.contains(word) {
                broken.push(format!("{at}: {word}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_table_has_one_writer_in_the_list() {
    let schema = std::fs::read_to_string("src/schema.rs").unwrap();
    let listed: Vec<&str> = TABLES.iter().flat_map(|(_, tables)| tables.iter().copied()).collect();
    for block in schema.split("diesel::table! {").skip(1) {
        let table = block.split_whitespace().next().unwrap();
        assert_eq!(listed.iter().filter(|name| **name == table).count(), 1, "{table} needs exactly one writer");
    }
}
