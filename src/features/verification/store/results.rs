//! SQL of village results: where a village stands, what is still to be done there, and what its visits bring.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::model::{Due, Late, ResultState, Taken};
use super::progress::verification_progress;
use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::fixed::fixed;
use crate::platform::ids::RegionCode;
use crate::schema::{
    assigned_families, beneficiaries, campaign_subdistricts, meeting_verdicts, proposals, verification_campaigns, village_results, visits,
};

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, AsChangeset, Serialize)]
#[diesel(table_name = village_results, check_for_backend(Pg), treat_none_as_null = true)]
pub struct VillageResult {
    /// Record id.
    pub id: Uuid,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The village.
    pub region_code: String,
    /// Where it stands.
    pub state: String,
    /// How the village confirmed it.
    pub meeting_kind: Option<String>,
    /// Number of the minutes.
    pub meeting_number: Option<String>,
    /// Day of the meeting.
    pub meeting_on: Option<NaiveDate>,
    /// How many came.
    pub meeting_attendants: Option<i32>,
    /// Who chaired it.
    pub meeting_chair: Option<String>,
    /// The minutes.
    pub minutes_id: Option<Uuid>,
    /// The list of those who came.
    pub attendance_id: Option<Uuid>,
    /// First day of the posting.
    pub posted_from: Option<NaiveDate>,
    /// Last day of the posting.
    pub posted_until: Option<NaiveDate>,
    /// When finalised.
    pub finalised_at: Option<DateTime<Utc>>,
    /// By whom.
    pub finalised_by: Option<Uuid>,
    /// When forwarded.
    pub forwarded_at: Option<DateTime<Utc>>,
    /// By whom.
    pub forwarded_by: Option<Uuid>,
    /// With which letter.
    pub forward_letter: Option<String>,
    /// When accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// By whom.
    pub accepted_by: Option<Uuid>,
    /// When it last went back.
    pub returned_at: Option<DateTime<Utc>>,
    /// By whom.
    pub returned_by: Option<Uuid>,
    /// Said with the last step.
    pub note: Option<String>,
    /// What the acceptance could not carry over.
    pub not_applied: Value,
    /// Version.
    pub version: i32,
    /// Made at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl VillageResult {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<ResultState> {
        ResultState::parse(&self.state).ok_or_else(|| Error::Internal(anyhow::anyhow!("a village result in an unknown state")))
    }

    /// Its village.
    pub fn village(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

impl Tracked for VillageResult {
    const RESOURCE: &'static str = "village-results";
    const SENSITIVE: &'static [&'static str] = &["meeting_chair", "note"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        self.village()
    }
}

/// The days of its subdistrict.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = campaign_subdistricts, check_for_backend(Pg))]
pub struct Days {
    /// First day.
    pub starts_on: NaiveDate,
    /// The village head has finalised.
    pub finalise_by: NaiveDate,
    /// The camat has forwarded.
    pub forward_by: NaiveDate,
    /// The regency has accepted.
    pub accept_by: NaiveDate,
}

impl Days {
    /// What is late today.
    pub fn late(&self, row: &VillageResult, today: NaiveDate) -> Result<Late> {
        let on = |at: Option<DateTime<Utc>>| at.map(|at| at.date_naive());
        let taken = Taken { finalised: on(row.finalised_at), forwarded: on(row.forwarded_at), accepted: on(row.accepted_at) };
        let due = Due { finalise: self.finalise_by, forward: self.forward_by, accept: self.accept_by };
        Ok(due.late(row.standing()?, taken, today))
    }
}

/// How far a village is.
#[derive(Debug, Clone, Copy, Default, Queryable, Selectable)]
#[diesel(table_name = verification_progress, check_for_backend(Pg))]
pub struct Progress {
    pub assigned: i64,
    pub visited: i64,
    pub found: i64,
    pub not_found: i64,
    pub deceased: i64,
    pub moved_within: i64,
    pub moved_out: i64,
    pub duplicate: i64,
    pub refused: i64,
    pub extreme_poor: i64,
    pub poor: i64,
    pub vulnerable: i64,
    pub capable: i64,
    pub conflicts: i64,
    pub proposed: i64,
    pub on_file: i64,
    pub registered: i64,
}

/// Which results.
#[derive(Debug, Default)]
pub struct Wanted {
    /// This one.
    pub id: Option<Uuid>,
    /// Of this campaign.
    pub campaign_id: Option<Uuid>,
    /// In or under this region.
    pub region: Option<RegionCode>,
    /// In this state.
    pub state: Option<&'static str>,
    /// Whose next step is overdue, or not.
    pub late: Option<bool>,
}

/// Whether the next step is overdue.
const LATE: &str = "(coalesce(CASE village_results.state WHEN 'finalised' THEN campaign_subdistricts.forward_by
    WHEN 'forwarded' THEN campaign_subdistricts.accept_by WHEN 'accepted' THEN NULL ELSE campaign_subdistricts.finalise_by END
    < (now() AT TIME ZONE 'UTC')::date, FALSE))";

/// A page in id order, each with the days of its subdistrict.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<(VillageResult, Days)>> {
    let of_subdistrict = campaign_subdistricts::campaign_id
        .eq(village_results::campaign_id)
        .and(fixed::<Bool>("campaign_subdistricts.region_code = left(village_results.region_code, 8)"));
    let mut query = village_results::table
        .inner_join(campaign_subdistricts::table.on(of_subdistrict))
        .select((VillageResult::as_select(), Days::as_select()))
        .filter(db.scope().within(village_results::region_code))
        .order(village_results::id)
        .limit(limit)
        .into_boxed();
    if let Some(id) = wanted.id {
        query = query.filter(village_results::id.eq(id));
    }
    if let Some(campaign) = wanted.campaign_id {
        query = query.filter(village_results::campaign_id.eq(campaign));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(village_results::region_code, region));
    }
    if let Some(state) = wanted.state {
        query = query.filter(village_results::state.eq(state));
    }
    if let Some(late) = wanted.late {
        query = query.filter(fixed::<Bool>(LATE).eq(late));
    }
    if let Some(after) = after {
        query = query.filter(village_results::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One result.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<(VillageResult, Days)> {
    let found = list(db, &Wanted { id: Some(id), ..Wanted::default() }, None, 1).await?;
    found.into_iter().next().ok_or_else(|| Code::NotFound.into())
}

/// How far some villages are.
pub async fn progress(db: &impl Scoped, ids: &[Uuid]) -> Result<HashMap<Uuid, Progress>> {
    let rows: Vec<(Uuid, Progress)> = verification_progress::table
        .filter(verification_progress::village_result_id.eq_any(ids))
        .select((verification_progress::village_result_id, Progress::as_select()))
        .load(&mut db.on())
        .await?;
    Ok(rows.into_iter().collect())
}

/// One result to change: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<VillageResult> {
    let row: VillageResult = village_results::table
        .select(VillageResult::as_select())
        .filter(tx.scope().within(village_results::region_code))
        .filter(village_results::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Refuses while the campaign is not open: planned, or over.
pub async fn demand_campaign_open(tx: &Tx, row: &VillageResult) -> Result<()> {
    let state: String = verification_campaigns::table
        .filter(tx.scope().reaching(verification_campaigns::region_code))
        .filter(verification_campaigns::id.eq(row.campaign_id))
        .select(verification_campaigns::state)
        .first(&mut tx.on())
        .await?;
    if state == "open" { Ok(()) } else { Err(Code::CampaignNotOpen.into()) }
}

/// The one gate for whatever a village writes: its result, locked, while it takes visits, proposals and verdicts. Refused where the
/// village has handed it over or the campaign is not open.
pub async fn find_open_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<VillageResult> {
    let row = find_to_change(tx, id, expected).await?;
    demand_campaign_open(tx, &row).await?;
    if row.standing()?.is_open() { Ok(row) } else { Err(Code::ResultNotOpen.into()) }
}

/// Stores a row that was found to change as the next version.
pub async fn update(tx: &mut Tx, row: &VillageResult) -> Result<VillageResult> {
    let next = VillageResult { version: row.version + 1, updated_at: Utc::now(), ..row.clone() };
    Ok(diesel::update(village_results::table.filter(village_results::id.eq(row.id)))
        .set(&next)
        .returning(VillageResult::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// Counts up the version of a row that was found to change: whoever finalises the version they read finalises its verdicts.
pub async fn touch(tx: &mut Tx, id: Uuid) -> Result<()> {
    diesel::update(village_results::table.filter(village_results::id.eq(id)))
        .set((village_results::version.eq(village_results::version + 1), village_results::updated_at.eq(diesel::dsl::now)))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// What keeps a village from finalising.
#[derive(Debug, Clone, Copy)]
pub struct OpenWork {
    /// Assigned families without a visit that stands.
    pub missing: i64,
    /// Visits that contradict.
    pub conflicts: i64,
    /// Open proposals without a verdict of the meeting.
    pub undecided: i64,
    /// Open proposals that resemble somebody and were not reviewed.
    pub unreviewed: i64,
}

/// What is still to be done in a village.
pub async fn open_work(tx: &Tx, id: Uuid) -> Result<OpenWork> {
    let count = |sql: &'static str| fixed::<BigInt>(sql);
    let (missing, conflicts, undecided, unreviewed): (i64, i64, i64, i64) = village_results::table
        .filter(tx.scope().within(village_results::region_code))
        .filter(village_results::id.eq(id))
        .select((
            count(
                "(SELECT count(*) FROM assigned_families a WHERE a.village_result_id = village_results.id AND a.given_away_at IS NULL AND NOT EXISTS (
                    SELECT FROM visits v WHERE v.village_result_id = a.village_result_id AND v.beneficiary_id = a.beneficiary_id AND v.state = 'standing'))",
            ),
            count(
                "(SELECT count(*) FROM visits v JOIN assigned_families a ON a.village_result_id = v.village_result_id AND a.beneficiary_id = v.beneficiary_id
                   WHERE v.village_result_id = village_results.id AND v.state = 'conflicting' AND a.given_away_at IS NULL)",
            ),
            count(
                "(SELECT count(*) FROM proposals p WHERE p.village_result_id = village_results.id AND p.state = 'open' AND NOT EXISTS (
                    SELECT FROM meeting_verdicts m WHERE m.village_result_id = p.village_result_id AND m.subject_id = p.id))",
            ),
            count(
                "(SELECT count(*) FROM proposals p WHERE p.village_result_id = village_results.id AND p.state = 'open'
                    AND p.candidates <> '[]' AND p.reviewed_reason IS NULL)",
            ),
        ))
        .first(&mut tx.on())
        .await?;
    Ok(OpenWork { missing, conflicts, undecided, unreviewed })
}

/// The families that are a village's to visit, without those that were given to another one. The caller has found the result.
#[diesel::dsl::auto_type(no_type_alias)]
fn to_visit(result: Uuid) -> _ {
    assigned_families::table
        .filter(assigned_families::village_result_id.eq(result))
        .filter(assigned_families::given_away_at.is_null())
        .select(assigned_families::beneficiary_id)
}

/// How many verdicts of the meeting are older than the visit that stands now, and say otherwise.
pub async fn stale_verdicts(tx: &Tx, id: Uuid) -> Result<i64> {
    Ok(meeting_verdicts::table
        .inner_join(
            visits::table.on(visits::village_result_id
                .eq(meeting_verdicts::village_result_id)
                .and(visits::beneficiary_id.eq(meeting_verdicts::subject_id))
                .and(visits::state.eq("standing"))),
        )
        .filter(tx.scope().within(meeting_verdicts::region_code))
        .filter(meeting_verdicts::village_result_id.eq(id))
        // Of whom nobody found, the meeting has nothing to say; one that was settled to stand counts from then on.
        .filter(visits::presence.eq_any(["found", "moved_within"]))
        .filter(visits::updated_at.gt(meeting_verdicts::updated_at))
        .filter(visits::eligibility.ne(meeting_verdicts::eligibility))
        .filter(visits::beneficiary_id.eq_any(to_visit(id)))
        .count()
        .get_result(&mut tx.on())
        .await?)
}

/// When a visit was made.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = visits, check_for_backend(Pg))]
pub struct Made {
    /// By the phone's clock.
    visited_at: DateTime<Utc>,
    /// How far that clock was ahead.
    clock_skew_seconds: i32,
    /// When it reached us.
    created_at: DateTime<Utc>,
}

impl Made {
    /// By the phone's clock, put right by how far it was ahead when it sent the visit, and never after it arrived; the same is
    /// `verified_families.verdict_at`.
    pub fn moment(&self) -> DateTime<Utc> {
        (self.visited_at - TimeDelta::seconds(self.clock_skew_seconds.into())).min(self.created_at)
    }
}

/// A visit that stands, with what it brings for the family's record.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = visits, check_for_backend(Pg))]
pub struct CarriedVisit {
    /// The visit.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// The village.
    pub region_code: String,
    /// What became of the family.
    pub presence: String,
    /// When.
    #[diesel(embed)]
    pub made: Made,
    /// Housing, means and aid as found.
    pub attributes: Value,
    /// What became of members.
    pub people: Value,
    /// Corrected identifiers.
    pub corrections_sealed: Option<Vec<u8>>,
}

/// The ids of the visits that stand.
pub async fn standing_ids(tx: &Tx, id: Uuid) -> Result<HashSet<Uuid>> {
    let rows: Vec<Uuid> = visits::table
        .filter(tx.scope().within(visits::region_code))
        .filter(visits::village_result_id.eq(id))
        .filter(visits::state.eq("standing"))
        .select(visits::id)
        .load(&mut tx.on())
        .await?;
    Ok(rows.into_iter().collect())
}

/// Where families live now. They were assigned to the result that the caller has found in its scope.
pub async fn homes(tx: &Tx, families: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    let rows: Vec<(Uuid, String)> = beneficiaries::table
        .filter(beneficiaries::id.eq_any(families))
        .select((beneficiaries::id, beneficiaries::region_code))
        .load(&mut tx.on())
        .await?;
    Ok(rows.into_iter().collect())
}

/// Those of these families that are inactive for a reason that a visit gave before.
pub async fn ended(tx: &Tx, families: &[Uuid]) -> Result<HashSet<Uuid>> {
    let said = visits::table
        .filter(visits::beneficiary_id.eq_any(families))
        .filter(visits::carried_at.is_not_null())
        .filter(visits::presence.eq_any(["deceased", "moved_out"]))
        .select(visits::beneficiary_id);
    let rows: Vec<Uuid> = beneficiaries::table
        .filter(beneficiaries::id.eq_any(said))
        .filter(beneficiaries::status.eq("inactive"))
        .filter(beneficiaries::inactive_reason.eq_any(["deceased", "moved_out"]))
        .filter(beneficiaries::merged_into.is_null())
        .select(beneficiaries::id)
        .load(&mut tx.on())
        .await?;
    Ok(rows.into_iter().collect())
}

/// When visits of other results, wherever their village is, that stand and were carried over, told what became of these families.
pub async fn carried_elsewhere(tx: &Tx, id: Uuid, families: &[Uuid]) -> Result<Vec<(Uuid, Made)>> {
    Ok(visits::table
        .select((visits::beneficiary_id, Made::as_select()))
        .filter(visits::beneficiary_id.eq_any(families))
        .filter(visits::village_result_id.ne(id))
        .filter(visits::presence.eq_any(["found", "moved_within", "moved_out", "deceased"]))
        .filter(visits::state.eq("standing"))
        .filter(visits::carried_at.is_not_null())
        .load(&mut tx.on())
        .await?)
}

/// The visits that stand, of families that are this village's to visit, and were not carried over yet, in the order of their families, which is that of all locks.
pub async fn standing(tx: &Tx, id: Uuid) -> Result<Vec<CarriedVisit>> {
    Ok(visits::table
        .select(CarriedVisit::as_select())
        .filter(tx.scope().within(visits::region_code))
        .filter(visits::village_result_id.eq(id))
        .filter(visits::state.eq("standing"))
        .filter(visits::carried_at.is_null())
        .filter(visits::beneficiary_id.eq_any(to_visit(id)))
        .order(visits::beneficiary_id)
        .load(&mut tx.on())
        .await?)
}

/// Which visits were carried over.
#[derive(Debug, Default)]
pub struct Carried {
    /// All of them.
    pub all: Vec<Uuid>,
    /// Those of which nothing is left to do: their whole numbers rest in the families' records, and are let go here.
    pub whole: Vec<Uuid>,
}

/// Marks visits as carried over.
pub async fn carried(tx: &mut Tx, done: &Carried) -> Result<()> {
    diesel::update(visits::table.filter(visits::id.eq_any(&done.all)))
        .set(visits::carried_at.eq(diesel::dsl::now))
        .execute(&mut tx.on())
        .await?;
    diesel::update(visits::table.filter(visits::id.eq_any(&done.whole)))
        .set(visits::corrections_sealed.eq(None::<Vec<u8>>))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// Whether a family is one of those assigned to a village.
pub async fn is_assigned(db: &impl Scoped, id: Uuid, family: Uuid) -> Result<bool> {
    let row = assigned_families::table
        .filter(db.scope().within(assigned_families::region_code))
        .filter(assigned_families::village_result_id.eq(id))
        .filter(assigned_families::given_away_at.is_null())
        .filter(assigned_families::beneficiary_id.eq(family));
    Ok(diesel::select(diesel::dsl::exists(row)).get_result(&mut db.on()).await?)
}

/// Whether a proposal is one of a village's.
pub async fn is_proposed(db: &impl Scoped, id: Uuid, proposal: Uuid) -> Result<bool> {
    let row = proposals::table
        .filter(db.scope().within(proposals::region_code))
        .filter(proposals::village_result_id.eq(id))
        .filter(proposals::id.eq(proposal));
    Ok(diesel::select(diesel::dsl::exists(row)).get_result(&mut db.on()).await?)
}
