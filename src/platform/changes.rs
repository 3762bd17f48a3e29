//! Audit trail and change feed are one table, written by every commit in its own transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answers::Page;
use super::db::{Scoped, Tx};
use super::error::Result;
use super::ids::{Level, RegionCode, new_id};
use super::list::List;
use crate::schema::changes;

/// A record whose changes are told: what it is called, and which of its fields are nobody's business.
pub trait Tracked: Serialize {
    /// Its name in the feed: the plural noun of its path.
    const RESOURCE: &'static str;
    /// Fields that a diff names without their values.
    const SENSITIVE: &'static [&'static str] = &[];
    /// Fields that say nothing: bookkeeping.
    const SILENT: &'static [&'static str] = &["id", "version", "created_at", "updated_at"];
    /// Its id.
    fn id(&self) -> Uuid;
    /// The region whose people may learn of the change.
    fn region(&self) -> RegionCode;
}

/// One change of one record, as the feed and the history tell it.
#[derive(Debug, Clone)]
pub struct Change {
    resource: &'static str,
    resource_id: Uuid,
    region: RegionCode,
    action: &'static str,
    fields: Value,
    reason: Option<String>,
    left: Option<RegionCode>,
}

impl Change {
    /// A change without a diff, such as a disclosure.
    pub fn new(resource: &'static str, resource_id: Uuid, region: RegionCode, action: &'static str) -> Change {
        Change { resource, resource_id, region, action, fields: json!({}), reason: None, left: None }
    }

    /// A new record.
    pub fn created<T: Tracked>(new: &T) -> Change {
        Change { fields: diff::<T>(None, Some(new)), ..Change::new(T::RESOURCE, new.id(), new.region(), "created") }
    }

    /// A record that an edit or a step turned from `old` into `new`. One that moved to another regency is told to the old
    /// regency as well (`left_region`), whose followers would else keep it for ever.
    pub fn turned<T: Tracked>(action: &'static str, old: &T, new: &T) -> Change {
        let (from, to) = (old.region(), new.region());
        let left = (from.at(Level::Regency) != to.at(Level::Regency)).then_some(from);
        Change { fields: diff(Some(old), Some(new)), left, ..Change::new(T::RESOURCE, new.id(), to, action) }
    }

    /// What is told: the change itself, and to the region that the record left, that it did.
    fn told(self) -> impl Iterator<Item = Change> {
        let left = self.left.clone().map(|region| Change::new(self.resource, self.resource_id, region, "left_region"));
        left.into_iter().chain([self])
    }

    /// Why, in the words of whoever did it.
    pub fn because(mut self, reason: Option<String>) -> Change {
        self.reason = reason;
        self
    }

    /// A fact that belongs to the change and is not a field of the record.
    pub fn with(mut self, name: &str, value: Value) -> Change {
        if let Value::Object(fields) = &mut self.fields {
            fields.insert(name.to_owned(), value);
        }
        self
    }
}

/// `{"status": {"from": "active", "to": "inactive"}}`; a sensitive field is `{"changed": true}`.
fn diff<T: Tracked>(old: Option<&T>, new: Option<&T>) -> Value {
    let object = |row: Option<&T>| match row.map(serde_json::to_value) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Map::new(),
    };
    let (mut old, new) = (object(old), object(new));
    let mut fields = Map::new();
    for (name, to) in new {
        let from = old.remove(&name).unwrap_or(Value::Null);
        if from == to || T::SILENT.contains(&name.as_str()) {
            continue;
        }
        let told = if T::SENSITIVE.contains(&name.as_str()) { json!({"changed": true}) } else { json!({"from": from, "to": to}) };
        fields.insert(name, told);
    }
    Value::Object(fields)
}

/// Appends the changes inside the transaction; called by commit and by nothing else.
pub(super) async fn append(tx: &Tx, list: Vec<Change>) -> Result<()> {
    let rows: Vec<Change> = list.into_iter().flat_map(Change::told).collect();
    match <[Change; 1]>::try_from(rows) {
        Ok([one]) => append_one(tx, one).await,
        Err(rows) => append_many(tx, rows).await,
    }
}

/// The usual write changes one record; its statement is kept prepared.
async fn append_one(tx: &Tx, change: Change) -> Result<()> {
    let by = tx.author();
    diesel::insert_into(changes::table)
        .values((
            changes::id.eq(new_id()),
            changes::actor_id.eq(by.actor_id),
            changes::region_code.eq(String::from(change.region)),
            changes::resource.eq(change.resource),
            changes::resource_id.eq(change.resource_id),
            changes::action.eq(change.action),
            changes::fields.eq(change.fields),
            changes::reason.eq(change.reason),
            changes::request_id.eq(by.request_id),
        ))
        .execute(&mut tx.on())
        .await?;
    Ok(())
}

/// A bulk write's thousands go as one statement of lists: one of `VALUES` costs more to plan than to execute.
async fn append_many(tx: &Tx, rows: Vec<Change>) -> Result<()> {
    let by = tx.author();
    diesel::sql_query(
        "INSERT INTO changes (id, actor_id, region_code, resource, resource_id, action, fields, reason, request_id)
         SELECT id, $1, region_code, resource, resource_id, action, fields::jsonb, reason, $2
           FROM unnest($3, $4, $5, $6, $7, $8, $9) AS n (id, region_code, resource, resource_id, action, fields, reason)",
    )
    .bind::<SqlUuid, _>(by.actor_id)
    .bind::<Nullable<SqlUuid>, _>(by.request_id)
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|_| new_id()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|change| change.region.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|change| change.resource).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|change| change.resource_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|change| change.action).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|change| change.fields.to_string()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|change| change.reason.as_deref()).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// A change as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = changes)]
pub struct ChangeRow {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor_id: Uuid,
    /// Where.
    pub region_code: String,
    /// What kind of record.
    pub resource: String,
    /// Which record.
    pub resource_id: Uuid,
    /// What was done.
    pub action: String,
    /// What changed.
    pub fields: Value,
    /// Why.
    pub reason: Option<String>,
    /// In which request.
    pub request_id: Option<Uuid>,
}

/// One change of one record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeOut {
    /// Its id.
    pub id: Uuid,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub actor_id: Uuid,
    /// The region of the record.
    #[schema(value_type = RegionCode)]
    pub region_code: String,
    /// What kind of record.
    #[schema(example = "beneficiaries")]
    pub resource: String,
    /// Which record.
    pub resource_id: Uuid,
    /// What was done.
    #[schema(example = "edited")]
    pub action: String,
    /// Field by field `{"from", "to"}`; a sensitive field only says `{"changed": true}`.
    #[schema(value_type = Object)]
    pub fields: Value,
    /// Why, where it was asked or said.
    pub reason: Option<String>,
    /// The request that did it; null for jobs and commands.
    pub request_id: Option<Uuid>,
}

impl From<ChangeRow> for ChangeOut {
    fn from(row: ChangeRow) -> Self {
        let ChangeRow { id, at, actor_id, region_code, resource, resource_id, action, fields, reason, request_id } = row;
        ChangeOut { id, at, actor_id, region_code, resource, resource_id, action, fields, reason, request_id }
    }
}

/// The filters of a history: none.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

/// A page of the history of one record, oldest first. The caller has found the record in its scope before.
pub async fn history(db: &impl Scoped, resource: &'static str, id: Uuid, list: &List<NoFilter>) -> Result<Page<ChangeOut>> {
    let mut query = changes::table
        .filter(changes::resource_id.eq(id))
        .filter(changes::resource.eq(resource))
        .select(ChangeRow::as_select())
        .order(changes::id)
        .limit(list.fetch())
        .into_boxed();
    if let Some(after) = list.after::<Uuid>()? {
        query = query.filter(changes::id.gt(after));
    }
    let rows: Vec<ChangeRow> = query.load(&mut db.on()).await?;
    Ok(list.page(rows, |row| row.id, ChangeOut::from))
}

#[derive(QueryableByName)]
struct Turned {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

/// When a field of these records changed last, of those where it ever did since they were made. The caller has found them in its
/// scope before.
pub async fn last_turned(
    db: &impl Scoped,
    resource: &'static str,
    ids: &[Uuid],
    field: &'static str,
) -> Result<HashMap<Uuid, DateTime<Utc>>> {
    let rows: Vec<Turned> = diesel::sql_query(
        "SELECT resource_id AS id, max(at) AS at FROM changes
          WHERE resource_id = ANY($1) AND resource = $2 AND action <> 'created' AND jsonb_exists(fields, $3) GROUP BY resource_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Text, _>(resource)
    .bind::<Text, _>(field)
    .load(&mut db.on())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.at)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        id: Uuid,
        name: &'static str,
        status: &'static str,
        #[serde(skip)]
        region: &'static str,
        version: i32,
    }

    impl Tracked for Row {
        const RESOURCE: &'static str = "rows";
        const SENSITIVE: &'static [&'static str] = &["name"];
        fn id(&self) -> Uuid {
            self.id
        }
        fn region(&self) -> RegionCode {
            RegionCode::stored(self.region)
        }
    }

    #[test]
    fn a_record_that_moves_to_another_regency_is_told_in_both() {
        let id = new_id();
        let at = |region| Row { id, name: "A", status: "active", region, version: 1 };
        let told = |old, new| {
            let changes = Change::turned("edited", &at(old), &at(new)).told();
            changes.map(|change| (change.region.to_string(), change.action)).collect::<Vec<_>>()
        };
        assert_eq!(told("62.02.09.2001", "62.02.10.2001"), [("62.02.10.2001".to_owned(), "edited")]);
        let both = [("62.02.09.2001".to_owned(), "left_region"), ("64.08.03.2001".to_owned(), "edited")];
        assert_eq!(told("62.02.09.2001", "64.08.03.2001"), both);
    }

    #[test]
    fn a_diff_tells_what_changed_and_hides_what_is_sensitive() {
        let id = new_id();
        let old = Row { id, name: "A", status: "active", region: "00", version: 1 };
        let new = Row { id, name: "B", status: "inactive", region: "00", version: 2 };
        let change = Change::turned("deactivated", &old, &new);
        assert_eq!(change.fields, json!({"name": {"changed": true}, "status": {"from": "active", "to": "inactive"}}));
        assert!(!change.fields.to_string().contains('B'));
    }
}
