//! Rows on their way from what they were to what they shall be.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::super::model::demand_one_head;
use super::super::numbers::nik_of;
use super::super::service::{entries_of, next, reviewed, touched};
use super::super::store::{self, Family, Member, TrackedMember};
use super::journal::{Image, Journal, fields_of_family, fields_of_member};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::Tx;
use crate::platform::error::Result;
use crate::platform::seal::KeyRing;

/// Rows as they stood and as they shall stand, each with what is told of it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) before: (BTreeMap<Uuid, Family>, BTreeMap<Uuid, Member>),
    pub(super) families: BTreeMap<Uuid, (Family, &'static str)>,
    pub(super) members: BTreeMap<Uuid, (Member, &'static str)>,
}

impl Draft {
    pub(super) fn of(found: &[(Family, Vec<Member>)]) -> Draft {
        let mut draft = Draft::default();
        for (family, people) in found {
            draft.before.0.insert(family.id, family.clone());
            draft.before.1.extend(people.iter().map(|member| (member.id, member.clone())));
        }
        draft
    }

    /// Everybody of a family as they shall be.
    pub(super) fn people_of(&self, family: Uuid) -> Vec<Member> {
        let now = |(id, member): (&Uuid, &Member)| self.members.get(id).map_or(member, |(member, _)| member).clone();
        self.before.1.iter().map(now).filter(|member| member.beneficiary_id == family).collect()
    }

    /// Derives what is derived, writes all rows, and tells what changed.
    pub(super) async fn write(mut self, tx: &mut Tx, keys: &KeyRing) -> Result<(Vec<Change>, Journal)> {
        let mut journal = Journal::default();
        let mut entries = HashMap::new();
        for member in self.before.1.values().chain(self.members.values().map(|(member, _)| member)) {
            if let Some(nik) = nik_of(keys, member)? {
                entries.extend(entries_of(keys, &nik)?);
            }
        }
        let homes: HashMap<Uuid, Family> =
            self.before.0.iter().map(|(id, family)| (*id, self.families.get(id).map_or(family, |(family, _)| family).clone())).collect();
        for (member, _) in self.members.values_mut() {
            let home = homes.get(&member.beneficiary_id).ok_or_else(|| anyhow::anyhow!("member {} has no family", member.id))?;
            member.warnings = reviewed(keys, member, &home.region())?;
            *member = touched(member.clone());
        }
        for (id, home) in homes {
            let people = self.people_of(id);
            let (family, action) = self.families.remove(&id).unwrap_or((home, "restructured"));
            if family.merged_into.is_none() {
                demand_one_head(people.iter().map(Member::place))?;
            }
            self.families.insert(id, (next(&family, &people), action));
        }
        for (id, (family, _)) in &self.families {
            if let Some(before) = self.before.0.get(id) {
                journal.families.extend(Image::of(*id, fields_of_family(keys, before)?, fields_of_family(keys, family)?));
            }
        }
        for (id, (member, _)) in &self.members {
            if let Some(before) = self.before.1.get(id) {
                journal.members.extend(Image::of(*id, fields_of_member(keys, before)?, fields_of_member(keys, member)?));
            }
        }
        let families: Vec<Family> = self.families.values().map(|(family, _)| family.clone()).collect();
        let people: Vec<Member> = self.members.values().map(|(member, _)| member.clone()).collect();
        store::restructure(tx, &families, &people).await?;
        let own: Vec<Uuid> = people.iter().map(|member| member.id).collect();
        let others = store::flag_duplicates(tx, entries, &own).await?;
        let mut changes = Vec::new();
        for (id, (family, action)) in &self.families {
            changes.extend(self.before.0.get(id).map(|before| Change::turned(action, before, family)));
        }
        for (id, (member, action)) in &self.members {
            let Some(before) = self.before.1.get(id) else { continue };
            let (Some(old_home), Some((home, _))) = (self.before.0.get(&before.beneficiary_id), self.families.get(&member.beneficiary_id))
            else {
                continue;
            };
            changes.push(Change::turned(action, &TrackedMember::of(before, old_home), &TrackedMember::of(member, home)));
        }
        changes.extend(others);
        Ok((changes, journal))
    }
}
