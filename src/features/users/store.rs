//! SQL of the accounts and their assignments.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::{now, sql};
use diesel::helper_types::{AsSelect, Eq, Filter, IntoBoxed, Select};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Date, Integer, Nullable, Timestamptz};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::model::{FAILURES, Kind};
use crate::platform::access::{Scope, Within, under};
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::schema::{actors, assignments};

/// A person or a service account. No `Debug`: it holds the hash.
#[derive(Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = actors, check_for_backend(Pg))]
pub struct Account {
    /// Record id.
    pub id: Uuid,
    /// person or service.
    pub kind: String,
    /// What it signs in with.
    pub name: String,
    /// What people read.
    pub display_name: String,
    /// Whose administrators keep it.
    pub region_code: String,
    /// argon2id.
    #[serde(skip)]
    pub secret_hash: Option<String>,
    /// active or disabled.
    pub status: String,
    /// Failures in a row.
    #[serde(skip)]
    pub failed_logins: i32,
    /// Suspended until.
    #[serde(skip)]
    pub locked_until: Option<DateTime<Utc>>,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Account {
    /// The region whose administrators keep it.
    pub fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }

    /// Its name in the feed.
    pub fn resource(&self) -> &'static str {
        if self.kind == Kind::Service.name() { Service::RESOURCE } else { Person::RESOURCE }
    }

    /// How many seconds signing in is still suspended.
    pub fn suspended_for(&self) -> Option<u64> {
        let left = (self.locked_until? - Utc::now()).num_milliseconds();
        u64::try_from(left).ok().filter(|left| *left > 0).map(|left| left.div_ceil(1000))
    }

    /// A change of it that is told in words and not field by field.
    pub fn told(&self, action: &'static str) -> Change {
        Change::new(self.resource(), self.id, self.region(), action)
    }

    /// A new account.
    pub fn created(&self) -> Change {
        if self.kind == Kind::Service.name() { Change::created(&Service(self)) } else { Change::created(&Person(self)) }
    }

    /// A changed account.
    pub fn turned(&self, action: &'static str, new: &Account) -> Change {
        if self.kind == Kind::Service.name() {
            Change::turned(action, &Service(self), &Service(new))
        } else {
            Change::turned(action, &Person(self), &Person(new))
        }
    }
}

/// An account as `/users` tells its changes.
#[derive(Serialize)]
pub struct Person<'a>(&'a Account);

/// An account as `/service-accounts` tells its changes.
#[derive(Serialize)]
pub struct Service<'a>(&'a Account);

impl Tracked for Person<'_> {
    const RESOURCE: &'static str = "users";
    fn id(&self) -> Uuid {
        self.0.id
    }
    fn region(&self) -> RegionCode {
        self.0.region()
    }
}

impl Tracked for Service<'_> {
    const RESOURCE: &'static str = "service_accounts";
    fn id(&self) -> Uuid {
        self.0.id
    }
    fn region(&self) -> RegionCode {
        self.0.region()
    }
}

type Visible<'a> =
    IntoBoxed<'a, Filter<Filter<Select<actors::table, AsSelect<Account, Pg>>, Within<actors::region_code>>, Eq<actors::kind, &'a str>>, Pg>;

fn visible(scope: &Scope, kind: Kind) -> Visible<'static> {
    actors::table.select(Account::as_select()).filter(scope.within(actors::region_code)).filter(actors::kind.eq(kind.name())).into_boxed()
}

/// What a list of accounts is asked for.
#[derive(Default)]
pub struct Wanted {
    /// Home in or under this region.
    pub region: Option<RegionCode>,
    /// active or disabled.
    pub status: Option<&'static str>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// With an assignment of this role in force.
    pub role: Option<&'static str>,
}

/// A page in id order.
pub async fn list(db: &impl Scoped, kind: Kind, wanted: &Wanted, after: Option<Uuid>, limit: i64) -> Result<Vec<Account>> {
    let mut query = visible(db.scope(), kind).order(actors::id).limit(limit);
    if let Some(region) = &wanted.region {
        query = query.filter(under(actors::region_code, region));
    }
    if let Some(status) = wanted.status {
        query = query.filter(actors::status.eq(status));
    }
    if let Some(name) = &wanted.name {
        query = query.filter(actors::name.eq(name.clone()));
    }
    if let Some(role) = wanted.role {
        // Only where the reader may see the assignment: a list must not tell what the sub-resource hides.
        let held = assignments::table
            .filter(db.scope().within(assignments::region_code))
            .filter(assignments::role.eq(role))
            .filter(sql::<Bool>("valid_from <= current_date AND (valid_to IS NULL OR valid_to >= current_date)"))
            .select(assignments::actor_id);
        query = query.filter(actors::id.eq_any(held));
    }
    if let Some(after) = after {
        query = query.filter(actors::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One account.
pub async fn find(db: &impl Scoped, kind: Kind, id: Uuid) -> Result<Account> {
    Ok(visible(db.scope(), kind).filter(actors::id.eq(id)).first(&mut db.on()).await?)
}

/// The account of a name, for whoever signs in with it.
pub async fn find_named(db: &impl Scoped, kind: Kind, name: &str) -> Result<Option<Account>> {
    Ok(visible(db.scope(), kind).filter(actors::name.eq(name.to_owned())).first(&mut db.on()).await.optional()?)
}

/// One account to change: in the scope, locked, and with no assignment beyond the scope. Whoever could reset the password
/// of an account that also acts for the province would hold the province's rights.
pub async fn find_to_change(tx: &Tx, kind: Kind, id: Uuid, expected: IfGiven) -> Result<Account> {
    let row: Account = actors::table
        .select(Account::as_select())
        .filter(tx.scope().within(actors::region_code))
        .filter(actors::kind.eq(kind.name()))
        .filter(actors::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?;
    let beyond: i64 = assignments::table
        .filter(assignments::actor_id.eq(id))
        .filter(sql::<Bool>("(valid_to IS NULL OR valid_to >= current_date)"))
        .filter(diesel::dsl::not(tx.scope().within(assignments::region_code)))
        .count()
        .get_result(&mut tx.on())
        .await?;
    if beyond > 0 {
        return Err(Code::AccountBeyond.into());
    }
    expected.demand(row.version)?;
    Ok(row)
}

/// Registers one.
pub async fn insert(tx: &mut Tx, row: &Account) -> Result<Account> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(actors::table).values(row).returning(Account::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores an edited row as the next version.
pub async fn update(tx: &mut Tx, row: &Account) -> Result<Account> {
    let changed = diesel::update(actors::table.filter(actors::id.eq(row.id)).filter(actors::version.eq(row.version)))
        .set((
            actors::display_name.eq(&row.display_name),
            actors::status.eq(&row.status),
            actors::secret_hash.eq(&row.secret_hash),
            actors::failed_logins.eq(row.failed_logins),
            actors::locked_until.eq(row.locked_until),
            actors::version.eq(actors::version + 1),
            actors::updated_at.eq(now),
        ))
        .returning(Account::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Counts a failure in one statement, whoever fails at the same time; `None` when the account is suspended already.
/// Answers the suspension that this failure brought, if it did.
pub async fn count_failure(tx: &mut Tx, id: Uuid) -> Result<Option<Account>> {
    // The back-off of model::suspension, which a test compares.
    let suspended = sql::<Nullable<Timestamptz>>("CASE WHEN failed_logins + 1 >= ")
        .bind::<Integer, _>(FAILURES)
        .sql(" THEN now() + make_interval(secs => least(900, 30 * power(2, least(failed_logins + 1 - ")
        .bind::<Integer, _>(FAILURES)
        .sql(", 16)))) END");
    let open = actors::table
        .filter(actors::id.eq(id))
        .filter(actors::locked_until.is_null().or(actors::locked_until.le(now.into_sql::<Nullable<Timestamptz>>())));
    Ok(diesel::update(open)
        .set((actors::failed_logins.eq(actors::failed_logins + 1), actors::locked_until.eq(suspended)))
        .returning(Account::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?)
}

/// Forgets failures; `false` when the account was disabled or suspended, or its secret changed, since it was read.
pub async fn clear_failures(tx: &mut Tx, account: &Account) -> Result<bool> {
    let same = actors::table
        .filter(actors::id.eq(account.id))
        .filter(actors::status.eq("active"))
        .filter(actors::secret_hash.eq(&account.secret_hash))
        .filter(actors::locked_until.is_null().or(actors::locked_until.le(now.into_sql::<Nullable<Timestamptz>>())));
    let cleared = diesel::update(same)
        .set((actors::failed_logins.eq(0), actors::locked_until.eq(None::<DateTime<Utc>>)))
        .execute(&mut tx.on())
        .await?;
    Ok(cleared == 1)
}

/// Stores a new secret where the old one still stands.
pub async fn replace_secret(tx: &mut Tx, account: &Account, hash: &str) -> Result<()> {
    let same = actors::table.filter(actors::id.eq(account.id)).filter(actors::secret_hash.eq(&account.secret_hash));
    let replaced = diesel::update(same)
        .set((actors::secret_hash.eq(hash), actors::version.eq(actors::version + 1), actors::updated_at.eq(now)))
        .execute(&mut tx.on())
        .await?;
    if replaced == 1 { Ok(()) } else { Err(Code::VersionStale.into()) }
}

/// A role in a region, for a time, for some roles with an agency.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = assignments, check_for_backend(Pg))]
pub struct Assignment {
    /// Record id.
    pub id: Uuid,
    /// Whose.
    pub actor_id: Uuid,
    /// As what.
    pub role: String,
    /// Where.
    pub region_code: String,
    /// For which agency.
    pub agency_id: Option<Uuid>,
    /// From this day.
    pub valid_from: NaiveDate,
    /// To this day.
    pub valid_to: Option<NaiveDate>,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Tracked for Assignment {
    const RESOURCE: &'static str = "assignments";
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// The database's day, by which assignments count on every replica.
pub async fn today(db: &impl Scoped) -> Result<NaiveDate> {
    Ok(diesel::select(sql::<Date>("current_date")).get_result(&mut db.on()).await?)
}

/// A page of an account's assignments in the scope, in id order. The caller has found the account in its scope before.
pub async fn assignments(db: &impl Scoped, account: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Assignment>> {
    let mut query = assignments::table
        .select(Assignment::as_select())
        .filter(db.scope().within(assignments::region_code))
        .filter(assignments::actor_id.eq(account))
        .order(assignments::id)
        .limit(limit)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(assignments::id.gt(after));
    }
    Ok(query.load(&mut db.on()).await?)
}

/// One assignment of an account that the caller has found.
pub async fn assignment(db: &impl Scoped, account: Uuid, id: Uuid) -> Result<Assignment> {
    Ok(assignments::table
        .select(Assignment::as_select())
        .filter(db.scope().within(assignments::region_code))
        .filter(assignments::actor_id.eq(account))
        .filter(assignments::id.eq(id))
        .first(&mut db.on())
        .await?)
}

/// The same, locked.
pub async fn assignment_to_change(tx: &Tx, account: Uuid, id: Uuid) -> Result<Assignment> {
    Ok(assignments::table
        .select(Assignment::as_select())
        .filter(tx.scope().within(assignments::region_code))
        .filter(assignments::actor_id.eq(account))
        .filter(assignments::id.eq(id))
        .for_update()
        .first(&mut tx.on())
        .await?)
}

/// Assigns.
pub async fn assign(tx: &mut Tx, row: &Assignment) -> Result<Assignment> {
    tx.scope().demand(&row.region())?;
    Ok(diesel::insert_into(assignments::table).values(row).returning(Assignment::as_returning()).get_result(&mut tx.on()).await?)
}

/// Stores another period as the next version.
pub async fn reassign(tx: &mut Tx, row: &Assignment) -> Result<Assignment> {
    let changed = diesel::update(assignments::table.filter(assignments::id.eq(row.id)).filter(assignments::version.eq(row.version)))
        .set((
            assignments::valid_from.eq(row.valid_from),
            assignments::valid_to.eq(row.valid_to),
            assignments::version.eq(assignments::version + 1),
            assignments::updated_at.eq(now),
        ))
        .returning(Assignment::as_returning())
        .get_result(&mut tx.on())
        .await
        .optional()?;
    changed.ok_or_else(|| Code::VersionStale.into())
}

/// Removes one that never counted.
pub async fn unassign(tx: &mut Tx, id: Uuid) -> Result<()> {
    diesel::delete(assignments::table.filter(tx.scope().within(assignments::region_code)).filter(assignments::id.eq(id)))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// Whether an account holds an assignment of a role in a region, ended or not.
pub async fn is_assigned(db: &impl Scoped, account: Uuid, role: &str, region: &RegionCode) -> Result<bool> {
    let held = assignments::table
        .filter(db.scope().within(assignments::region_code))
        .filter(assignments::actor_id.eq(account))
        .filter(assignments::role.eq(role))
        .filter(assignments::region_code.eq(region.as_str()));
    Ok(diesel::select(diesel::dsl::exists(held)).get_result(&mut db.on()).await?)
}

/// What the day's assignments of an account say to itself: role, region, its name, agency, its name.
pub type Held = (String, String, String, Option<Uuid>, Option<String>);

/// An account's own assignments in force. Whoever asks is the scope: the rows are their own, wherever they lie.
pub async fn held(db: &impl Scoped, account: Uuid) -> Result<Vec<Held>> {
    use crate::schema::{agencies, regions};
    Ok(assignments::table
        .inner_join(regions::table)
        .left_join(agencies::table)
        .filter(assignments::actor_id.eq(account))
        .filter(sql::<Bool>(
            "assignments.valid_from <= current_date AND (assignments.valid_to IS NULL OR assignments.valid_to >= current_date)",
        ))
        .order(assignments::id)
        .select((assignments::role, assignments::region_code, regions::name, assignments::agency_id, agencies::name.nullable()))
        .load(&mut db.on())
        .await?)
}

/// The name of an account's own region.
pub async fn region_name(db: &impl Scoped, code: &RegionCode) -> Result<String> {
    use crate::schema::regions;
    Ok(regions::table.find(code.as_str()).select(regions::name).first(&mut db.on()).await?)
}
