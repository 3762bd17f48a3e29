//! How a list is drawn: one statement over accepted village results and the list in force.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::super::model::TargetListRules;
use super::TargetList;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::verification_campaigns;

#[derive(QueryableByName)]
struct Hash {
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
}

/// SHA-256 over the accepted village results that a list by these rules may rest on: ids and times of acceptance, in order. One
/// more, one reopened, or one accepted again since, and it is another. Families that would be carried over follow the newest verdict
/// about them, so where there are such families, those are the results of all the regency's campaigns.
pub async fn sources(db: &impl Scoped, region: &str, rules: &TargetListRules) -> Result<Vec<u8>> {
    let Hash { hash } = diesel::sql_query(
        "SELECT sha256(convert_to(coalesce(string_agg(id::text || ' ' || extract(epoch FROM accepted_at)::text, E'\\n' ORDER BY id), ''), 'UTF8')) AS hash
           FROM village_results
          WHERE state = 'accepted' AND left(region_code, 5) = $1 AND ($3 AND EXISTS (SELECT FROM target_lists l WHERE l.region_code = $1 AND l.state = 'decreed')
                OR $2 IS NULL OR campaign_id = ANY($2))",
    )
    .bind::<Text, _>(region)
    .bind::<Nullable<Array<SqlUuid>>, _>(&rules.campaign_ids)
    .bind::<Bool, _>(rules.carry_over)
    .get_result(&mut db.on())
    .await?;
    Ok(hash)
}

/// Whether one of the campaigns that the rules name is not the regency's.
pub async fn unknown_campaigns(db: &impl Scoped, region: &str, rules: &TargetListRules) -> Result<bool> {
    let Some(ids) = &rules.campaign_ids else { return Ok(false) };
    let mut wanted = ids.clone();
    wanted.sort_unstable();
    wanted.dedup();
    let known: i64 = verification_campaigns::table
        .filter(db.scope().within(verification_campaigns::region_code))
        .filter(verification_campaigns::region_code.eq(region))
        .filter(verification_campaigns::id.eq_any(&wanted))
        .count()
        .get_result(&mut db.on())
        .await?;
    Ok(usize::try_from(known).is_ok_and(|known| known < wanted.len()))
}

/// What a list came to.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Drawn {
    /// Families that were considered.
    #[diesel(sql_type = BigInt)]
    pub considered: i64,
    /// Families on it.
    #[diesel(sql_type = BigInt)]
    pub families: i64,
    /// Their present members.
    #[diesel(sql_type = BigInt)]
    pub people: i64,
    /// On it and not on the list before.
    #[diesel(sql_type = BigInt)]
    pub added: i64,
    /// On the list before and not on it.
    #[diesel(sql_type = BigInt)]
    pub removed: i64,
    /// On both.
    #[diesel(sql_type = BigInt)]
    pub unchanged: i64,
}

/// $1 list, $2 regency, $3 judgements, $4 campaigns or NULL, $5 whether families are carried over, $6 the list in force or NULL,
/// $7 when that one was drawn.
///
/// - `seen`: every family that an accepted result tells of, with the verdict that counts there, and whether the rules name its
///   campaign.
/// - `standing`: the families of the list in force.
/// - `kept`: where records lead that were merged since. What was said of the merged record counts for the kept one, except that
///   it was not there, went away or stood there twice: that was said of the record and not of the family.
/// - `newer`: results that were accepted since the list in force was drawn, and the day by whose end their village confirmed them:
///   whom one does not tell of, of them it is as new as its meeting, however late it was accepted or accepted again.
/// - `silent`: families of the list in force and those of their villages (where they stood, where they live now) with a newer
///   result than the verdict they are on it by, that tells nothing of them. What one does tell is weighed by its own time.
/// - `carried`: families of the list in force, and when the verdict was accepted that they are on it by. They may stay unless both
///   the village where they stood and the one where they live now (which may be about to visit them) know newer and are silent.
/// - `checked`: of each family the newest verdict, by its own time, among the accepted ones of the campaigns that the rules name,
///   and of a family that would be carried over, of all: what is known about a family now beats what was decreed, whichever
///   campaigns a list names. Of two verdicts of one moment the one accepted later, then that of the record itself.
/// - `weighed`: both, with the family as it is on file now. It stays unless the verdict is newer than the one it is on the list by:
///   another result's whose own time is later, the same result's, accepted again since the list in force was drawn, or any other's
///   that stands when the one it is on the list by was accepted again and tells what is older now.
const DRAW: &str = "
WITH RECURSIVE seen AS MATERIALIZED (
    SELECT beneficiary_id, village_result_id, checked_in, accepted_at, coalesce(verdict_at, accepted_at) AS verdict_at,
           visit_id, proposal_id, presence, eligibility, $4 IS NULL OR campaign_id = ANY($4) AS named
      FROM verified_families
     WHERE result_state = 'accepted' AND left(checked_in, 5) = $2 AND ($5 AND $6 IS NOT NULL OR $4 IS NULL OR campaign_id = ANY($4))
), standing AS MATERIALIZED (
    SELECT beneficiary_id, region_code, eligibility, village_result_id, visit_id, proposal_id, head_name, head_nik_mask, head_nik_index,
           kk_mask, kk_index, address, verdict_at
      FROM target_list_entries WHERE target_list_id = $6 AND included
), leads (id, kept) AS (
    SELECT b.id, b.merged_into FROM beneficiaries b
     WHERE b.merged_into IS NOT NULL AND b.id IN (SELECT beneficiary_id FROM seen UNION ALL SELECT beneficiary_id FROM standing)
    UNION
    SELECT l.id, b.merged_into FROM leads l JOIN beneficiaries b ON b.id = l.kept WHERE b.merged_into IS NOT NULL
), kept AS MATERIALIZED (
    SELECT l.id, l.kept FROM leads l JOIN beneficiaries b ON b.id = l.kept WHERE b.merged_into IS NULL
), newer AS MATERIALIZED (
    SELECT id, region_code, least(accepted_at, (meeting_on + 1)::timestamp AT TIME ZONE 'UTC') AS met FROM village_results
     WHERE state = 'accepted' AND left(region_code, 5) = $2 AND ($4 IS NULL OR campaign_id = ANY($4)) AND accepted_at > $7
), told AS MATERIALIZED (
    SELECT s.village_result_id, coalesce(k.kept, s.beneficiary_id) AS family
      FROM seen s LEFT JOIN kept k ON k.id = s.beneficiary_id WHERE s.presence IS NOT NULL
), homes AS MATERIALIZED (
    SELECT s.beneficiary_id, b.id AS family, s.verdict_at, s.region_code AS stood, b.region_code AS lives
      FROM standing s LEFT JOIN kept k ON k.id = s.beneficiary_id
      LEFT JOIN beneficiaries b ON b.id = coalesce(k.kept, s.beneficiary_id)
), silent AS MATERIALIZED (
    SELECT DISTINCT o.beneficiary_id, n.region_code
      FROM (SELECT beneficiary_id, family, verdict_at, stood AS village FROM homes
            UNION SELECT beneficiary_id, family, verdict_at, lives FROM homes) o
      JOIN newer n ON n.region_code = o.village AND (o.verdict_at IS NULL OR n.met > o.verdict_at)
     WHERE NOT EXISTS (SELECT FROM told t WHERE t.village_result_id = n.id AND t.family = o.family)
), carried AS (
    SELECT DISTINCT ON (coalesce(k.kept, s.beneficiary_id)) coalesce(k.kept, s.beneficiary_id) AS family, k.id IS NULL AS was_on,
           s.*, v.accepted_at AS since, $5 AND (n.region_code IS NULL OR h.region_code IS NULL) AS stays
      FROM standing s LEFT JOIN kept k ON k.id = s.beneficiary_id
      LEFT JOIN homes o ON o.beneficiary_id = s.beneficiary_id
      LEFT JOIN silent n ON n.beneficiary_id = s.beneficiary_id AND n.region_code = o.stood
      LEFT JOIN silent h ON h.beneficiary_id = s.beneficiary_id AND h.region_code = o.lives
      LEFT JOIN village_results v ON v.id = s.village_result_id
     ORDER BY coalesce(k.kept, s.beneficiary_id), k.id IS NULL DESC, s.beneficiary_id
), checked AS (
    SELECT DISTINCT ON (coalesce(k.kept, s.beneficiary_id)) coalesce(k.kept, s.beneficiary_id) AS family,
           s.village_result_id, s.checked_in, s.accepted_at, s.verdict_at, s.visit_id, s.proposal_id, s.presence, s.eligibility
      FROM seen s LEFT JOIN kept k ON k.id = s.beneficiary_id LEFT JOIN carried o ON o.family = coalesce(k.kept, s.beneficiary_id)
     WHERE (s.named OR (o.stays AND s.presence IS NOT NULL)) AND (k.id IS NULL OR s.presence IS NULL OR s.presence NOT IN ('not_found', 'moved_out', 'duplicate'))
     ORDER BY coalesce(k.kept, s.beneficiary_id), s.verdict_at DESC, s.accepted_at DESC, k.id IS NULL DESC, s.presence IS NULL,
              s.village_result_id, s.beneficiary_id
), considered AS (
    SELECT family AS id FROM checked UNION SELECT family FROM carried
    UNION SELECT id FROM kept WHERE id IN (SELECT beneficiary_id FROM seen WHERE named UNION ALL SELECT beneficiary_id FROM standing)
), weighed AS (
    SELECT b.id, b.region_code, b.address, b.kk_mask, b.kk_index, b.status, b.merged_into, left(b.region_code, 5) = $2 AS here,
           c.village_result_id, c.checked_in, c.verdict_at, c.visit_id, c.proposal_id, c.presence, c.eligibility,
           coalesce(o.was_on, false) OR m.beneficiary_id IS NOT NULL AS was_on,
           coalesce(o.stays AND NOT coalesce(CASE WHEN c.village_result_id = o.village_result_id OR o.verdict_at IS NULL THEN c.accepted_at > $7
                                                  ELSE (c.verdict_at, c.accepted_at) > (o.verdict_at, o.since) END
                                             OR (o.since > $7 AND c.presence IS NOT NULL), false), false) AS stays,
           coalesce(o.verdict_at, m.verdict_at) AS old_verdict_at,
           coalesce(o.region_code, m.region_code) AS old_region, coalesce(o.head_name, m.head_name) AS old_name,
           coalesce(o.head_nik_mask, m.head_nik_mask) AS old_nik, coalesce(o.kk_mask, m.kk_mask) AS old_kk,
           coalesce(o.head_nik_index, m.head_nik_index) AS old_nik_index, coalesce(o.kk_index, m.kk_index) AS old_kk_index,
           coalesce(o.address, m.address) AS old_address, coalesce(o.eligibility, m.eligibility) AS old_eligibility,
           coalesce(o.village_result_id, m.village_result_id) AS old_result, coalesce(o.visit_id, m.visit_id) AS old_visit,
           coalesce(o.proposal_id, m.proposal_id) AS old_proposal
      FROM considered f
      JOIN beneficiaries b ON b.id = f.id
      LEFT JOIN checked c ON c.family = b.id
      LEFT JOIN carried o ON o.family = b.id
      LEFT JOIN standing m ON m.beneficiary_id = b.id AND b.merged_into IS NOT NULL
), reasoned AS (
    SELECT w.*, CASE
        WHEN merged_into IS NOT NULL THEN 'merged'
        WHEN NOT stays AND presence IN ('not_found', 'deceased', 'moved_out', 'duplicate', 'refused') THEN presence
        WHEN NOT here THEN 'elsewhere'
        WHEN status <> 'active' THEN 'inactive'
        WHEN stays THEN 'carried_over'
        WHEN presence IS NULL THEN 'not_verified'
        WHEN eligibility IS NULL OR eligibility = 'not_assessed' THEN 'not_assessed'
        WHEN eligibility <> ALL($3) THEN 'not_eligible'
        WHEN proposal_id IS NOT NULL THEN 'proposal'
        ELSE 'verified' END AS reason
      FROM weighed w
), drawn AS (
    INSERT INTO target_list_entries (target_list_id, beneficiary_id, region_code, included, change, reason, eligibility,
           village_result_id, visit_id, proposal_id, decile, head_name, head_nik_mask, kk_mask, address, people,
           head_nik_index, kk_index, verdict_at)
    SELECT $1, r.id,
           CASE WHEN here THEN r.region_code ELSE coalesce(checked_in, old_region, (SELECT s.checked_in FROM seen s WHERE s.beneficiary_id = r.id LIMIT 1)) END, on_it.yes,
           CASE WHEN on_it.yes AND was_on THEN 'unchanged' WHEN on_it.yes THEN 'added' WHEN was_on THEN 'removed' ELSE 'left_out' END,
           reason, CASE WHEN stays THEN old_eligibility ELSE eligibility END,
           CASE WHEN stays THEN old_result ELSE village_result_id END, CASE WHEN stays THEN old_visit ELSE visit_id END,
           CASE WHEN stays THEN old_proposal ELSE proposal_id END, CASE WHEN here THEN k.decile END,
           CASE WHEN here THEN coalesce(h.name, old_name) ELSE old_name END,
           CASE WHEN here AND h.id IS NOT NULL THEN h.nik_mask ELSE old_nik END,
           CASE WHEN here THEN coalesce(r.kk_mask, old_kk) ELSE old_kk END, CASE WHEN here THEN r.address ELSE old_address END,
           CASE WHEN here THEN p.people ELSE 0 END, CASE WHEN here AND h.id IS NOT NULL THEN h.nik_index ELSE old_nik_index END,
           CASE WHEN here AND r.kk_mask IS NOT NULL THEN r.kk_index ELSE old_kk_index END,
           CASE WHEN stays THEN old_verdict_at ELSE r.verdict_at END
      FROM reasoned r
     CROSS JOIN LATERAL (SELECT reason IN ('verified', 'proposal', 'carried_over') AS yes) on_it
     CROSS JOIN LATERAL (SELECT count(*) AS people FROM members WHERE beneficiary_id = r.id AND status = 'present') p
      LEFT JOIN members h ON h.beneficiary_id = r.id AND h.relation = 'head' AND h.status = 'present'
      LEFT JOIN family_ranks k ON k.beneficiary_id = r.id
    RETURNING included, change, people
)
SELECT count(*) AS considered, count(*) FILTER (WHERE included) AS families,
       coalesce(sum(people) FILTER (WHERE included), 0)::bigint AS people, count(*) FILTER (WHERE change = 'added') AS added,
       count(*) FILTER (WHERE change = 'removed') AS removed, count(*) FILTER (WHERE change = 'unchanged') AS unchanged
  FROM drawn";

/// Draws a list that was found to change: each family that an accepted result or the list in force names gets its entry.
pub async fn draw(tx: &mut Tx, list: &TargetList, rules: &TargetListRules, before: Option<&TargetList>) -> Result<Drawn> {
    let since = before.and_then(|before| before.drafted_at.or(before.decreed_at));
    Ok(diesel::sql_query(DRAW)
        .bind::<SqlUuid, _>(list.id)
        .bind::<Text, _>(&list.region_code)
        .bind::<Array<Text>, _>(rules.words())
        .bind::<Nullable<Array<SqlUuid>>, _>(&rules.campaign_ids)
        .bind::<Bool, _>(rules.carry_over)
        .bind::<Nullable<SqlUuid>, _>(before.map(|before| before.id))
        .bind::<Nullable<Timestamptz>, _>(since)
        .get_result(&mut tx.on())
        .await?)
}

/// SHA-256 over the annex: of each family on the list, in the order of their ids, one line of id, village, name of the head, its
/// NIK and the KK number as they are masked, address, people and decile, tabs between, empty where unknown, each line ended by LF.
pub async fn digest(tx: &Tx, list: Uuid) -> Result<Vec<u8>> {
    let Hash { hash } = diesel::sql_query(
        "SELECT sha256(convert_to(coalesce(string_agg(concat_ws(E'\\t', beneficiary_id, region_code, coalesce(head_name, ''),
                    coalesce(head_nik_mask, ''), coalesce(kk_mask, ''), coalesce(address, ''), people, coalesce(decile::text, '')) || E'\\n',
                    '' ORDER BY beneficiary_id), ''), 'UTF8')) AS hash
           FROM target_list_entries WHERE target_list_id = $1 AND included",
    )
    .bind::<SqlUuid, _>(list)
    .get_result(&mut tx.on())
    .await?;
    Ok(hash)
}
