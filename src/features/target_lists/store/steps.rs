//! What became of one family, step by step, up to one list.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::{Entry, TargetList};
use crate::platform::db::Scoped;
use crate::platform::error::Result;
use crate::platform::statement::Statement;
use crate::schema::{beneficiaries, target_list_entries};

/// A step, as facts; `wording` makes sentences of it.
#[derive(Debug, Deserialize)]
pub struct Fact {
    /// When.
    pub at: DateTime<Utc>,
    /// What, as a stable word.
    pub code: String,
    /// What the sentence names: names of places, campaigns, lists, numbers of documents, words of vocabularies.
    pub facts: BTreeMap<String, Option<String>>,
}

/// Why a family is on or off a list.
#[derive(Debug)]
pub struct Explained {
    /// Its entry; none where it was not considered.
    pub entry: Option<Entry>,
    /// Its village: as the entry has it, else as it is on file.
    pub region: String,
    /// What happened, in order.
    pub steps: Vec<Fact>,
    /// How many steps more there are, in villages outside the scope.
    pub withheld: i64,
}

#[derive(Deserialize)]
struct Told {
    steps: Vec<Fact>,
    withheld: i64,
}

/// What happened to a family of the scope up to a list that was found.
///
/// Told are the results that this list and the decreed ones before it rest on, and those in which the family was assigned or
/// proposed before the list was drawn; of hand-overs the last of each kind, so that one that was repeated since is not told. Days
/// are those of western Indonesian time where only a day is known; a meeting stands before what was finalised after it.
///
/// A family may have moved: each step belongs to the village whose result or entry it tells of, and those of villages outside the
/// scope are only counted.
pub async fn explanation(db: &impl Scoped, list: &TargetList, family: Uuid) -> Result<Explained> {
    let entry: Option<Entry> = target_list_entries::table
        .select(Entry::as_select())
        .filter(db.scope().within(target_list_entries::region_code))
        .filter(target_list_entries::target_list_id.eq(list.id))
        .filter(target_list_entries::beneficiary_id.eq(family))
        .first(&mut db.on())
        .await
        .optional()?;
    let region = match &entry {
        Some(entry) => entry.region_code.clone(),
        // Nothing is told of families elsewhere, not even that nobody considered them.
        None => {
            beneficiaries::table
                .filter(db.scope().within(beneficiaries::region_code))
                .filter(beneficiaries::id.eq(family))
                .select(beneficiaries::region_code)
                .first(&mut db.on())
                .await?
        }
    };
    let Told { steps, withheld } = Statement::default()
        .sql("WITH asked AS (SELECT *, coalesce(drafted_at, now()) AS cut FROM target_lists WHERE id = ")
        .id(list.id)
        .sql("), family AS (SELECT ")
        .id(family)
        .sql(LISTS)
        .regions(db, "e.region_code", None)
        .sql(RESULTS)
        .regions(db, "r.region_code", None)
        .sql(STEPS)
        .answer(db)
        .await?;
    Ok(Explained { entry, region, steps, withheld })
}

const LISTS: &str = " AS id), lists AS (
    SELECT l.* FROM target_lists l, asked a
     WHERE l.id = a.id OR (l.region_code = a.region_code AND l.state IN ('decreed', 'superseded') AND l.number < a.number)
), own AS (
    SELECT e.*, l.number, l.drafted_at, l.decreed_at, l.created_at, l.sk_number, l.sk_date, l.signatory_title, l.rules, b.number AS before,
           ";

const RESULTS: &str = " AS visible
      FROM target_list_entries e JOIN lists l ON l.id = e.target_list_id JOIN family f ON f.id = e.beneficiary_id
      LEFT JOIN target_lists b ON b.id = l.supersedes_id
), results AS (
    SELECT r.*, c.name AS campaign, c.release_id, c.target_list_id AS based_on, g.name AS village, a.cut,
           EXISTS (SELECT FROM assigned_families s, family f WHERE s.village_result_id = r.id AND s.beneficiary_id = f.id) AS assigned,
           ";

const STEPS: &str = " AS visible
      FROM village_results r JOIN verification_campaigns c ON c.id = r.campaign_id JOIN regions g ON g.code = r.region_code, asked a
     WHERE c.region_code = a.region_code AND (r.id IN (SELECT village_result_id FROM own) OR (r.created_at <= a.cut AND (
           r.id IN (SELECT s.village_result_id FROM assigned_families s, family f WHERE s.beneficiary_id = f.id AND s.given_away_at IS NULL)
           OR r.id IN (SELECT p.village_result_id FROM proposals p, family f WHERE p.beneficiary_id = f.id))))
), told AS (
    SELECT (l.received_on::timestamp AT TIME ZONE 'Asia/Jakarta') AS at, 1 AS rank, 'listed' AS code,
           jsonb_build_object('dataset', d.name, 'bast', l.bast_number) AS facts, r.visible
      FROM (SELECT release_id, bool_or(visible) AS visible FROM results WHERE assigned GROUP BY release_id) r JOIN releases l ON l.id = r.release_id JOIN datasets d ON d.id = l.dataset_id
    UNION ALL
    SELECT created_at, 2, CASE WHEN based_on IS NULL THEN 'assigned' ELSE 'assigned_again' END,
           jsonb_build_object('village', village, 'campaign', campaign), visible
      FROM results WHERE assigned
    UNION ALL
    SELECT p.created_at, 2, 'proposed', jsonb_build_object('village', r.village, 'campaign', r.campaign), r.visible
      FROM results r JOIN proposals p ON p.village_result_id = r.id JOIN family f ON f.id = p.beneficiary_id
    UNION ALL
    SELECT v.visited_at, 3, 'visited', jsonb_build_object('presence', v.presence, 'eligibility', v.eligibility, 'village', r.village), r.visible
      FROM results r JOIN visits v ON v.village_result_id = r.id JOIN family f ON f.id = v.beneficiary_id
     WHERE v.id IN (SELECT visit_id FROM own)
        OR (v.state = 'standing' AND v.created_at <= r.cut AND NOT EXISTS (SELECT FROM own WHERE own.village_result_id = r.id AND visit_id IS NOT NULL))
    UNION ALL
    SELECT least(r.finalised_at, (r.meeting_on + 1)::timestamp AT TIME ZONE 'Asia/Jakarta' - interval '1 second', r.cut), 4, CASE WHEN m.subject_id IS NULL THEN 'meeting' ELSE 'meeting_judged' END,
           jsonb_build_object('number', r.meeting_number, 'meeting', r.meeting_kind, 'eligibility', m.eligibility, 'village', r.village), r.visible
      FROM results r LEFT JOIN meeting_verdicts m ON m.village_result_id = r.id AND (m.subject_id IN (SELECT id FROM family)
           OR m.subject_id IN (SELECT p.id FROM proposals p, family f WHERE p.beneficiary_id = f.id))
     WHERE r.meeting_on::timestamp AT TIME ZONE 'Asia/Jakarta' <= r.cut
    UNION ALL
    SELECT finalised_at, 5, 'finalised', jsonb_build_object('village', village), visible FROM results WHERE finalised_at <= cut AND state <> 'open'
    UNION ALL
    SELECT forwarded_at, 6, 'forwarded', jsonb_build_object('village', village), visible FROM results WHERE forwarded_at <= cut AND state <> 'open'
    UNION ALL
    SELECT returned_at, 6, 'returned', jsonb_build_object('village', village), visible FROM results WHERE returned_at <= cut AND state = 'returned'
    UNION ALL
    SELECT accepted_at, 7, 'accepted', jsonb_build_object('village', village), visible FROM results WHERE accepted_at <= cut AND state = 'accepted'
    UNION ALL
    SELECT coalesce(drafted_at, created_at), 8, 'rule', jsonb_build_object('list', number::text,
           'eligibilities', (SELECT string_agg(word, ' ' ORDER BY place) FROM jsonb_array_elements_text(rules -> 'eligibilities') WITH ORDINALITY w (word, place))), visible
      FROM own WHERE reason IN ('verified', 'proposal', 'not_eligible', 'not_assessed')
    UNION ALL
    SELECT coalesce(drafted_at, created_at), 9, 'list_' || change,
           jsonb_build_object('list', number::text, 'before', before::text, 'reason', reason, 'eligibility', eligibility), visible
      FROM own
    UNION ALL
    SELECT coalesce(decreed_at, created_at), 10, CASE WHEN included THEN 'decreed_on' ELSE 'decreed_off' END,
           jsonb_build_object('list', number::text, 'sk', sk_number, 'day', sk_date::text, 'title', signatory_title), visible
      FROM own WHERE decreed_at IS NOT NULL
    UNION ALL
    SELECT a.cut, 9, CASE WHEN EXISTS (SELECT FROM results) THEN 'not_accepted_yet' ELSE 'not_considered' END, jsonb_build_object('list', a.number::text), true
      FROM asked a WHERE NOT EXISTS (SELECT FROM own WHERE target_list_id = a.id)
)
SELECT jsonb_build_object('withheld', count(*) FILTER (WHERE NOT visible), 'steps',
           coalesce(jsonb_agg(jsonb_build_object('at', at, 'code', code, 'facts', facts) ORDER BY at, rank, code) FILTER (WHERE visible), '[]')) AS answer
  FROM told";
