//! The rows of families and members: as written, as tracked, as shown.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::super::model::{Attributes, Education, MemberStatus, Occupation, Person, Relation};
use crate::platform::changes::Tracked;
use crate::platform::ids::RegionCode;
use crate::schema::{beneficiaries, members, regions};

diesel::table! {
    /// The rank that counts now; replaceable/family_ranks.sql.
    family_ranks (beneficiary_id) {
        beneficiary_id -> Uuid,
        release_id -> Uuid,
        decile -> SmallInt,
        percentile -> Nullable<SmallInt>,
    }
}
diesel::allow_tables_to_appear_in_same_query!(family_ranks, beneficiaries);
diesel::allow_tables_to_appear_in_same_query!(family_ranks, members);
diesel::allow_tables_to_appear_in_same_query!(family_ranks, regions);

/// A family's row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = beneficiaries, check_for_backend(Pg), treat_none_as_null = true)]
pub struct Family {
    /// Record id.
    pub id: Uuid,
    /// Its village.
    pub region_code: String,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number, encrypted.
    #[serde(skip)]
    pub kk_sealed: Option<Vec<u8>>,
    /// KK number as found by; in a diff it stands for the number, whose mask may stay the same.
    #[serde(rename = "kk_number")]
    pub kk_index: Option<Vec<u8>>,
    /// KK number as shown.
    #[serde(skip)]
    pub kk_mask: Option<String>,
    /// active or inactive.
    pub status: String,
    /// Why inactive.
    pub inactive_reason: Option<String>,
    /// Housing, means and aid.
    pub attributes: Value,
    /// What it lacks.
    pub needs: Vec<Option<String>>,
    /// The family it turned out to be.
    pub merged_into: Option<Uuid>,
    /// Which source gave which field.
    pub provenance: Value,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

/// What says nothing in a diff: bookkeeping, and where values come from, which is asked for by itself.
const SILENT: &[&str] = &["id", "provenance", "version", "created_at", "updated_at"];

impl Tracked for Family {
    const RESOURCE: &'static str = "beneficiaries";
    const SILENT: &'static [&'static str] = SILENT;
    // The change table is append-only and goes to partners: what describes people stands there by name only.
    const SENSITIVE: &'static [&'static str] = &["kk_number", "address", "attributes", "needs"];
    fn id(&self) -> Uuid {
        self.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(&self.region_code)
    }
}

/// A member's row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Serialize, Deserialize)]
#[diesel(table_name = members, check_for_backend(Pg), treat_none_as_null = true)]
pub struct Member {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub beneficiary_id: Uuid,
    /// Name as written.
    pub name: String,
    /// Relation to the head.
    pub relation: String,
    /// male or female.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// Marital status.
    pub marital_status: Option<String>,
    /// Occupation.
    pub occupation: Option<String>,
    /// Education.
    pub education: Option<String>,
    /// NIK, encrypted.
    #[serde(skip)]
    pub nik_sealed: Option<Vec<u8>>,
    /// NIK as found by; in a diff it stands for the number.
    #[serde(rename = "nik")]
    pub nik_index: Option<Vec<u8>>,
    /// NIK as shown.
    #[serde(skip)]
    pub nik_mask: Option<String>,
    /// present, deceased, moved_out or merged.
    pub status: String,
    /// What is worth a look.
    pub warnings: Vec<Option<String>>,
    /// The person they turned out to be.
    pub merged_into: Option<Uuid>,
    /// Which source gave which field.
    pub provenance: Value,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

impl Member {
    /// Relation and status; words the database does not hold count as the weakest.
    pub fn place(&self) -> (Relation, MemberStatus) {
        (Relation::parse(&self.relation).unwrap_or(Relation::Other), MemberStatus::parse(&self.status).unwrap_or(MemberStatus::MovedOut))
    }

    /// Whether this is the head that counts.
    pub fn is_present_head(&self) -> bool {
        self.place() == (Relation::Head, MemberStatus::Present)
    }

    /// What the rules need to know.
    pub fn person(&self) -> Person {
        Person {
            status: self.place().1,
            birth_date: self.birth_date,
            occupation: self.occupation.as_deref().and_then(Occupation::parse),
            education: self.education.as_deref().and_then(Education::parse),
            has_nik: self.nik_index.is_some(),
        }
    }
}

/// A member with the region of its family, which decides who may learn of a change.
#[derive(Debug, Serialize)]
pub struct TrackedMember<'a> {
    #[serde(flatten)]
    member: &'a Member,
    #[serde(skip)]
    region: &'a str,
}

impl<'a> TrackedMember<'a> {
    /// The member of that family.
    pub fn of(member: &'a Member, family: &'a Family) -> TrackedMember<'a> {
        TrackedMember { member, region: &family.region_code }
    }
}

impl Tracked for TrackedMember<'_> {
    const RESOURCE: &'static str = "members";
    const SILENT: &'static [&'static str] = SILENT;
    const SENSITIVE: &'static [&'static str] =
        &["nik", "name", "sex", "birth_date", "mother_name", "marital_status", "occupation", "education"];
    fn id(&self) -> Uuid {
        self.member.id
    }
    fn region(&self) -> RegionCode {
        RegionCode::stored(self.region)
    }
}

/// What is shown of a family's own row.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = beneficiaries, check_for_backend(Pg))]
pub struct Card {
    /// Record id.
    pub id: Uuid,
    /// Its village.
    pub region_code: String,
    /// Address below the village.
    pub address: Option<String>,
    /// KK number as shown.
    pub kk_mask: Option<String>,
    /// active or inactive.
    pub status: String,
    /// Why inactive.
    pub inactive_reason: Option<String>,
    /// Housing, means and aid.
    pub attributes: Value,
    /// What it lacks.
    pub needs: Vec<Option<String>>,
    /// The family it turned out to be.
    pub merged_into: Option<Uuid>,
    /// Version.
    pub version: i32,
    /// Registered at.
    pub created_at: DateTime<Utc>,
    /// Changed at.
    pub updated_at: DateTime<Utc>,
}

/// The present head.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = members, check_for_backend(Pg))]
pub struct Head {
    /// Record id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// NIK as shown.
    pub nik_mask: Option<String>,
    /// male or female.
    pub sex: Option<String>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
}

/// The rank that counts now.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = family_ranks, check_for_backend(Pg))]
pub struct Rank {
    /// 1 is the poorest tenth.
    pub decile: i16,
    /// 1 is the poorest hundredth.
    pub percentile: Option<i16>,
    /// The release that ranked the family.
    pub release_id: Uuid,
}

/// A family with everything that is shown with it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its own row.
    pub card: Card,
    /// The village's name.
    pub village: Option<String>,
    /// The subdistrict's name.
    pub subdistrict: Option<String>,
    /// The head.
    pub head: Option<Head>,
    /// The rank.
    pub rank: Option<Rank>,
    /// How many are present.
    pub member_count: i64,
}

/// Attributes as the database holds them; what an older version wrote and this one does not know is dropped.
pub fn attributes_of(stored: &Value) -> Attributes {
    let Value::Object(fields) = stored else { return Attributes::default() };
    serde_json::from_value(stored.clone()).unwrap_or_else(|_| {
        let mut known = serde_json::Map::new();
        for (name, value) in fields {
            let mut one = serde_json::Map::new();
            one.insert(name.clone(), value.clone());
            if serde_json::from_value::<Attributes>(Value::Object(one.clone())).is_ok() {
                known.append(&mut one);
            }
        }
        serde_json::from_value(Value::Object(known)).unwrap_or_default()
    })
}
