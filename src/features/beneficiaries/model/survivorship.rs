//! Where a field's value comes from, and which of two statements of it stands (survivorship): pure rules, read from
//! `data/survivorship.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::platform::wire::words;

words! {
    /// Which of two statements of sources of one rank stands.
    Tie {
        /// The later one.
        Newest "newest",
        /// The one on file.
        First "first",
    }
}

/// How a field's value is chosen where several are stated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurvivorshipRule {
    /// Sources whose statement goes before others', the strongest first: `verified`, `officer`, or the code of a dataset.
    /// All others rank alike, behind them.
    pub prefer: Vec<String>,
    /// Between sources of one rank.
    pub tie: Tie,
    /// Whether a release only fills the field in and never replaces it.
    pub held: bool,
}

#[derive(Debug, Deserialize)]
struct Table {
    field: BTreeMap<String, SurvivorshipRule>,
}

static RULES: LazyLock<BTreeMap<String, SurvivorshipRule>> = LazyLock::new(|| {
    // A test reads the file that is built in; without its rules nothing on file would ever be replaced.
    toml::from_str::<Table>(include_str!("../../../../data/survivorship.toml")).map(|table| table.field).unwrap_or_default()
});

/// Every rule by its field; `attributes` stands for each of them.
pub fn rules() -> &'static BTreeMap<String, SurvivorshipRule> {
    &RULES
}

fn rule(field: &str) -> Option<&'static SurvivorshipRule> {
    RULES.get(field.split('.').next().unwrap_or(field))
}

/// A source that people here are: entered or corrected by an officer.
pub const OFFICER: &str = "officer";

/// A source that somebody checked at the family's door, confirmed by village, subdistrict and regency.
pub const VERIFIED: &str = "verified";

/// The name under which provenance knows whether a family is served, and what became of a member.
pub const STATUS: &str = "status";

/// Who stated something, and as of which day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `verified`, `officer`, or the code of a dataset.
    pub source: String,
    /// The release, where a release stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_id: Option<Uuid>,
    /// The day the statement is of.
    pub on: NaiveDate,
    /// The moment, where a person stated it and that is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

impl Origin {
    /// Not on record: stated before origins were kept.
    pub fn unknown() -> Origin {
        Origin { source: "unknown".into(), release_id: None, on: NaiveDate::default(), at: None }
    }

    /// A release, as of its day.
    pub fn release(source: String, id: Uuid, on: NaiveDate) -> Origin {
        Origin { source, release_id: Some(id), on, at: None }
    }

    /// An officer.
    pub fn officer(at: DateTime<Utc>) -> Origin {
        Origin { source: OFFICER.into(), release_id: None, on: at.date_naive(), at: Some(at) }
    }

    /// Found in the field.
    pub fn verified(at: DateTime<Utc>) -> Origin {
        Origin { source: VERIFIED.into(), release_id: None, on: at.date_naive(), at: Some(at) }
    }

    /// Whether a person stated it: an officer, or whoever was at the door.
    fn is_personal(&self) -> bool {
        self.source == OFFICER || self.is_verified()
    }

    /// Whether it was stated after the other; of the same day only where both moments are on record.
    fn is_after(&self, other: &Origin) -> bool {
        self.at.zip(other.at).map_or(self.on > other.on, |(this, that)| this > that)
    }

    /// Whether it was found in the field: then what it states counts as its own even where it only confirms what was known.
    pub fn is_verified(&self) -> bool {
        self.source == VERIFIED
    }
}

/// An origin with the fields it gave; none gave all that no other did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    #[serde(flatten)]
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<String>>,
}

/// Which source gave which field of a record. Holds no values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provenance(Vec<Share>);

impl Provenance {
    /// Everything from one source.
    pub fn whole(origin: Origin) -> Provenance {
        Provenance(vec![Share { origin, fields: None }])
    }

    /// As stored; what cannot be read is an unknown origin.
    pub fn stored(value: &Value) -> Provenance {
        serde_json::from_value(value.clone()).unwrap_or_default()
    }

    /// To be stored.
    pub fn to_store(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| Value::Array(Vec::new()))
    }

    /// Who gave a field; none where that is not on record.
    pub fn of(&self, field: &str) -> Option<&Origin> {
        self.since(field).or_else(|| self.0.iter().find(|share| share.fields.is_none()).map(|share| &share.origin))
    }

    /// Who stated a field apart from all others, since the record was made.
    pub fn since(&self, field: &str) -> Option<&Origin> {
        let named = self.0.iter().find(|share| share.fields.as_ref().is_some_and(|fields| fields.iter().any(|name| name == field)));
        named.map(|share| &share.origin)
    }

    /// From now on a field comes from this source.
    pub fn assign(&mut self, field: &str, origin: &Origin) {
        if self.of(field) == Some(origin) {
            return;
        }
        for share in &mut self.0 {
            if let Some(fields) = &mut share.fields {
                fields.retain(|name| name != field);
            }
        }
        self.0.retain(|share| share.fields.as_ref().is_none_or(|fields| !fields.is_empty()));
        if self.0.iter().any(|share| share.fields.is_none() && share.origin == *origin) {
            return;
        }
        match self.0.iter_mut().find(|share| share.origin == *origin) {
            Some(Share { fields: Some(fields), .. }) => fields.push(field.to_owned()),
            _ => self.0.push(Share { origin: origin.clone(), fields: Some(vec![field.to_owned()]) }),
        }
    }
}

/// Who speaks: a release that arrives, or a record that is merged into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A release: it fills in what is held and never replaces it.
    Release,
    /// A merge of two records on file.
    Merge,
    /// The acceptance of a visit: what people stated after the visit stays. As known counts who stated a field since its record was
    /// made; what the record began with the officer had before them.
    Acceptance,
}

/// Whether a stated value replaces a known, different one.
pub fn replaces(field: &str, occasion: Occasion, known: Option<&Origin>, stated: &Origin) -> bool {
    let Some(rule) = rule(field) else { return false };
    if rule.held && occasion == Occasion::Release {
        return false;
    }
    if occasion == Occasion::Acceptance
        && let Some(known) = known.filter(|known| known.is_personal())
    {
        return !known.is_after(stated);
    }
    let rank = |origin: &Origin| rule.prefer.iter().position(|source| *source == origin.source).unwrap_or(rule.prefer.len());
    let Some(known) = known else {
        // Of unknown origin: whatever is preferred goes before it, and of the others only where the newest counts.
        return rank(stated) < rule.prefer.len() || rule.tie == Tie::Newest;
    };
    match rank(stated).cmp(&rank(known)) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        // Of the same day the one that arrives counts as the later one in an import; between two records the one on file stays.
        std::cmp::Ordering::Equal if rule.tie == Tie::Newest => match occasion {
            Occasion::Release => stated.on >= known.on,
            Occasion::Merge | Occasion::Acceptance => stated.on > known.on,
        },
        std::cmp::Ordering::Equal => false,
    }
}

/// Chooses field by field between what is known and what is stated, and keeps the provenance.
#[derive(Debug)]
pub struct Chooser<'a> {
    /// Who speaks.
    pub occasion: Occasion,
    /// Of what is known; grows with every choice.
    pub known: Provenance,
    /// Of what is stated.
    pub stated: &'a Provenance,
    /// Fields that were taken over.
    pub taken: Vec<String>,
}

impl<'a> Chooser<'a> {
    /// Nothing chosen yet.
    pub fn new(occasion: Occasion, known: Provenance, stated: &'a Provenance) -> Chooser<'a> {
        Chooser { occasion, known, stated, taken: Vec::new() }
    }

    /// Whether the stated value is to be taken; an unknown one never is, an equal one changes nothing.
    pub fn takes<T: PartialEq>(&mut self, field: &str, known: Option<&T>, stated: Option<&T>) -> bool {
        let Some(stated) = stated else { return false };
        let origin = self.stated.of(field).cloned().unwrap_or_else(Origin::unknown);
        let takes = match known {
            None => true,
            Some(known) if known == stated => false,
            Some(_) => replaces(field, self.occasion, self.known.of(field), &origin),
        };
        if takes {
            self.known.assign(field, &origin);
            self.taken.push(field.to_owned());
        }
        takes
    }

    /// The value that stands.
    pub fn choose<T: PartialEq>(&mut self, field: &str, known: Option<T>, stated: Option<T>) -> Option<T> {
        if self.takes(field, known.as_ref(), stated.as_ref()) { stated } else { known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(source: &str, day: &str) -> Origin {
        Origin { source: source.into(), release_id: None, on: day.parse().unwrap(), at: None }
    }

    #[test]
    fn the_rules_are_read() {
        assert_eq!(rules().len(), 12);
        assert!(rules().values().all(|rule| rule.prefer.first().is_some_and(|source| source == "verified")));
    }

    #[test]
    fn a_release_fills_in_and_renews_and_never_replaces_what_is_held() {
        let (old, new) = (origin("p3ke", "2025-06-30"), origin("p3ke", "2026-06-30"));
        assert!(!replaces("birth_date", Occasion::Release, Some(&old), &new));
        assert!(replaces("occupation", Occasion::Release, Some(&old), &new));
        assert!(!replaces("occupation", Occasion::Release, Some(&new), &old), "an older release renews nothing");
        assert!(!replaces("attributes.roof", Occasion::Release, Some(&origin(OFFICER, "2026-09-01")), &new), "a later correction stays");
        assert!(!replaces("attributes.roof", Occasion::Release, Some(&origin("verified", "2020-01-01")), &new));
        assert!(!replaces("no_such_field", Occasion::Merge, Some(&old), &new));
    }

    #[test]
    fn of_two_records_the_stronger_source_stands() {
        let (list, officer, registry) = (origin("p3ke", "2026-06-30"), origin(OFFICER, "2024-01-01"), origin("dukcapil", "2020-01-01"));
        assert!(replaces("name", Occasion::Merge, Some(&list), &officer));
        assert!(replaces("name", Occasion::Merge, Some(&officer), &registry));
        assert!(!replaces("name", Occasion::Merge, Some(&registry), &list));
        assert!(!replaces("name", Occasion::Merge, Some(&list), &origin("dtks", "2026-07-01")), "of one rank the one on file stays");
        assert!(replaces("address", Occasion::Merge, Some(&list), &origin("dtks", "2026-07-01")));
    }

    #[test]
    fn what_people_stated_after_a_visit_stays_and_a_list_never_does() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let visit = Origin::verified(at("2026-10-03T05:00:00Z"));
        let takes = |known: &Origin| replaces("nik", Occasion::Acceptance, Some(known), &visit);
        assert!(takes(&Origin::officer(at("2026-10-03T04:59:59Z"))) && !takes(&Origin::officer(at("2026-10-03T05:00:01Z"))));
        assert!(!takes(&Origin::verified(at("2026-10-04T00:00:00Z"))), "a later visit of another campaign");
        assert!(takes(&origin("dukcapil", "2026-11-01")) && takes(&origin("p3ke", "2026-11-01")));
        // Before moments were kept: of one day the stronger source stands.
        assert!(takes(&origin(OFFICER, "2026-10-03")) && !takes(&origin(OFFICER, "2026-10-04")));
        assert!(replaces("status", Occasion::Acceptance, None, &visit));
        let mut provenance = Provenance::whole(Origin::officer(at("2026-11-01T00:00:00Z")));
        assert_eq!(provenance.since("nik"), None, "a record's beginning is no correction");
        let corrected = Origin::officer(at("2026-11-02T00:00:00Z"));
        provenance.assign("nik", &corrected);
        assert_eq!(Provenance::stored(&provenance.to_store()).since("nik"), Some(&corrected));
    }

    #[test]
    fn what_is_assigned_is_found_again() {
        let mut provenance = Provenance::whole(origin("p3ke", "2026-06-30"));
        let officer = origin(OFFICER, "2026-11-22");
        provenance.assign("name", &officer);
        provenance.assign("address", &officer);
        assert_eq!(provenance.of("name"), Some(&officer));
        assert_eq!(provenance.of("sex").map(|origin| origin.source.as_str()), Some("p3ke"));
        provenance.assign("name", &origin("p3ke", "2026-06-30"));
        assert_eq!(provenance.of("name").map(|origin| origin.source.as_str()), Some("p3ke"));
        assert_eq!(Provenance::stored(&provenance.to_store()), provenance);
        assert_eq!(Provenance::stored(&Value::Null).of("name"), None);
    }

    proptest! {
        #[test]
        fn the_last_assigned_origin_counts_and_the_list_stays_short(
            steps in prop::collection::vec((0usize..5, 0usize..4), 0..60)
        ) {
            const FIELDS: [&str; 5] = ["name", "sex", "address", "attributes.roof", "nik"];
            const SOURCES: [&str; 4] = ["p3ke", "officer", "dtks", "verified"];
            let mut provenance = Provenance::whole(origin("p3ke", "2026-06-30"));
            let mut plain: BTreeMap<&str, &str> = FIELDS.iter().map(|field| (*field, "p3ke")).collect();
            for (field, source) in steps {
                provenance.assign(FIELDS[field], &origin(SOURCES[source], "2026-06-30"));
                plain.insert(FIELDS[field], SOURCES[source]);
            }
            for (field, source) in plain {
                prop_assert_eq!(provenance.of(field).map(|origin| origin.source.as_str()), Some(source));
            }
            prop_assert!(provenance.0.len() <= SOURCES.len());
        }

        #[test]
        fn unknown_never_replaces_known(known in prop::option::of(0u8..3), stated in prop::option::of(0u8..3), merge: bool) {
            let of_stated = Provenance::whole(origin("verified", "2026-01-01"));
            let occasion = if merge { Occasion::Merge } else { Occasion::Release };
            let mut chooser = Chooser::new(occasion, Provenance::default(), &of_stated);
            let chosen = chooser.choose("occupation", known, stated);
            prop_assert_eq!(chosen.is_some(), known.is_some() || stated.is_some());
            prop_assert_eq!(chosen == known, chooser.taken.is_empty());
        }
    }
}
