//! The feed and the audit log over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::model;
use super::store::{self, Event, Followed, Place, Told, Wanted};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::{Following, Page};
use crate::platform::api::Api;
use crate::platform::error::{Error, Result};
use crate::platform::ids::RegionCode;
use crate::platform::list::List;
use crate::platform::policy::{AuditRead, ChangesRead};
use crate::platform::wire::words;

/// Mounts the feature.
pub fn operations(api: &mut Api) {
    api.feature("feed", "What changed, for aggregators; who did and read what, for inspectors");
    mount!(api, changes, audit_events);
}

/// A change as the feed tells it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedItem {
    /// Its id; a follower that stores ids notices a repetition.
    pub id: Uuid,
    /// The cursor of this very item: sent as `after`, the feed goes on behind it.
    pub cursor: String,
    /// When its transaction began. The feed is in the order of `cursor`, which is not always the order of this.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub actor_id: Uuid,
    /// The region of the record.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What kind of record: the plural noun of its path.
    #[schema(example = "action_plans")]
    pub resource: String,
    /// Which record.
    pub resource_id: Uuid,
    /// What was done.
    #[schema(example = "approved")]
    pub action: String,
    /// Field by field `{"from", "to"}`. Personal data is not told: such a field only says `{"changed": true}`, as do all
    /// fields of families, members and accounts. Whoever may read the record fetches it.
    #[schema(value_type = Object)]
    pub fields: Value,
}

impl FeedItem {
    fn of(row: Told, list: &List<FeedFilter>) -> Self {
        let Told { xid, seq, id, at, actor_id, region_code, resource, resource_id, action, fields } = row;
        let fields = model::told(&resource, fields);
        let cursor = list.cursor::<Place>(&(xid, seq)).unwrap_or_default();
        FeedItem { id, cursor, at, actor_id, region_code, resource, resource_id, action, fields }
    }
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FeedFilter {
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Of this kind of record, e.g. `interventions`.
    #[param(max_length = 100)]
    resource: Option<String>,
}

/// Follow the change feed
///
/// Every change of your regions, once, in an order that never changes afterwards. Begin without `after`, then keep sending
/// the `next` of the answer before: at once while `more` is true, every few seconds or hours when it is not. `next` is
/// never null, also when there is nothing new, so that you can go on from there later; store it together with what you
/// took over. Keep the filters the same while you follow.
///
/// Nothing is left out and nothing comes twice. For that a change is only told when every transaction that began before
/// its own has ended, so the feed may lag some seconds behind a long import. Reasons and personal values are not told.
///
/// A cursor that is not one of this feed, or no longer understood, is answered 422 `invalid` with the code `cursor` at `after`,
/// and nothing is told: begin again without `after`, and know what you have by the ids of the changes.
#[utoipa::path(get, path = "/changes")]
async fn changes(access: Access<ChangesRead>, list: List<FeedFilter>) -> Result<Following<FeedItem>> {
    let FeedFilter { region, resource } = &list.filter;
    let followed = Followed { region: region.clone(), resource: resource.clone() };
    let (rows, end) = store::follow(&access.read_apart().await?, &followed, list.after()?, list.fetch()).await?;
    list.part(rows, |row| (row.xid, row.seq), end, |row| FeedItem::of(row, &list))
}

words! {
    /// What an audit event tells of.
    EventKind {
        /// Something was changed, or a full number disclosed.
        Change "change",
        /// Personal data was shown.
        Read "read",
    }
}

/// Something that somebody did or saw.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEvent {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: Uuid,
    /// Where.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// Changed or read.
    #[schema(value_type = EventKind)]
    pub kind: String,
    /// What kind of record.
    #[schema(example = "beneficiaries")]
    pub resource: String,
    /// Which record; null for lists.
    pub resource_id: Option<Uuid>,
    /// What was done.
    #[schema(example = "disclosed")]
    pub action: String,
    /// Of a change: field by field `{"from", "to"}`; a sensitive field only says `{"changed": true}`.
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Value>,
    /// Of a reading: how many records were shown.
    pub rows: Option<i32>,
    /// Why, where it was asked or said.
    pub reason: Option<String>,
    /// The request that did it; null for jobs and commands.
    pub request_id: Option<Uuid>,
}

impl From<Event> for AuditEvent {
    fn from(row: Event) -> Self {
        let Event { id, at, actor_id, region_code, kind, resource, resource_id, action, fields, rows, reason, request_id } = row;
        AuditEvent { id, at, actor_id, region_code, kind, resource, resource_id, action, fields, rows, reason, request_id }
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    /// Changes only, or readings only.
    kind: Option<EventKind>,
    /// Of this kind of record, e.g. `beneficiaries`.
    #[param(max_length = 100)]
    resource: Option<String>,
    /// Of this record.
    resource_id: Option<Uuid>,
    /// By this actor.
    actor_id: Option<Uuid>,
    /// Of this action, e.g. `disclosed`.
    #[param(max_length = 100)]
    action: Option<String>,
    /// In or under this region.
    #[param(value_type = Option<RegionCode>)]
    region: Option<RegionCode>,
    /// Not before this time.
    from: Option<DateTime<Utc>>,
    /// Before this time.
    to: Option<DateTime<Utc>>,
}

fn sane(name: &str, at: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>> {
    use chrono::Datelike;
    match at {
        Some(at) if !(1900..2200).contains(&at.year()) => Err(Error::field(name, "range", "Send a time between 1900 and 2200.")),
        at => Ok(at),
    }
}

/// List audit events
///
/// Who changed and who read what in your regions, the newest first. A reading appears within a second or so; it belongs to
/// the region of the record, or for a list to the region that was looked into.
#[utoipa::path(get, path = "/audit-events")]
async fn audit_events(access: Access<AuditRead>, list: List<AuditFilter>) -> Result<Page<AuditEvent>> {
    let AuditFilter { kind, resource, resource_id, actor_id, action, region, from, to } = &list.filter;
    let wanted = Wanted {
        kind: kind.map(EventKind::name),
        resource: resource.clone(),
        resource_id: *resource_id,
        actor_id: *actor_id,
        action: action.clone(),
        region: region.clone(),
        from: sane("from", *from)?,
        to: sane("to", *to)?,
    };
    let rows = store::events(&access.read_apart().await?, &wanted, list.after()?, list.fetch()).await?;
    Ok(list.page(rows, |row| row.id, AuditEvent::from))
}
