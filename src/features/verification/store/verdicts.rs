//! SQL of what village meetings decided.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::{assigned_families, meeting_verdicts, proposals, visits};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = meeting_verdicts, check_for_backend(Pg))]
pub struct Verdict {
    /// The village's result.
    pub village_result_id: Uuid,
    /// The family or the proposal.
    pub subject_id: Uuid,
    /// `family` or `proposal`.
    pub subject: String,
    /// The village.
    pub region_code: String,
    /// How poor the meeting judges them.
    pub eligibility: String,
    /// Of a proposal: whether the meeting takes it up.
    pub confirmed: bool,
    /// Why otherwise than the visit.
    pub reason: Option<String>,
    /// Who wrote it down.
    pub recorded_by: Uuid,
    /// Recorded at.
    pub updated_at: DateTime<Utc>,
}

/// What the visit, or the proposal, says of the subject of a verdict.
#[derive(Debug, Clone)]
pub struct Judged {
    /// How the family was found; none where nobody was there. Of a proposal its state.
    pub found: Option<String>,
    /// How poor.
    pub eligibility: Option<String>,
}

/// Those of these families that are assigned to a village, each with the visit that stands.
pub async fn families_of(db: &impl Scoped, result: Uuid, ids: &[Uuid]) -> Result<HashMap<Uuid, Judged>> {
    let rows: Vec<(Uuid, Option<String>, Option<String>)> = assigned_families::table
        .left_join(
            visits::table.on(visits::village_result_id
                .eq(assigned_families::village_result_id)
                .and(visits::beneficiary_id.eq(assigned_families::beneficiary_id))
                .and(visits::state.eq("standing"))),
        )
        .filter(db.scope().within(assigned_families::region_code))
        .filter(assigned_families::village_result_id.eq(result))
        .filter(assigned_families::given_away_at.is_null())
        .filter(assigned_families::beneficiary_id.eq_any(ids))
        .select((assigned_families::beneficiary_id, visits::presence.nullable(), visits::eligibility.nullable()))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().map(|(id, found, eligibility)| (id, Judged { found, eligibility })).collect())
}

/// Those of these proposals that are a village's.
pub async fn of_proposals(db: &impl Scoped, result: Uuid, ids: &[Uuid]) -> Result<HashMap<Uuid, Judged>> {
    let rows: Vec<(Uuid, String, String)> = proposals::table
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::village_result_id.eq(result))
        .filter(proposals::id.eq_any(ids))
        .select((proposals::id, proposals::state, proposals::eligibility))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().map(|(id, state, eligibility)| (id, Judged { found: Some(state), eligibility: Some(eligibility) })).collect())
}

/// Records verdicts in the place of earlier ones about the same subjects.
pub async fn record(tx: &mut Tx, rows: &[Verdict]) -> Result<()> {
    diesel::insert_into(meeting_verdicts::table)
        .values(rows)
        .on_conflict((meeting_verdicts::village_result_id, meeting_verdicts::subject_id))
        .do_update()
        .set((
            meeting_verdicts::eligibility.eq(excluded(meeting_verdicts::eligibility)),
            meeting_verdicts::confirmed.eq(excluded(meeting_verdicts::confirmed)),
            meeting_verdicts::reason.eq(excluded(meeting_verdicts::reason)),
            meeting_verdicts::recorded_by.eq(excluded(meeting_verdicts::recorded_by)),
            meeting_verdicts::updated_at.eq(excluded(meeting_verdicts::updated_at)),
        ))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// A page in the order of subjects.
pub async fn list(db: &impl Scoped, result: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Verdict>> {
    let mut query = meeting_verdicts::table
        .select(Verdict::as_select())
        .filter(db.scope().within(meeting_verdicts::region_code))
        .filter(meeting_verdicts::village_result_id.eq(result))
        .order(meeting_verdicts::subject_id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(meeting_verdicts::subject_id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}
