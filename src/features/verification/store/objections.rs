//! SQL of objections.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::platform::access::under;
use crate::platform::changes::Tracked;
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::Result;
use crate::platform::fixed::fixed;
use crate::platform::ids::RegionCode;
use crate::schema::objections;

/// A row.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = objections, check_for_backend(Pg))]
pub struct Objection {
    /// Record id.
    pub id: Uuid,
    /// The village's result.
    pub village_result_id: Uuid,
    /// The village.
    pub region_code: String,
    /// What it is about.
    pub kind: String,
    /// The family, where one is named.
    pub beneficiary_id: Option<Uuid>,
    /// The proposal, where one is named.
    pub proposal_id: Option<Uuid>,
    /// What is objected.
    pub statement: String,
    /// Who objects, sealed.
    #[serde(skip)]
    pub objector_sealed: Option<Vec<u8>>,
    /// Where it stands.
    pub state: String,
    /// The last day for a decision.
    pub decide_by: NaiveDate,
    /// What was decided, in words.
    pub outcome: Option<String>,
    /// Who filed it.
    pub filed_by: Uuid,
    /// Who decided it.
    pub decided_by: Option<Uuid>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Photos and documents.
    pub attachment_ids: Vec<Option<Uuid>>,
    /// Version.
    pub version: i32,
    /// Filed at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Objection {
    const RESOURCE: &'static str = "objections";
    const SENSITIVE: &'static [&'static str] = &["statement", "outcome"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// Which objections.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Of this village result.
    pub village_result_id: Option<Uuid>,
    /// In this state.
    pub state: Option<&'static str>,
    /// Of this kind.
    pub kind: Option<&'static str>,
    /// Whose time for a decision has passed without one, or not.
    pub lapsed: Option<bool>,
    /// In or under this region.
    pub region: Option<RegionCode>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Objection>> {
    let mut query = objections::table
        .select(Objection::as_select())
        .filter(db.scope().within(objections::region_code))
        .order(objections::id)
        .limit(limit)
        .into_boxed();
    if let Some(result) = wanted.village_result_id {
        query = query.filter(objections::village_result_id.eq(result));
    }
    if let Some(state) = wanted.state {
        query = query.filter(objections::state.eq(state));
    }
    if let Some(kind) = wanted.kind {
        query = query.filter(objections::kind.eq(kind));
    }
    if let Some(lapsed) = wanted.lapsed {
        query = query.filter(fixed::<Bool>(if lapsed {
            "(objections.state = 'filed' AND objections.decide_by < (now() AT TIME ZONE 'UTC')::date)"
        } else {
            "(objections.state <> 'filed' OR objections.decide_by >= (now() AT TIME ZONE 'UTC')::date)"
        }));
    }
    if let Some(region) = &wanted.region {
        query = query.filter(under(objections::region_code, region));
    }
    if let Some(after) = after {
        query = query.filter(objections::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One objection.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Objection> {
    Ok(objections::table
        .select(Objection::as_select())
        .filter(db.scope().within(objections::region_code))
        .filter(objections::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// One objection to change: locked, at the version that was read where one was sent.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Objection> {
    let row: Objection = objections::table
        .select(Objection::as_select())
        .filter(tx.scope().within(objections::region_code))
        .filter(objections::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// Files one.
pub async fn insert(tx: &mut Tx, row: &Objection) -> Result<Objection> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(objections::table).values(row).returning(Objection::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores one that was found to change as the next version.
pub async fn update(tx: &mut Tx, row: &Objection) -> Result<Objection> {
    Ok(diesel::update(objections::table.filter(objections::id.eq(row.id)))
        .set((
            objections::state.eq(&row.state),
            objections::outcome.eq(&row.outcome),
            objections::decided_by.eq(row.decided_by),
            objections::decided_at.eq(row.decided_at),
            objections::version.eq(objections::version + 1),
            objections::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Objection::as_returning())
        .get_result(&mut tx.on())
        .await?)
}

/// How many wait for a decision whose time has not passed.
pub async fn open(tx: &Tx, result: Uuid) -> Result<i64> {
    Ok(objections::table
        .filter(tx.scope().within(objections::region_code))
        .filter(objections::village_result_id.eq(result))
        .filter(objections::state.eq("filed"))
        .filter(fixed::<Bool>("objections.decide_by >= (now() AT TIME ZONE 'UTC')::date"))
        .count()
        .get_result(&mut tx.on())
        .await?)
}

/// How many were upheld and led to nothing yet: no visit, verdict or proposal about their subject came since. One that names nobody
/// waits for any of the village. Of a family that moved and was given to its new village nothing is left to mend here.
pub async fn unmended(tx: &Tx, result: Uuid) -> Result<i64> {
    Ok(objections::table
        .filter(tx.scope().within(objections::region_code))
        .filter(objections::village_result_id.eq(result))
        .filter(objections::state.eq("upheld"))
        .filter(fixed::<Bool>(
            "NOT EXISTS (SELECT FROM visits v WHERE v.village_result_id = objections.village_result_id AND v.created_at > objections.decided_at
                            AND v.beneficiary_id = coalesce(objections.beneficiary_id, v.beneficiary_id) AND objections.proposal_id IS NULL)
             AND NOT EXISTS (SELECT FROM meeting_verdicts m WHERE m.village_result_id = objections.village_result_id
                            AND m.updated_at > objections.decided_at
                            AND m.subject_id = coalesce(objections.beneficiary_id, objections.proposal_id, m.subject_id))
             AND NOT EXISTS (SELECT FROM proposals p WHERE p.village_result_id = objections.village_result_id
                            AND p.updated_at > objections.decided_at AND p.id = coalesce(objections.proposal_id, p.id)
                            AND objections.beneficiary_id IS NULL)
             AND NOT EXISTS (SELECT FROM assigned_families a WHERE a.village_result_id = objections.village_result_id
                            AND a.beneficiary_id = objections.beneficiary_id AND a.given_away_at IS NOT NULL)",
        ))
        .count()
        .get_result(&mut tx.on())
        .await?)
}
