//! SQL of campaigns and of what they make villages check.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::helper_types::{AsSelect, Filter, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::model::CampaignState;
use crate::platform::access::{Reaching, Scope, under};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::schema::{campaign_subdistricts, releases, target_lists, verification_campaigns as campaigns, village_results};

/// A row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = campaigns, check_for_backend(Pg))]
pub struct Campaign {
    /// Record id.
    pub id: Uuid,
    /// The regency.
    pub region_code: String,
    /// Name.
    pub name: String,
    /// Who leads it.
    pub lead_agency_id: Uuid,
    /// The release to check.
    pub release_id: Option<Uuid>,
    /// Or the target list.
    pub target_list_id: Option<Uuid>,
    /// What is asked.
    pub criteria_set_id: Uuid,
    /// Where it stands.
    pub state: String,
    /// The job that assigned families last.
    pub job_id: Option<Uuid>,
    /// Opened at.
    pub opened_at: Option<DateTime<Utc>>,
    /// Closed at.
    pub closed_at: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
    /// Planned at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Campaign {
    /// Where it stands, as the machine knows it.
    pub fn standing(&self) -> Result<CampaignState> {
        CampaignState::parse(&self.state).ok_or_else(|| Error::Internal(anyhow::anyhow!("a campaign in an unknown state")))
    }
}

impl Tracked for Campaign {
    const RESOURCE: &'static str = "verification-campaigns";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// One subdistrict of a campaign: when it begins, and by which day each step is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// The subdistrict.
    #[schema(value_type = RegionCode)]
    pub region_code: RegionCode,
    /// From which day on its villages visit families.
    pub starts_on: NaiveDate,
    /// By which day its villages have finalised their results.
    pub finalise_by: NaiveDate,
    /// By which day the camat has forwarded them.
    pub forward_by: NaiveDate,
    /// By which day the regency has accepted them.
    pub accept_by: NaiveDate,
}

type Visible = Filter<Select<campaigns::table, AsSelect<Campaign, Pg>>, Reaching<campaigns::region_code>>;

/// A campaign is seen from everywhere in its regency.
fn visible(scope: &Scope) -> Visible {
    campaigns::table.select(Campaign::as_select()).filter(scope.reaching(campaigns::region_code))
}

/// A page in id order.
pub async fn list(
    db: &impl Scoped,
    (region, state): (Option<&RegionCode>, Option<&'static str>),
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Campaign>> {
    let mut query = visible(db.scope()).order(campaigns::id).limit(limit).into_boxed();
    if let Some(region) = region {
        query = query.filter(under(campaigns::region_code, region));
    }
    if let Some(state) = state {
        query = query.filter(campaigns::state.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(campaigns::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One campaign.
pub async fn find(db: &impl Scoped, id: Uuid) -> Result<Campaign> {
    Ok(visible(db.scope()).filter(campaigns::id.eq(id)).first(&mut db.on()).await?)
}

/// One campaign of the scope itself, to change: locked, at the version that was read where one was sent. Its key stays free: a batch of
/// visits that holds its result refers to the campaign, and whoever closes the campaign waits for that result.
pub async fn find_to_change(tx: &Tx, id: Uuid, expected: IfGiven) -> Result<Campaign> {
    let row: Campaign = campaigns::table
        .select(Campaign::as_select())
        .filter(tx.scope().within(campaigns::region_code))
        .filter(campaigns::id.eq(id))
        .for_no_key_update()
        .first(&mut tx.on())
        .await?;
    expected.demand(row.version)?;
    Ok(row)
}

/// The subdistricts of some campaigns, in their order.
pub async fn days(db: &impl Scoped, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Days>>> {
    let rows: Vec<(Uuid, String, NaiveDate, NaiveDate, NaiveDate, NaiveDate)> = campaign_subdistricts::table
        .inner_join(campaigns::table)
        .filter(db.scope().reaching(campaigns::region_code))
        .filter(campaign_subdistricts::campaign_id.eq_any(ids))
        .select((
            campaign_subdistricts::campaign_id,
            campaign_subdistricts::region_code,
            campaign_subdistricts::starts_on,
            campaign_subdistricts::finalise_by,
            campaign_subdistricts::forward_by,
            campaign_subdistricts::accept_by,
        ))
        .order((campaign_subdistricts::campaign_id, campaign_subdistricts::place))
        .load(&mut db.on())
        .await?;
    let mut days: HashMap<Uuid, Vec<Days>> = HashMap::new();
    for (id, region, starts_on, finalise_by, forward_by, accept_by) in rows {
        let region_code = RegionCode::stored(&region);
        days.entry(id).or_default().push(Days { region_code, starts_on, finalise_by, forward_by, accept_by });
    }
    Ok(days)
}

/// Plans a campaign.
pub async fn insert(tx: &mut Tx, row: &Campaign, days: &[Days]) -> Result<Campaign> {
    tx.scope().demand(&row.region())?;
    let row = diesel::insert_into(campaigns::table).values(row).returning(Campaign::as_returning()).get_result(&mut tx.on()).await?;
    set_days(tx, row.id, days).await?;
    Ok(row)
}

/// Sets the subdistricts of a campaign that was found to change.
pub async fn set_days(tx: &mut Tx, id: Uuid, days: &[Days]) -> Result<()> {
    diesel::delete(campaign_subdistricts::table.filter(campaign_subdistricts::campaign_id.eq(id))).execute(&mut tx.on()).await?;
    let rows: Vec<_> = (0i16..)
        .zip(days)
        .map(|(place, day)| {
            (
                campaign_subdistricts::campaign_id.eq(id),
                campaign_subdistricts::region_code.eq(day.region_code.as_str()),
                campaign_subdistricts::place.eq(place),
                campaign_subdistricts::starts_on.eq(day.starts_on),
                campaign_subdistricts::finalise_by.eq(day.finalise_by),
                campaign_subdistricts::forward_by.eq(day.forward_by),
                campaign_subdistricts::accept_by.eq(day.accept_by),
            )
        })
        .collect();
    diesel::insert_into(campaign_subdistricts::table).values(rows).execute(&mut tx.on()).await?;
    Ok(())
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Campaign) -> Result<Campaign> {
    let changed = diesel::update(campaigns::table.filter(campaigns::id.eq(row.id)).filter(campaigns::version.eq(row.version)))
        .set((
            campaigns::name.eq(&row.name),
            campaigns::lead_agency_id.eq(row.lead_agency_id),
            campaigns::criteria_set_id.eq(row.criteria_set_id),
            campaigns::state.eq(&row.state),
            campaigns::job_id.eq(row.job_id),
            campaigns::opened_at.eq(row.opened_at),
            campaigns::closed_at.eq(row.closed_at),
            campaigns::version.eq(campaigns::version + 1),
            campaigns::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Campaign::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Whether a release of the scope lies in this regency and its families are on file.
pub async fn is_imported(db: &impl Scoped, release: Uuid, region: &RegionCode) -> Result<bool> {
    let state: String = releases::table
        .filter(db.scope().within(releases::region_code))
        .filter(under(releases::region_code, region))
        .filter(releases::id.eq(release))
        .select(releases::state)
        .first(&mut db.on())
        .await?;
    Ok(state == "imported")
}

/// Whether a target list of the scope lies in this regency and is in force.
pub async fn is_in_force(db: &impl Scoped, list: Uuid, region: &RegionCode) -> Result<bool> {
    let state: String = target_lists::table
        .filter(db.scope().within(target_lists::region_code))
        .filter(under(target_lists::region_code, region))
        .filter(target_lists::id.eq(list))
        .select(target_lists::state)
        .first(&mut db.on())
        .await?;
    Ok(state == "decreed")
}

/// The families that a campaign is to check, as `listed (id, region_code)`: named by its release or on its target list, merged
/// ones followed to the one that is kept, served, and living in one of its subdistricts now.
const LISTED: &str = "WITH RECURSIVE named AS (
        SELECT f.beneficiary_id AS id
          FROM verification_campaigns c
          JOIN statements s ON s.release_id = c.release_id
          JOIN releases r ON r.id = s.release_id
          JOIN source_families f ON f.dataset_id = r.dataset_id AND f.source_id = s.source_id
         WHERE c.id = $1
        UNION ALL
        SELECT e.beneficiary_id FROM verification_campaigns c
          JOIN target_list_entries e ON e.target_list_id = c.target_list_id AND e.included
         WHERE c.id = $1),
     led AS (
        SELECT b.id, b.merged_into FROM beneficiaries b JOIN named ON named.id = b.id
        UNION
        SELECT b.id, b.merged_into FROM led JOIN beneficiaries b ON b.id = led.merged_into),
     listed AS (
        SELECT b.id, b.region_code FROM led JOIN beneficiaries b ON b.id = led.id
         WHERE b.merged_into IS NULL AND b.status = 'active'
           AND left(b.region_code, 8) IN (SELECT region_code FROM campaign_subdistricts WHERE campaign_id = $1))";

#[derive(QueryableByName)]
struct Whether {
    #[diesel(sql_type = Bool)]
    holds: bool,
}

/// Whether any family is to be checked. The caller has found the campaign in its scope.
pub async fn has_families(tx: &Tx, campaign: Uuid) -> Result<bool> {
    let found: Whether = diesel::sql_query(format!("{LISTED} SELECT EXISTS (SELECT FROM listed) AS holds"))
        .bind::<SqlUuid, _>(campaign)
        .get_result(&mut tx.on())
        .await?;
    Ok(found.holds)
}

#[derive(QueryableByName)]
struct VillageCount {
    #[diesel(sql_type = Text)]
    region_code: String,
    #[diesel(sql_type = BigInt)]
    families: i64,
}

/// Gives every village of the campaign its families: new villages get a result, open ones what came since and who moved there; a
/// result that is on its way keeps what it has. Returns what changed and how many families were given out.
pub async fn assign(tx: &mut Tx, campaign: &Campaign) -> Result<(Vec<Change>, i64)> {
    tx.scope().demand(&campaign.region())?;
    let villages: Vec<VillageCount> = diesel::sql_query(format!(
        "{LISTED} SELECT region_code, count(*) AS families FROM listed GROUP BY region_code ORDER BY region_code"
    ))
    .bind::<SqlUuid, _>(campaign.id)
    .load(&mut tx.on())
    .await?;
    let rows: Vec<_> = villages
        .iter()
        .map(|village| {
            (
                village_results::id.eq(new_id()),
                village_results::campaign_id.eq(campaign.id),
                village_results::region_code.eq(&village.region_code),
            )
        })
        .collect();
    let made: Vec<(Uuid, String)> = diesel::insert_into(village_results::table)
        .values(rows)
        .on_conflict((village_results::campaign_id, village_results::region_code))
        .do_nothing()
        .returning((village_results::id, village_results::region_code))
        .get_results(&mut tx.on())
        .await?;
    // Whoever finalises holds the row: a family does not slip into a result that is on its way.
    let _: Vec<Uuid> = village_results::table
        .filter(village_results::campaign_id.eq(campaign.id))
        .filter(village_results::state.eq_any(["open", "returned"]))
        .order(village_results::id)
        .select(village_results::id)
        .for_no_key_update()
        .load(&mut tx.on())
        .await?;
    let moved = follow_moves(tx, campaign.id).await?;
    let families = diesel::sql_query(format!(
        "{LISTED} INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
         SELECT v.id, l.id, $1, l.region_code FROM listed l
           JOIN village_results v ON v.campaign_id = $1 AND v.region_code = l.region_code AND v.state IN ('open', 'returned')
         ON CONFLICT DO NOTHING"
    ))
    .bind::<SqlUuid, _>(campaign.id)
    .execute(&mut tx.on())
    .await?;
    let counts: HashMap<&str, i64> = villages.iter().map(|village| (village.region_code.as_str(), village.families)).collect();
    let followed = moved.iter().flat_map(|family| {
        let told = |result: Uuid, region: &str, action| {
            Change::new("village-results", result, RegionCode::stored(region), action)
                .with("beneficiary_id", serde_json::json!(family.beneficiary_id))
        };
        let away = told(family.old_id, &family.old_region, "family_given_away");
        [away, told(family.new_id, &family.new_region, "family_assigned")]
    });
    let told = made.iter().map(|(id, region)| {
        let families = counts.get(region.as_str()).copied().unwrap_or_default();
        Change::new("village-results", *id, RegionCode::stored(region), "created")
            .with("campaign_id", serde_json::json!(campaign.id))
            .with("families", serde_json::json!(families))
    });
    Ok((told.chain(followed).collect(), i64::try_from(families.saturating_add(moved.len())).unwrap_or(i64::MAX)))
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = SqlUuid)]
    beneficiary_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    old_id: Uuid,
    #[diesel(sql_type = Text)]
    old_region: String,
    #[diesel(sql_type = SqlUuid)]
    new_id: Uuid,
    #[diesel(sql_type = Text)]
    new_region: String,
}

/// Gives families that moved within the campaign to their new village, where neither result is on its way. The caller holds both.
async fn follow_moves(tx: &mut Tx, campaign: Uuid) -> Result<Vec<Moved>> {
    let moved: Vec<Moved> = diesel::sql_query(
        "UPDATE assigned_families a SET given_away_at = now()
           FROM village_results o, beneficiaries b, village_results n
          WHERE a.campaign_id = $1 AND a.given_away_at IS NULL AND o.id = a.village_result_id AND o.state IN ('open', 'returned')
            AND b.id = a.beneficiary_id AND b.region_code <> a.region_code AND b.status = 'active' AND b.merged_into IS NULL
            AND n.campaign_id = $1 AND n.region_code = b.region_code AND n.state IN ('open', 'returned')
         RETURNING a.beneficiary_id, o.id AS old_id, o.region_code AS old_region, n.id AS new_id, n.region_code AS new_region",
    )
    .bind::<SqlUuid, _>(campaign)
    .load(&mut tx.on())
    .await?;
    // Whoever comes back is this village's again, with the visits made here before.
    diesel::sql_query(
        "INSERT INTO assigned_families (village_result_id, beneficiary_id, campaign_id, region_code)
         SELECT n.id, m.family, n.campaign_id, n.region_code FROM unnest($1, $2) AS m (family, result) JOIN village_results n ON n.id = m.result
         ON CONFLICT (village_result_id, beneficiary_id) DO UPDATE SET given_away_at = NULL",
    )
    .bind::<Array<SqlUuid>, _>(moved.iter().map(|family| family.beneficiary_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(moved.iter().map(|family| family.new_id).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?;
    Ok(moved)
}

/// How many results of a campaign are on their way from a village to the regency. All are held, so that none sets out meanwhile: in
/// the order of an assignment, after the campaign.
pub async fn on_their_way(tx: &Tx, campaign: Uuid) -> Result<i64> {
    let _: Vec<Uuid> = village_results::table
        .filter(tx.scope().within(village_results::region_code))
        .filter(village_results::campaign_id.eq(campaign))
        .order(village_results::id)
        .select(village_results::id)
        .for_no_key_update()
        .load(&mut tx.on())
        .await?;
    Ok(village_results::table
        .filter(tx.scope().within(village_results::region_code))
        .filter(village_results::campaign_id.eq(campaign))
        .filter(village_results::state.eq_any(["finalised", "forwarded"]))
        .count()
        .get_result(&mut tx.on())
        .await?)
}
