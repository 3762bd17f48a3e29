//! What people decided, as a run looks it up: by the people of today.
//!
//! A member who was merged into another is no longer there to be found, but what was decided about them holds for whom they
//! turned out to be. It is looked up anew for every run, so undoing the merge takes it back from later ones. While keys are
//! changed, a decision may name people as another release of theirs does: it holds for them all the same. A pair that a carried
//! decision holds for keeps the keys under which it was taken: so it is shown, counted and undone like any other.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::model::Outcome;
use super::people::{key, member_key, member_of, ordered};
use super::store::{self, Standing};
use crate::features::{beneficiaries, datasets};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// The lasting keys of two people, the smaller first.
pub type Keys = (String, String);

/// Decisions that stand.
#[derive(Debug, Default)]
pub struct Decided {
    standing: Standing,
    /// By the keys of today those under which it was decided, where they differ.
    carried: HashMap<Keys, Keys>,
}

impl Decided {
    /// Those of the scope.
    pub async fn read(db: &impl Scoped) -> Result<Decided> {
        Decided::by_names(db, store::decisions_standing(db).await?, HashMap::new()).await
    }

    /// The same for a run on these releases, whose statements may not call people by the names under which they were decided about.
    pub async fn read_for(db: &impl Scoped, keys: &KeyRing, releases: &[Uuid]) -> Result<Decided> {
        let standing = store::decisions_standing(db).await?;
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        if !standing.is_empty() && datasets::between_keys(db, releases).await? {
            let mentioned: HashSet<&str> = standing.keys().flat_map(|(one, other)| [one.as_str(), other]).collect();
            for release in releases {
                let dataset = datasets::find_kept(db, *release).await?.dataset_id;
                datasets::other_names(db, keys, *release, |other, own| {
                    let other = key(dataset, &other);
                    if mentioned.contains(other.as_str()) {
                        names.entry(other).or_default().push(key(dataset, own));
                    }
                })
                .await?;
            }
        }
        Decided::by_names(db, standing, names).await
    }

    async fn by_names(db: &impl Scoped, standing: Standing, mut names: HashMap<String, Vec<String>>) -> Result<Decided> {
        let members: BTreeSet<Uuid> = standing.keys().flat_map(|(one, other)| [one, other]).filter_map(|key| member_of(key)).collect();
        let kept = match members.is_empty() {
            true => HashMap::new(),
            false => beneficiaries::kept_members(db, members.into_iter().collect()).await?,
        };
        names.extend(kept.into_iter().map(|(merged, (kept, _))| (member_key(merged), vec![member_key(kept)])));
        Ok(Decided::of(standing, &names))
    }

    /// By every name that those of today have who were decided about under another: two releases of one dataset may each have their own.
    fn of(standing: Standing, names: &HashMap<String, Vec<String>>) -> Decided {
        let called =
            |key: &str| -> Vec<String> { std::iter::once(key.to_owned()).chain(names.get(key).into_iter().flatten().cloned()).collect() };
        // What holds goes before what is proposed, and what was decided about the kept member before both.
        let mut moved: Vec<(bool, &Keys, Keys)> = Vec::new();
        for (keys, outcome) in &standing {
            let others = called(&keys.1);
            for one in called(&keys.0) {
                moved.extend(others.iter().map(|other| (outcome.is_none(), keys, ordered(one.clone(), other.clone()))));
            }
        }
        moved.sort();
        let mut carried = HashMap::new();
        for (_, keys, now) in moved {
            if !standing.contains_key(&now) {
                carried.entry(now).or_insert_with(|| keys.clone());
            }
        }
        Decided { standing, carried }
    }

    /// What holds for two people, by the keys of their pair.
    pub fn outcome(&self, keys: &Keys) -> Option<Outcome> {
        self.standing.get(keys).copied().flatten()
    }

    /// The keys that a pair of these two people has.
    pub fn keys_of(&self, one: String, other: String) -> Keys {
        let keys = ordered(one, other);
        self.carried.get(&keys).cloned().unwrap_or(keys)
    }

    /// Who was decided to be one: the keys of the pair, and all by which the two people may be called today.
    pub fn ones(&self) -> impl Iterator<Item = (&Keys, Vec<&Keys>)> {
        let mut today: HashMap<&Keys, Vec<&Keys>> = HashMap::new();
        for (now, keys) in &self.carried {
            today.entry(keys).or_default().push(now);
        }
        let held = self.standing.iter().filter(|(_, outcome)| **outcome == Some(Outcome::Match));
        held.map(move |(keys, _)| {
            let mut all: Vec<&Keys> = std::iter::once(keys).chain(today.remove(keys).unwrap_or_default()).collect();
            all.sort();
            (keys, all)
        })
    }

    /// Whether nobody decided anything.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// The keys about which the two say different things.
    pub fn differing<'d>(&'d self, other: &'d Decided) -> BTreeSet<&'d Keys> {
        let keys = self.standing.keys().chain(other.standing.keys());
        keys.filter(|keys| self.outcome(keys) != other.outcome(keys)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_about_a_merged_member_holds_for_the_kept_one() {
        let (merged, kept, other) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let pair = |source: &str, id: Uuid| ordered(format!("d/{source}"), member_key(id));
        let standing: Standing = [
            (pair("a", merged), Some(Outcome::Match)),
            // The kept one has a decision of their own.
            (pair("b", merged), Some(Outcome::NoMatch)),
            (pair("b", kept), Some(Outcome::Match)),
            // Only proposed about one merged member, in force about another.
            (pair("c", merged), None),
            (pair("c", other), Some(Outcome::NoMatch)),
        ]
        .into();
        let leads = HashMap::from([merged, other].map(|gone| (member_key(gone), vec![member_key(kept)])));
        let decided = Decided::of(standing.clone(), &leads);
        let of = |decided: &Decided, source: &str, id: Uuid| {
            let (one, other) = pair(source, id);
            decided.outcome(&decided.keys_of(one, other))
        };
        assert_eq!(of(&decided, "a", kept), Some(Outcome::Match));
        assert_eq!(of(&decided, "b", kept), Some(Outcome::Match));
        assert_eq!(of(&decided, "c", kept), Some(Outcome::NoMatch));
        assert_eq!(decided.keys_of("d/a".into(), member_key(kept)), pair("a", merged), "under the keys it was taken");
        assert!(decided.ones().any(|(keys, today)| *keys == pair("a", merged) && today.contains(&&pair("a", kept))));
        // Undone, each is who they were.
        let apart = Decided::of(standing, &HashMap::new());
        assert_eq!((of(&apart, "a", kept), of(&apart, "a", merged)), (None, Some(Outcome::Match)));
        assert_eq!(decided.differing(&apart).len(), 0);
    }

    #[test]
    fn a_decision_holds_whichever_of_two_releases_calls_a_person_by_an_older_name() {
        let pair = |one: &str, other: &str| ordered(one.to_owned(), other.to_owned());
        let standing: Standing = [(pair("d/p1", "d/r1"), Some(Outcome::NoMatch)), (pair("d/s2", "d/t2"), Some(Outcome::Match))].into();
        // One release rests under the first key, the other under the second, and both name all four.
        let names = ["p", "r", "s", "t"].map(|who| {
            let (first, second) = (format!("d/{who}1"), format!("d/{who}2"));
            if "pr".contains(who) { (first, vec![second]) } else { (second, vec![first]) }
        });
        let decided = Decided::of(standing, &HashMap::from(names));
        for left in ["1", "2"] {
            for right in ["1", "2"] {
                let outcome =
                    |one: &str, other: &str| decided.outcome(&decided.keys_of(format!("d/{one}{left}"), format!("d/{other}{right}")));
                assert_eq!((outcome("p", "r"), outcome("s", "t")), (Some(Outcome::NoMatch), Some(Outcome::Match)), "{left} {right}");
            }
        }
        let (keys, today) = decided.ones().next().unwrap();
        assert_eq!((keys, today.len()), (&pair("d/s2", "d/t2"), 4));
    }
}
