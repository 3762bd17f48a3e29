//! Families and members by the thousand: sealed in parallel, compared in memory, written by a handful of statements.
//!
//! A source fills in and adds, it takes nothing back: what a source does not state stays, a KK number or NIK on record
//! stays, and so do name, relation and village, which people here correct. What it may renew the rules of survivorship say.
//! Members whom the source no longer names stay too: whether somebody died or moved is for people to say.
//!
//! Two families of a source may lead to one on record, after a merge: the second finds what the first left.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;

use chrono::{NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::model::survivorship::{Chooser, Occasion, Origin, Provenance};
use super::super::model::{
    Attributes, Education, MaritalStatus, MemberStatus, MemberWarning, Occupation, Relation, needs_of, sex_name, sex_of, warnings_of,
};
use super::super::service::{NIK_KIND, need_words, rest_nik, warning_words};
use super::{Family, Member, attributes_of, flag_duplicates};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Result};
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{Nik, Sex};
use crate::schema::{beneficiaries, members};

mod write;

use write::{insert_families, insert_people, update_families, update_people};

/// A family as a source states it.
#[derive(Debug)]
pub struct ImportFamily {
    /// Its record id: known, or a new one.
    pub id: Uuid,
    /// Whether a family of this id is on record.
    pub known: bool,
    /// Its village; that of a known family stays.
    pub region: RegionCode,
    /// Address below the village.
    pub address: Option<String>,
    /// Housing, means and aid.
    pub attributes: Attributes,
    /// Its members.
    pub members: Vec<ImportMember>,
}

/// A person as a source states them.
#[derive(Debug)]
pub struct ImportMember {
    /// The record id: known, or a new one.
    pub id: Uuid,
    /// Whether a member of this id is on record.
    pub known: bool,
    /// Name.
    pub name: String,
    /// Relation to the head; a second head becomes `other` with a warning.
    pub relation: Relation,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// A word of [`MaritalStatus`]; others are left out.
    pub marital_status: Option<String>,
    /// A word of [`Occupation`]; others are left out.
    pub occupation: Option<String>,
    /// A word of [`Education`]; others are left out.
    pub education: Option<String>,
    /// NIK.
    pub nik: Option<Nik>,
}

/// What an import wrote.
#[derive(Debug, Default)]
pub struct ImportCounts {
    /// Families registered.
    pub families_new: usize,
    /// Families that were on record; each is a version further, for its rank may have changed with it.
    pub families_known: usize,
    /// Members registered.
    pub people_new: usize,
    /// Members on record of whom the source said something new.
    pub people_changed: usize,
    /// Families on record that have left the scope since; nothing of them was written.
    pub elsewhere: HashSet<Uuid>,
    /// One change a family, members counted in it; to be committed by the caller.
    pub changes: Vec<Change>,
}

/// A NIK ready to be written, and its entries under older keys.
struct Number {
    sealed: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    mask: Option<String>,
    older: Vec<Vec<u8>>,
}

/// Families whose numbers are sealed.
pub struct Prepared {
    families: Vec<(ImportFamily, HashMap<Uuid, Number>)>,
}

/// Seals the numbers of a batch on every processor; computes for a few microseconds a person and touches no database.
pub fn prepare(keys: &KeyRing, mut families: Vec<ImportFamily>) -> Result<Prepared> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(8);
    let share = families.len().div_ceil(threads).max(1);
    let mut parts = Vec::new();
    while !families.is_empty() {
        let rest = families.split_off(share.min(families.len()));
        parts.push(std::mem::replace(&mut families, rest));
    }
    let sealed: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || part.into_iter().map(|family| numbered(keys, family)).collect::<Result<Vec<_>>>()))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("sealing panicked").into()))).collect()
    });
    Ok(Prepared { families: sealed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect() })
}

fn numbered(keys: &KeyRing, family: ImportFamily) -> Result<(ImportFamily, HashMap<Uuid, Number>)> {
    let mut numbers = HashMap::with_capacity(family.members.len());
    for member in &family.members {
        if let Some(nik) = &member.nik {
            let (sealed, index, mask) = rest_nik(keys, member.id, Some(nik))?;
            let older = keys.indexes(NIK_KIND, nik.expose().as_bytes())?.into_iter().skip(1).collect();
            numbers.insert(member.id, Number { sealed, index, mask, older });
        }
    }
    Ok((family, numbers))
}

/// Writes a batch that was sealed before, some hundred families at a time, as this source states it. The caller commits the
/// changes.
pub async fn import_prepared(tx: &mut Tx, batch: Prepared, origin: Origin) -> Result<ImportCounts> {
    let Prepared { families } = batch;
    let mut records = known(tx, &families).await?;
    let mut work = Work::of(Provenance::whole(origin));
    for (family, numbers) in families {
        work.take(tx, family, numbers, &mut records)?;
    }
    work.write(tx).await
}

/// What is on record of a batch.
struct Records {
    families: HashMap<Uuid, Family>,
    members: HashMap<Uuid, Member>,
    /// The members of each known family.
    households: HashMap<Uuid, Vec<Uuid>>,
}

async fn known(tx: &Tx, families: &[(ImportFamily, HashMap<Uuid, Number>)]) -> Result<Records> {
    let family_ids: Vec<Uuid> = families.iter().filter(|(family, _)| family.known).map(|(family, _)| family.id).collect();
    let people = families.iter().flat_map(|(family, _)| &family.members);
    let member_ids: Vec<Uuid> = people.filter(|member| member.known).map(|member| member.id).collect();
    let mut records = Records { families: HashMap::new(), members: HashMap::new(), households: HashMap::new() };
    if family_ids.is_empty() && member_ids.is_empty() {
        return Ok(records);
    }
    let found: Vec<Family> = beneficiaries::table
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq_any(&family_ids))
        .select(Family::as_select())
        .order(beneficiaries::id)
        .for_update()
        .load(&mut tx.on())
        .await?;
    if found.iter().any(|family| family.merged_into.is_some()) {
        return Err(anyhow::anyhow!("a family was merged while a batch that names it was made ready").into());
    }
    let people: Vec<Member> = members::table
        .inner_join(beneficiaries::table)
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(members::beneficiary_id.eq_any(&family_ids).or(members::id.eq_any(&member_ids)))
        .select(Member::as_select())
        .order(members::id)
        .for_update()
        .load(&mut tx.on())
        .await?;
    records.families = found.into_iter().map(|family| (family.id, family)).collect();
    for member in people {
        records.households.entry(member.beneficiary_id).or_default().push(member.id);
        records.members.insert(member.id, member);
    }
    Ok(records)
}

/// Rows to write.
struct Work {
    /// Where everything of this batch comes from.
    stated: Provenance,
    /// The same as it is stored, made once for all rows.
    stored: Value,
    new_families: Vec<Family>,
    changed_families: HashMap<Uuid, Family>,
    new_members: Vec<Member>,
    changed_members: HashMap<Uuid, Member>,
    entries: HashMap<Vec<u8>, Vec<u8>>,
    regions: HashSet<String>,
    counts: ImportCounts,
}

impl Work {
    fn of(stated: Provenance) -> Work {
        Work {
            stored: stated.to_store(),
            stated,
            new_families: Vec::new(),
            changed_families: HashMap::new(),
            new_members: Vec::new(),
            changed_members: HashMap::new(),
            entries: HashMap::new(),
            regions: HashSet::new(),
            counts: ImportCounts::default(),
        }
    }

    fn take(&mut self, tx: &Tx, family: ImportFamily, mut numbers: HashMap<Uuid, Number>, records: &mut Records) -> Result<()> {
        let ImportFamily { id, known, region, address, attributes, members } = family;
        let old = if known { records.families.get(&id).cloned() } else { None };
        if known && old.is_none() {
            self.counts.elsewhere.insert(id);
            return Ok(());
        }
        let region = old.as_ref().map_or(region, Family::region);
        if !self.regions.contains(region.as_str()) {
            tx.scope().demand(&region)?;
            if region.level() != Level::Village {
                return Err(Code::RegionNotFound.into());
            }
            self.regions.insert(region.as_str().to_owned());
        }
        let mut household: HashMap<Uuid, Member> =
            records.households.remove(&id).unwrap_or_default().into_iter().filter_map(|id| records.members.remove_entry(&id)).collect();
        let mut has_head = household.values().any(Member::is_present_head);
        let (mut added, mut changed) = (Vec::new(), 0usize);
        for person in members {
            let number = numbers.remove(&person.id);
            if !person.known {
                let member = self.registered(id, &region, person, number, &mut has_head);
                added.push(member);
                continue;
            }
            // A person on record in another family stays there: whether they moved is for people to say.
            let elsewhere = records.members.get_mut(&person.id);
            // Nor is anything written of one whose family has left the scope.
            let Some(member) = household.get_mut(&person.id).or(elsewhere) else { continue };
            if self.filled_in(member, &region, person, number) {
                changed += 1;
                self.changed_members.insert(member.id, member.clone());
            }
        }
        let persons: Vec<_> = household.values().chain(&added).map(Member::person).collect();
        let (address, merged, provenance) = match &old {
            None => (address, attributes, self.stored.clone()),
            Some(old) => {
                let mut chooser = Chooser::new(Occasion::Release, Provenance::stored(&old.provenance), &self.stated);
                let address = chooser.choose("address", old.address.clone(), address);
                let merged = attributes_of(&old.attributes).chosen(attributes, &mut chooser);
                (address, merged, chooser.known.to_store())
            }
        };
        let now = Utc::now();
        let needs = need_words(needs_of(&merged, &persons, now.date_naive()));
        let (new, change) = match old {
            None => {
                let new = Family {
                    id,
                    region_code: region.as_str().to_owned(),
                    address,
                    kk_sealed: None,
                    kk_index: None,
                    kk_mask: None,
                    status: "active".into(),
                    inactive_reason: None,
                    attributes: json!(merged),
                    needs,
                    merged_into: None,
                    provenance,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                };
                (new, Change::new(Family::RESOURCE, id, region, "imported"))
            }
            Some(old) => {
                let mut new = old.clone();
                new.address = address;
                new.provenance = provenance;
                new.attributes = json!(merged);
                new.needs = needs;
                (new.clone(), Change::turned("imported", &old, &new))
            }
        };
        self.counts.changes.push(change.with("members_added", json!(added.len())).with("members_changed", json!(changed)));
        if known {
            records.households.insert(id, household.keys().copied().chain(added.iter().map(|member| member.id)).collect());
            records.members.extend(household);
            records.members.extend(added.iter().map(|member| (member.id, member.clone())));
            records.families.insert(id, new.clone());
            self.changed_families.insert(id, new);
        } else {
            self.new_families.push(new);
        }
        self.new_members.append(&mut added);
        Ok(())
    }

    /// A member who was not on record.
    fn registered(
        &mut self,
        family: Uuid,
        region: &RegionCode,
        person: ImportMember,
        number: Option<Number>,
        has_head: &mut bool,
    ) -> Member {
        let ImportMember { id, known: _, name, relation, sex, birth_date, marital_status, occupation, education, nik } = person;
        let mut warnings = warnings_of(nik.as_ref(), birth_date, sex, region, false);
        let relation = match relation {
            Relation::Head if *has_head => {
                warnings.push(MemberWarning::HeadDisputed);
                Relation::Other
            }
            relation => relation,
        };
        *has_head |= relation == Relation::Head;
        self.note(number.as_ref());
        let number = number.unwrap_or(Number { sealed: None, index: None, mask: None, older: Vec::new() });
        let now = Utc::now();
        Member {
            id,
            beneficiary_id: family,
            name,
            relation: relation.name().into(),
            sex: sex.map(|sex| sex_name(sex).into()),
            birth_date,
            mother_name: None,
            marital_status: marital_status.filter(|word| MaritalStatus::parse(word).is_some()),
            occupation: occupation.filter(|word| Occupation::parse(word).is_some()),
            education: education.filter(|word| Education::parse(word).is_some()),
            nik_sealed: number.sealed,
            nik_index: number.index,
            nik_mask: number.mask,
            status: MemberStatus::Present.name().into(),
            warnings: warning_words(warnings),
            merged_into: None,
            provenance: self.stored.clone(),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Fills in what is missing and renews what the rules let a release renew; says whether anything is new.
    fn filled_in(&mut self, member: &mut Member, region: &RegionCode, person: ImportMember, number: Option<Number>) -> bool {
        let ImportMember { id: _, known: _, name: _, relation: _, sex, birth_date, marital_status, occupation, education, nik } = person;
        let mut chooser = Chooser::new(Occasion::Release, Provenance::stored(&member.provenance), &self.stated);
        member.sex = chooser.choose("sex", member.sex.take(), sex.map(|sex| sex_name(sex).into()));
        member.birth_date = chooser.choose("birth_date", member.birth_date, birth_date);
        for (field, known, stated, is_word) in [
            (
                "marital_status",
                &mut member.marital_status,
                marital_status,
                (|word| MaritalStatus::parse(word).is_some()) as fn(&str) -> bool,
            ),
            ("occupation", &mut member.occupation, occupation, |word| Occupation::parse(word).is_some()),
            ("education", &mut member.education, education, |word| Education::parse(word).is_some()),
        ] {
            *known = chooser.choose(field, known.take(), stated.filter(|word| is_word(word)));
        }
        let number = number.filter(|number| chooser.takes("nik", member.nik_index.as_ref(), number.index.as_ref()));
        let Chooser { known, taken, .. } = chooser;
        if taken.is_empty() {
            return false;
        }
        member.provenance = known.to_store();
        if let Some(number) = number {
            self.note(Some(&number));
            (member.nik_sealed, member.nik_index, member.nik_mask) = (number.sealed, number.index, number.mask);
            let sex = member.sex.as_deref().and_then(sex_of);
            let disputed = member.warnings.iter().flatten().any(|word| word == MemberWarning::HeadDisputed.name());
            let mut warnings = warnings_of(nik.as_ref(), member.birth_date, sex, region, false);
            warnings.extend(disputed.then_some(MemberWarning::HeadDisputed));
            member.warnings = warning_words(warnings);
        }
        true
    }

    /// Remembers a number that is written, to look for others who have it.
    fn note(&mut self, number: Option<&Number>) {
        let Some((index, older)) = number.and_then(|number| Some((number.index.clone()?, &number.older))) else { return };
        for entry in older {
            self.entries.insert(entry.clone(), index.clone());
        }
        self.entries.insert(index.clone(), index);
    }

    async fn write(self, tx: &mut Tx) -> Result<ImportCounts> {
        let Work { stated: _, stored, new_families, changed_families, new_members, changed_members, entries, regions: _, mut counts } =
            self;
        (counts.families_new, counts.families_known) = (new_families.len(), changed_families.len());
        (counts.people_new, counts.people_changed) = (new_members.len(), changed_members.len());
        let own: Vec<Uuid> = new_members.iter().chain(changed_members.values()).map(|member| member.id).collect();
        insert_families(tx, new_families, &stored).await?;
        update_families(tx, changed_families.into_values().collect()).await?;
        insert_people(tx, new_members, &stored).await?;
        update_people(tx, changed_members.into_values().collect()).await?;
        counts.changes.extend(flag_duplicates(tx, entries, &own).await?);
        Ok(counts)
    }
}

#[derive(QueryableByName)]
struct Renewed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    region_code: String,
}

/// Families whose rank changed without a statement of theirs: each is a version further, for its rank is shown with it.
/// Gives a change for each.
pub async fn reranked(tx: &mut Tx, families: &[Uuid]) -> Result<Vec<Change>> {
    let rows: Vec<Renewed> = diesel::sql_query(
        "UPDATE beneficiaries SET version = version + 1, updated_at = now() WHERE id = ANY($1) RETURNING id, region_code",
    )
    .bind::<Array<SqlUuid>, _>(families)
    .load(&mut tx.on())
    .await?;
    let told = |row: Renewed| Change::new(Family::RESOURCE, row.id, RegionCode::stored(&row.region_code), "reranked");
    Ok(rows.into_iter().map(told).collect())
}
