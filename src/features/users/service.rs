//! Use cases with several callers: proving who one is (token endpoint, password change) and registering (HTTP, command, demo).

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::model::{self, AccountStatus, Kind, Secret, demand_fit, is_related};
use super::store::{self, Account, Assignment};
use super::{secrets, sign_in_refused};
use crate::features::agencies;
use crate::platform::changes::{Change, Tracked};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::{Code, Error, Result};
use crate::platform::ids::{RegionCode, new_id};
use crate::platform::policy::Role;
use crate::platform::{SYSTEM, Services};

/// A refusal takes this long at least, so that its time does not tell whether the name, the secret or the account was wrong.
const FLOOR: Duration = Duration::from_millis(300);

/// The account behind a name and a secret. Unknown names, wrong secrets and disabled accounts are refused alike.
///
/// The transaction that uses the answer must begin with [`store::clear_failures`].
pub async fn prove(services: &Services, kind: Kind, name: &str, secret: &Secret, request_id: Uuid) -> Result<Account> {
    let began = Instant::now();
    let proved = try_prove(services, kind, name, secret, request_id).await;
    if proved.is_err() {
        tokio::time::sleep_until((began + FLOOR).into()).await;
    }
    proved
}

async fn try_prove(services: &Services, kind: Kind, name: &str, secret: &Secret, request_id: Uuid) -> Result<Account> {
    // The account is read inside the turn: of many guesses sent at once, those after the fifth find it suspended.
    let turn = secrets::turn().await?;
    let account = match model::is_name(name) {
        true => store::find_named(&services.read_as_system().await?, kind, name).await?,
        false => None,
    };
    let suspended = match &account {
        Some(account) => account.suspended_for(),
        None => STRANGERS.suspended_for(kind, name),
    };
    if let Some(seconds) = suspended {
        return Err(Error::RefusedFor(Code::LockedOut, seconds));
    }
    let (right, _turn) = secrets::verify(turn, account.as_ref().and_then(|account| account.secret_hash.clone()), secret).await?;
    let Some(account) = account else {
        STRANGERS.count(kind, name);
        return Err(sign_in_refused(kind));
    };
    if right && account.status == AccountStatus::Active.name() {
        return Ok(account);
    }
    count_failure(services, &account, request_id).await?;
    Err(sign_in_refused(kind))
}

async fn count_failure(services: &Services, account: &Account, request_id: Uuid) -> Result<()> {
    // Nobody has proved to be this account: the system tells of the failure.
    let mut tx = services.write_as(SYSTEM, Some(request_id), account.region()).await?;
    if let Some(now) = store::count_failure(&mut tx, account.id).await? {
        let change = match now.locked_until {
            Some(until) => now.told("locked_out").with("locked_until", serde_json::json!(until)),
            None => now.told("sign_in_failed"),
        };
        tx.commit([change]).await?;
    }
    Ok(())
}

/// Failures under names that no account has, so that a suspension does not tell which names exist. Kept by each replica for
/// itself, forgotten after an hour.
struct Strangers(Mutex<HashMap<[u8; 32], Stranger>>);

struct Stranger {
    failed: i32,
    at: Instant,
    until: Option<Instant>,
}

static STRANGERS: LazyLock<Strangers> = LazyLock::new(|| Strangers(Mutex::default()));
const STRANGERS_KEPT: usize = 10_000;
const STRANGERS_FOR: Duration = Duration::from_secs(3_600);

impl Strangers {
    fn key(kind: Kind, name: &str) -> [u8; 32] {
        // A name may be a password typed into the wrong field: it is not kept.
        Sha256::new().chain_update(kind.name()).chain_update([0]).chain_update(name).finalize().into()
    }

    fn suspended_for(&self, kind: Kind, name: &str) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = known.get(&Self::key(kind, name))?.until?;
        let left = until.checked_duration_since(Instant::now())?;
        Some(left.as_secs() + 1)
    }

    fn count(&self, kind: Kind, name: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= STRANGERS_KEPT {
            known.retain(|_, stranger| stranger.at.elapsed() < STRANGERS_FOR);
        }
        if known.len() >= STRANGERS_KEPT {
            known.clear();
        }
        let now = Instant::now();
        let stranger = known.entry(Self::key(kind, name)).or_insert(Stranger { failed: 0, at: now, until: None });
        stranger.failed = stranger.failed.saturating_add(1);
        stranger.at = now;
        stranger.until = model::suspension(stranger.failed)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(|seconds| now + Duration::from_secs(seconds));
    }
}

/// A new account, not yet stored.
pub fn new_account(id: Option<Uuid>, kind: Kind, name: String, display_name: String, region: RegionCode, hash: Option<String>) -> Account {
    let now = Utc::now();
    Account {
        id: id.unwrap_or_else(new_id),
        kind: kind.name().into(),
        name,
        display_name,
        region_code: region.into(),
        secret_hash: hash,
        status: AccountStatus::Active.name().into(),
        failed_logins: 0,
        locked_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// What an assignment is made of.
pub struct Wish {
    /// An id of the client's own.
    pub id: Option<Uuid>,
    /// As what.
    pub role: Role,
    /// Where.
    pub region: RegionCode,
    /// For which agency.
    pub agency: Option<Uuid>,
    /// From this day; today when absent.
    pub valid_from: Option<chrono::NaiveDate>,
    /// To this day.
    pub valid_to: Option<chrono::NaiveDate>,
}

/// Gives an account a role: in the scope, at a level of the role, with an agency that has business there.
pub async fn assign(tx: &mut Tx, account: &Account, wish: Wish) -> Result<(Assignment, [Change; 2])> {
    let Wish { id, role, region, agency, valid_from, valid_to } = wish;
    tx.scope().demand(&region)?;
    demand_fit(role, &region, agency.is_some())?;
    if let Some(agency) = agency {
        let agency = agencies::find_active(tx, agency).await?;
        if !is_related(&agency.region(), &region) {
            return Err(Code::NotFound.into());
        }
    }
    let valid_from = match valid_from {
        Some(day) => day,
        None => store::today(tx).await?,
    };
    demand_order(valid_from, valid_to)?;
    let now = Utc::now();
    let row = Assignment {
        id: id.unwrap_or_else(new_id),
        actor_id: account.id,
        role: role.name().into(),
        region_code: region.into(),
        agency_id: agency,
        valid_from,
        valid_to,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let row = store::assign(tx, &row).await?;
    let changes = [Change::created(&row), told(account, "assigned", &row)];
    Ok((row, changes))
}

/// The same fact in the account's own history.
pub fn told(account: &Account, action: &'static str, row: &Assignment) -> Change {
    account
        .told(action)
        .with("assignment_id", serde_json::json!(row.id))
        .with("role", serde_json::json!(row.role))
        .with("region_code", serde_json::json!(row.region_code))
}

/// Refuses a period that ends before it begins.
pub fn demand_order(from: chrono::NaiveDate, to: Option<chrono::NaiveDate>) -> Result<()> {
    match to {
        Some(to) if to < from => Err(Error::field("valid_to", "period", "The period ends before it begins.")),
        _ => Ok(()),
    }
}

/// Registers a person with one role, for the command line: the first administrator has nobody to ask.
pub async fn add(services: &Services, name: String, display_name: String, wish: Wish, secret: &Secret) -> Result<Uuid> {
    if !model::is_name(&name) {
        return Err(Error::field("name", "account_name", "3 to 60 characters out of a-z, 0-9, dot, underscore and hyphen."));
    }
    secret.demand_strong(&name)?;
    let hash = secrets::hash(secret).await?;
    let mut tx = services.write_as_system(RegionCode::country()).await?;
    let account = new_account(None, Kind::Person, name, display_name, wish.region.clone(), Some(hash));
    let account = store::insert(&mut tx, &account).await?;
    let (_, [assigned, told]) = assign(&mut tx, &account, wish).await?;
    tx.commit([account.created(), assigned, told]).await?;
    Ok(account.id)
}
