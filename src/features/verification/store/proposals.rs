//! SQL of proposals.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Bool, Text};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::VillageResult;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::Result;
use crate::platform::fixed::fixed;
use crate::platform::ids::{Level, RegionCode};
use crate::schema::{meeting_verdicts, proposals};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = proposals, check_for_backend(Pg))]
pub struct Proposal {
    /// Record id.
    pub id: Uuid,
    /// The village's result.
    pub village_result_id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The village.
    pub region_code: String,
    /// Where it stands.
    pub state: String,
    /// The whole entry, sealed.
    #[serde(skip)]
    pub entry_sealed: Option<Vec<u8>>,
    /// The family as shown, numbers masked.
    pub told: Value,
    /// The head's name.
    pub head_name: String,
    /// How many people.
    pub people: i16,
    /// How poor.
    pub eligibility: String,
    /// Answers by criterion.
    pub answers: Value,
    /// How many are met.
    pub criteria_met: i16,
    /// Index entries of its numbers.
    #[serde(skip)]
    pub numbers: Vec<Option<Vec<u8>>>,
    /// Whom it may be.
    pub candidates: Value,
    /// When somebody was there, by the phone's clock.
    pub visited_at: DateTime<Utc>,
    /// Who was there.
    pub officer_name: Option<String>,
    /// Why it is, or is not, somebody on file.
    pub reviewed_reason: Option<String>,
    /// Who said so.
    pub reviewed_by: Option<Uuid>,
    /// The family on file, or the one that came of it.
    pub beneficiary_id: Option<Uuid>,
    /// Photos and documents.
    pub attachment_ids: Vec<Option<Uuid>>,
    /// In the officer's words.
    pub note: Option<String>,
    /// Keyed digest of the entry.
    #[serde(skip)]
    pub digest: Vec<u8>,
    /// Who sent it.
    pub recorded_by: Uuid,
    /// Version.
    pub version: i32,
    /// Sent at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Proposal {
    const RESOURCE: &'static str = "proposals";
    const SENSITIVE: &'static [&'static str] =
        &["told", "head_name", "eligibility", "answers", "criteria_met", "candidates", "officer_name", "reviewed_reason", "note"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// Which proposals.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Of this village result.
    pub village_result_id: Option<Uuid>,
    /// Of this campaign.
    pub campaign_id: Option<Uuid>,
    /// In this state.
    pub state: Option<&'static str>,
    /// Waiting for somebody to say whether the family is on file, or not.
    pub needs_review: Option<bool>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

const NEEDS_REVIEW: &str = "(proposals.state = 'open' AND proposals.candidates <> '[]' AND proposals.reviewed_reason IS NULL)";
const NEEDS_NONE: &str = "(NOT (proposals.state = 'open' AND proposals.candidates <> '[]' AND proposals.reviewed_reason IS NULL))";

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Proposal>> {
    let mut query = proposals::table
        .select(Proposal::as_select())
        .filter(db.scope().within(proposals::region_code))
        .order(proposals::id)
        .limit(limit)
        .into_boxed();
    if let Some(result) = wanted.village_result_id {
        query = query.filter(proposals::village_result_id.eq(result));
    }
    if let Some(campaign) = wanted.campaign_id {
        query = query.filter(proposals::campaign_id.eq(campaign));
    }
    if let Some(state) = wanted.state {
        query = query.filter(proposals::state.eq(state));
    }
    if let Some(needs) = wanted.needs_review {
        query = query.filter(fixed::<Bool>(if needs { NEEDS_REVIEW } else { NEEDS_NONE }));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(proposals::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(proposals::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One proposal.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Proposal> {
    Ok(proposals::table
        .select(Proposal::as_select())
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One proposal, where it was sent before.
pub async fn known(db: &impl Scoped, id: Uuid) -> Result<Option<Proposal>> {
    Ok(proposals::table
        .select(Proposal::as_select())
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::id.eq(id))
        .first(&mut db.on())
        .await
        .optional()?)
}

/// One proposal to change: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Proposal> {
    let row: Proposal = proposals::table
        .select(Proposal::as_select())
        .filter(tx.scope().within(proposals::region_code))
        .filter(proposals::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Until the transaction ends nobody else proposes a family in the regency: of two who propose one at the same moment, the second
/// has to see the first.
pub async fn hold(tx: &Tx, village: &RegionCode) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext('proposals'), hashtext($1))")
        .bind::<Text, _>(village.at(Level::Regency).as_str())
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// Open proposals of the same village, and those of the country with one of these numbers. Looks beyond the scope for the same reason
/// as [`crate::features::beneficiaries::members_like`].
pub async fn rivals(tx: &Tx, village: &RegionCode, numbers: &[Vec<u8>], except: Uuid) -> Result<Vec<Proposal>> {
    Ok(proposals::table
        .select(Proposal::as_select())
        .filter(proposals::state.eq("open"))
        .filter(proposals::entry_sealed.is_not_null())
        .filter(proposals::id.ne(except))
        .filter(
            proposals::region_code
                .eq(village.as_str().to_owned())
                .or(sql::<Bool>("proposals.numbers && ").bind::<Array<Binary>, _>(numbers.to_vec())),
        )
        .order(proposals::id)
        .load(&mut tx.on())
        .await?)
}

/// Stores a new proposal.
pub async fn insert(tx: &mut Tx, row: &Proposal) -> Result<Proposal> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(proposals::table).values(row).returning(Proposal::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores one that was found to change as the next version.
pub async fn update(tx: &mut Tx, row: &Proposal) -> Result<Proposal> {
    Ok(diesel::update(proposals::table.filter(proposals::id.eq(row.id)))
        .set((
            proposals::state.eq(&row.state),
            proposals::entry_sealed.eq(&row.entry_sealed),
            proposals::numbers.eq(&row.numbers),
            proposals::candidates.eq(&row.candidates),
            proposals::reviewed_reason.eq(&row.reviewed_reason),
            proposals::reviewed_by.eq(row.reviewed_by),
            proposals::beneficiary_id.eq(row.beneficiary_id),
            proposals::version.eq(proposals::version + 1),
            proposals::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Proposal::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// The open proposals of a village, locked, each with whether the meeting takes it up.
pub async fn of_result(tx: &Tx, result: Uuid) -> Result<Vec<(Proposal, Option<bool>)>> {
    let rows: Vec<Proposal> = proposals::table
        .select(Proposal::as_select())
        .filter(tx.scope().within(proposals::region_code))
        .filter(proposals::village_result_id.eq(result))
        .filter(proposals::state.eq("open"))
        .order(proposals::id)
        .for_update()
        .load(&mut tx.on())
        .await?;
    let verdicts: Vec<(Uuid, bool)> = meeting_verdicts::table
        .filter(tx.scope().within(meeting_verdicts::region_code))
        .filter(meeting_verdicts::village_result_id.eq(result))
        .filter(meeting_verdicts::subject.eq("proposal"))
        .select((meeting_verdicts::subject_id, meeting_verdicts::confirmed))
        .load(&mut tx.on())
        .await?;
    let verdicts: HashMap<Uuid, bool> = verdicts.into_iter().collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let verdict = verdicts.get(&row.id).copied();
            (row, verdict)
        })
        .collect())
}

/// Gives a family on file to its village to visit, where it is served, lives there and was given to nobody in this campaign. Says
/// whether it was. The result is locked.
pub async fn assign_known(tx: &mut Tx, row: &VillageResult, family: Uuid) -> Result<bool> {
    tx.scope().demand(&row.village())?;
    let given = diesel::sql_query(
        "INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
         SELECT $1, id, $2, region_code FROM beneficiaries
          WHERE id = $3 AND region_code = $4 AND status = 'active' AND merged_into IS NULL
         ON CONFLICT DO NOTHING",
    )
    .bind::<diesel::sql_types::Uuid, _>(row.id)
    .bind::<diesel::sql_types::Uuid, _>(row.campaign_id)
    .bind::<diesel::sql_types::Uuid, _>(family)
    .bind::<diesel::sql_types::Text, _>(&row.region_code)
    .execute(&mut tx.on())
    .await?;
    Ok(given == 1)
}
