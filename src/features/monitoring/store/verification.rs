//! SQL of how far verification is: summed from the view of villages, compared with today.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::statement::Statement;

/// How far villages are.
#[derive(Debug, Deserialize)]
pub struct Progress {
    /// The regions of this page and one more.
    pub rows: Vec<RegionProgress>,
    /// All of them.
    pub total: Steps,
    /// The day that days were compared with.
    pub today: NaiveDate,
    /// When.
    pub at: DateTime<Utc>,
}

/// A region's progress.
#[derive(Debug, Deserialize)]
pub struct RegionProgress {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Its villages' progress, summed.
    #[serde(flatten)]
    pub steps: Steps,
}

/// Sums: of village results, then of families.
#[derive(Debug, Deserialize)]
pub struct Steps {
    /// Village results.
    pub villages: i64,
    /// With a meeting.
    pub meetings: i64,
    /// Finalised or further.
    pub finalised: i64,
    /// Forwarded or further.
    pub forwarded: i64,
    /// Accepted.
    pub accepted: i64,
    /// Back with the village.
    pub returned: i64,
    /// Late to be finalised.
    pub late_to_finalise: i64,
    /// Late to be forwarded.
    pub late_to_forward: i64,
    /// Late to be accepted.
    pub late_to_accept: i64,
    /// Assigned.
    pub assigned: i64,
    /// Visited.
    pub visited: i64,
    /// In accepted results.
    pub accepted_families: i64,
    /// Presence.
    pub found: i64,
    /// Presence.
    pub moved_within: i64,
    /// Presence.
    pub not_found: i64,
    /// Presence.
    pub deceased: i64,
    /// Presence.
    pub moved_out: i64,
    /// Presence.
    pub duplicate: i64,
    /// Presence.
    pub refused: i64,
    /// Judgement.
    pub extreme_poor: i64,
    /// Judgement.
    pub poor: i64,
    /// Judgement.
    pub vulnerable: i64,
    /// Judgement.
    pub capable: i64,
    /// Contradicting visits.
    pub conflicts: i64,
    /// Proposals not taken back.
    pub proposed: i64,
    /// Of these on file already.
    pub on_file: i64,
    /// Of these registered.
    pub registered: i64,
}

/// The sums, over rows of `judged`.
const SUMS: &str = "count(*) AS villages, count(meeting_on) AS meetings,
    count(*) FILTER (WHERE state IN ('finalised', 'forwarded', 'accepted')) AS finalised,
    count(*) FILTER (WHERE state IN ('forwarded', 'accepted')) AS forwarded, count(*) FILTER (WHERE state = 'accepted') AS accepted,
    count(*) FILTER (WHERE state = 'returned') AS returned,
    count(*) FILTER (WHERE late = 'finalise') AS late_to_finalise, count(*) FILTER (WHERE late = 'forward') AS late_to_forward,
    count(*) FILTER (WHERE late = 'accept') AS late_to_accept,
    coalesce(sum(assigned), 0) AS assigned, coalesce(sum(visited), 0) AS visited,
    coalesce(sum(assigned) FILTER (WHERE state = 'accepted'), 0) AS accepted_families, coalesce(sum(found), 0) AS found,
    coalesce(sum(moved_within), 0) AS moved_within, coalesce(sum(not_found), 0) AS not_found, coalesce(sum(deceased), 0) AS deceased,
    coalesce(sum(moved_out), 0) AS moved_out, coalesce(sum(duplicate), 0) AS duplicate, coalesce(sum(refused), 0) AS refused,
    coalesce(sum(extreme_poor), 0) AS extreme_poor, coalesce(sum(poor), 0) AS poor, coalesce(sum(vulnerable), 0) AS vulnerable,
    coalesce(sum(capable), 0) AS capable, coalesce(sum(conflicts), 0) AS conflicts, coalesce(sum(proposed), 0) AS proposed,
    coalesce(sum(on_file), 0) AS on_file, coalesce(sum(registered), 0) AS registered";

/// A page of regions of a level with a village result in open campaigns, or in one campaign; in code order. A village is late at
/// the one step that it waits for.
pub async fn progress(
    db: &impl Scoped,
    campaign: Option<Uuid>,
    level: Level,
    region: Option<&RegionCode>,
    after: Option<String>,
    limit: i64,
) -> Result<Progress> {
    Statement::default()
        .sql("WITH day AS (SELECT (now() AT TIME ZONE 'Asia/Jakarta')::date AS today), judged AS MATERIALIZED (SELECT v.*, ")
        .sql(if level == Level::Subdistrict { "left(v.region_code, 8)" } else { "v.region_code" })
        .sql(
            " AS code, CASE WHEN v.state IN ('open', 'returned') AND today > finalise_by THEN 'finalise'
                            WHEN v.state = 'finalised' AND today > forward_by THEN 'forward'
                            WHEN v.state = 'forwarded' AND today > accept_by THEN 'accept' END AS late
                FROM verification_progress v JOIN verification_campaigns c ON c.id = v.campaign_id, day
               WHERE (c.id = ",
        )
        .id(campaign)
        .sql(" OR (c.state = 'open' AND ")
        .id(campaign)
        .sql(" IS NULL)) AND ")
        .regions(db, "v.region_code", region)
        .sql("), page AS (SELECT code, ")
        .sql(SUMS)
        .sql(" FROM judged WHERE code > ")
        .text(after.unwrap_or_default())
        .sql(" GROUP BY code ORDER BY code LIMIT ")
        .number(Some(limit))
        .sql("), total AS (SELECT ")
        .sql(SUMS)
        .sql(
            " FROM judged)
              SELECT jsonb_build_object(
                'rows', coalesce((SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object('name', r.name) ORDER BY p.code)
                                    FROM page p LEFT JOIN regions r ON r.code = p.code), '[]'),
                'total', (SELECT to_jsonb(t) FROM total t), 'today', (SELECT today FROM day), 'at', now()) AS answer",
        )
        .answer(db)
        .await
}

/// How complete regencies are.
#[derive(Debug, Deserialize)]
pub struct Completeness {
    /// The regencies of this page and one more.
    pub rows: Vec<Complete>,
    /// When.
    pub at: DateTime<Utc>,
}

/// One regency.
#[derive(Debug, Deserialize)]
pub struct Complete {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Open campaigns.
    pub campaigns_open: i64,
    /// Villages in these.
    pub villages: i64,
    /// Of these accepted.
    pub villages_accepted: i64,
    /// Families assigned in open campaigns.
    pub assigned: i64,
    /// Of these visited.
    pub visited: i64,
    /// Of these in accepted results.
    pub accepted: i64,
    /// Per cent.
    pub visited_percent: Option<f64>,
    /// Per cent.
    pub accepted_percent: Option<f64>,
    /// The list in force.
    pub list: Option<InForce>,
}

/// A list in force.
#[derive(Debug, Deserialize)]
pub struct InForce {
    /// Its id.
    pub id: Uuid,
    /// Its number.
    pub number: i32,
    /// Number of the decree.
    pub sk_number: String,
    /// Day of the decree.
    pub sk_date: NaiveDate,
    /// When it was decreed here.
    pub decreed_at: DateTime<Utc>,
    /// Families on it.
    pub families: i64,
    /// Their members.
    pub people: i64,
}

/// A page of regencies in code order; those without anything have their row too: a gap invites the question what is hidden.
pub async fn completeness(db: &impl Scoped, region: Option<&RegionCode>, after: Option<String>, limit: i64) -> Result<Completeness> {
    Statement::default()
        .sql("WITH page AS (SELECT r.code, r.name FROM regions r WHERE r.level = 'regency' AND r.code > ")
        .text(after.unwrap_or_default())
        .sql(" AND ")
        .regions(db, "r.code", region)
        .sql(" ORDER BY r.code LIMIT ")
        .number(Some(limit))
        .sql(
            "), counted AS (
              SELECT left(v.region_code, 5) AS code, count(DISTINCT v.campaign_id) AS campaigns, count(*) AS villages,
                     count(*) FILTER (WHERE v.state = 'accepted') AS villages_accepted, sum(assigned) AS assigned, sum(visited) AS visited,
                     coalesce(sum(assigned) FILTER (WHERE v.state = 'accepted'), 0) AS accepted
                FROM verification_progress v JOIN verification_campaigns c ON c.id = v.campaign_id
               WHERE c.state = 'open' AND left(v.region_code, 5) IN (SELECT code FROM page) GROUP BY 1)
             SELECT jsonb_build_object('at', now(), 'rows', coalesce((SELECT jsonb_agg(jsonb_build_object('code', p.code, 'name', p.name,
                'campaigns_open', (SELECT count(*) FROM verification_campaigns o WHERE o.region_code = p.code AND o.state = 'open'),
                'villages', coalesce(c.villages, 0), 'villages_accepted', coalesce(c.villages_accepted, 0), 'assigned', coalesce(c.assigned, 0),
                'visited', coalesce(c.visited, 0), 'accepted', coalesce(c.accepted, 0),
                'visited_percent', round(c.visited * 100.0 / nullif(c.assigned, 0), 1),
                'accepted_percent', round(c.accepted * 100.0 / nullif(c.assigned, 0), 1),
                'list', (SELECT jsonb_build_object('id', l.id, 'number', l.number, 'sk_number', l.sk_number, 'sk_date', l.sk_date,
                            'decreed_at', l.decreed_at, 'families', l.families, 'people', l.people)
                           FROM target_lists l WHERE l.region_code = p.code AND l.state = 'decreed')) ORDER BY p.code)
                FROM page p LEFT JOIN counted c ON c.code = p.code), '[]')) AS answer",
        )
        .answer(db)
        .await
}
