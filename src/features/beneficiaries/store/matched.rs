//! Members as matching sees them: numbers opened, for the engine alone. What a caller reads here it answers for: nothing of
//! it leaves unmasked without a disclosure.

use chrono::NaiveDate;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Date, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::super::model::{MemberStatus, sex_of};
use super::super::numbers::{open_kk, open_nik};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::platform::ids::{Level, RegionCode};
use crate::platform::seal::KeyRing;
use crate::platform::sensitive::{KkNumber, Nik, Sex};
use crate::schema::{beneficiaries, members};

/// A member with what identifies them.
pub struct MatchedMember {
    /// Record id.
    pub id: Uuid,
    /// The family.
    pub family: Uuid,
    /// The family's village.
    pub region: RegionCode,
    /// Name.
    pub name: String,
    /// A word of [`super::super::Relation`].
    pub relation: String,
    /// Sex.
    pub sex: Option<Sex>,
    /// Born on.
    pub birth_date: Option<NaiveDate>,
    /// The mother's maiden name.
    pub mother_name: Option<String>,
    /// NIK.
    pub nik: Option<Nik>,
    /// The family's KK number.
    pub kk: Option<KkNumber>,
    /// Address below the village.
    pub address: Option<String>,
    /// Whether they are still there.
    pub status: MemberStatus,
}

/// Only what tells nobody anything.
impl std::fmt::Debug for MatchedMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MatchedMember").field("id", &self.id).finish_non_exhaustive()
    }
}

/// As much of a family's row as is compared.
#[derive(Queryable, Selectable)]
#[diesel(table_name = beneficiaries, check_for_backend(Pg))]
struct Home {
    id: Uuid,
    region_code: String,
    address: Option<String>,
    kk_sealed: Option<Vec<u8>>,
}

/// As much of a member's row as is compared.
#[derive(Queryable, Selectable)]
#[diesel(table_name = members, check_for_backend(Pg))]
struct Person {
    id: Uuid,
    beneficiary_id: Uuid,
    name: String,
    relation: String,
    sex: Option<String>,
    birth_date: Option<NaiveDate>,
    mother_name: Option<String>,
    nik_sealed: Option<Vec<u8>>,
    status: String,
}

fn opened(keys: &KeyRing, (member, home): (Person, Home)) -> Result<MatchedMember> {
    let kk = open_kk(keys, home.id, home.kk_sealed.as_deref())?;
    member_of(keys, member, &home, &kk)
}

fn member_of(keys: &KeyRing, member: Person, home: &Home, kk: &Option<KkNumber>) -> Result<MatchedMember> {
    Ok(MatchedMember {
        id: member.id,
        family: home.id,
        region: RegionCode::stored(&home.region_code),
        nik: open_nik(keys, member.id, member.nik_sealed.as_deref())?,
        kk: kk.clone(),
        sex: member.sex.as_deref().and_then(sex_of),
        status: MemberStatus::parse(&member.status).unwrap_or(MemberStatus::Present),
        name: member.name,
        relation: member.relation,
        birth_date: member.birth_date,
        mother_name: member.mother_name,
        address: home.address.clone(),
    })
}

/// A family with its members, their numbers still sealed: whoever reads many opens them while the next are on their way.
pub struct SealedFamily {
    home: Home,
    members: Vec<Person>,
}

impl SealedFamily {
    /// Record id.
    pub fn id(&self) -> Uuid {
        self.home.id
    }

    /// How many members.
    pub fn people(&self) -> usize {
        self.members.len()
    }

    /// Its members, opened, in id order.
    pub fn open(self, keys: &KeyRing) -> Result<Vec<MatchedMember>> {
        let kk = open_kk(keys, self.home.id, self.home.kk_sealed.as_deref())?;
        self.members.into_iter().map(|member| member_of(keys, member, &self.home, &kk)).collect()
    }
}

/// Families of the scope with their members, in id order.
///
/// The page is one of families: only by them does an index give this order, under whatever plan. Of a page of members by their own ids the
/// server made, once it planned for any scope, a sort of all members of the scope (328 ms in place of 15 of a hundred thousand).
pub async fn families_to_match(db: &impl Scoped, after: Option<Uuid>, limit: i64) -> Result<Vec<SealedFamily>> {
    let homes: Vec<Home> = beneficiaries::table
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.gt(after.unwrap_or(Uuid::nil())))
        .select(Home::as_select())
        .order(beneficiaries::id)
        .limit(limit)
        .load(&mut db.on())
        .await?;
    let ids: Vec<Uuid> = homes.iter().map(|home| home.id).collect();
    let people: Vec<Person> = members::table
        .filter(members::beneficiary_id.eq_any(ids))
        .filter(members::status.ne("merged"))
        .select(Person::as_select())
        .order((members::beneficiary_id, members::id))
        .load(&mut db.on())
        .await?;
    let mut people = people.into_iter().peekable();
    let mut with_members = |home: Home| {
        let members = std::iter::from_fn(|| people.next_if(|person| person.beneficiary_id == home.id)).collect();
        SealedFamily { home, members }
    };
    Ok(homes.into_iter().map(&mut with_members).collect())
}

/// Everybody of a village, and whoever of its regency may be one of these members by NIK, or by birth date and first letter.
pub async fn members_near(tx: &Tx, keys: &KeyRing, village: &RegionCode, of: &[Uuid]) -> Result<Vec<MatchedMember>> {
    let alike: Vec<Named> = diesel::sql_query(
        // Row by row through the indexes, like the look for double NIKs.
        "SELECT near.id FROM members m
          CROSS JOIN LATERAL (
            SELECT id FROM members WHERE nik_index = m.nik_index
            UNION ALL
            SELECT id FROM members WHERE birth_date = m.birth_date AND left(lower(name), 1) = left(lower(m.name), 1) OFFSET 0) near
          WHERE m.id = ANY($1)
         UNION
         SELECT m.id FROM beneficiaries b JOIN members m ON m.beneficiary_id = b.id WHERE b.region_code = $2",
    )
    .bind::<Array<SqlUuid>, _>(of)
    .bind::<Text, _>(village.as_str())
    .load(&mut tx.on())
    .await?;
    let alike: Vec<Uuid> = alike.into_iter().map(|row| row.id).collect();
    let rows: Vec<(Person, Home)> = members::table
        .inner_join(beneficiaries::table)
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(members::status.ne("merged"))
        .filter(members::id.eq_any(alike))
        .select((Person::as_select(), Home::as_select()))
        .order(members::id)
        .load(&mut tx.on())
        .await?;
    rows.into_iter().map(|row| opened(keys, row)).collect()
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// What may make somebody who is not on file one of those who are.
#[derive(Debug, Default)]
pub struct Like {
    /// Index entries of NIKs: whoever has one is found, wherever they are.
    pub niks: Vec<Vec<u8>>,
    /// Index entries of a KK number, likewise.
    pub cards: Vec<Vec<u8>>,
    /// Birth dates with the first letter of the name in small letters: found in the regency.
    pub born: Vec<(NaiveDate, String)>,
}

/// Everybody of a village, and whoever elsewhere may be one of those described. Looks beyond the scope, because nobody may be put on
/// file twice: the caller tells nobody of people whom they may not see.
pub async fn members_like(tx: &Tx, keys: &KeyRing, village: &RegionCode, like: &Like) -> Result<Vec<MatchedMember>> {
    let (born, letters): (Vec<NaiveDate>, Vec<&str>) = like.born.iter().map(|(born, letter)| (*born, letter.as_str())).unzip();
    let alike: Vec<Named> = diesel::sql_query(
        "SELECT id FROM members WHERE nik_index = ANY($1)
         UNION
         SELECT near.id FROM unnest($2, $3) AS n (born, letter)
          CROSS JOIN LATERAL (
            SELECT id, beneficiary_id FROM members WHERE birth_date = n.born AND left(lower(name), 1) = n.letter OFFSET 0) near
           JOIN beneficiaries b ON b.id = near.beneficiary_id
          WHERE left(b.region_code, 5) = $4
         UNION
         SELECT m.id FROM beneficiaries b JOIN members m ON m.beneficiary_id = b.id WHERE b.region_code = $5
         UNION
         SELECT m.id FROM beneficiaries b JOIN members m ON m.beneficiary_id = b.id WHERE b.kk_index = ANY($6)",
    )
    .bind::<Array<Binary>, _>(&like.niks)
    .bind::<Array<Date>, _>(born)
    .bind::<Array<Text>, _>(letters)
    .bind::<Text, _>(village.at(Level::Regency).as_str())
    .bind::<Text, _>(village.as_str())
    .bind::<Array<Binary>, _>(&like.cards)
    .load(&mut tx.on())
    .await?;
    let alike: Vec<Uuid> = alike.into_iter().map(|row| row.id).collect();
    let rows: Vec<(Person, Home)> = members::table
        .inner_join(beneficiaries::table)
        .filter(members::status.ne("merged"))
        .filter(members::id.eq_any(alike))
        .select((Person::as_select(), Home::as_select()))
        .order(members::id)
        .load(&mut tx.on())
        .await?;
    rows.into_iter().map(|row| opened(keys, row)).collect()
}

/// The family that has the KK number of these index entries, and its village, wherever it is.
pub async fn card_holder(db: &impl Scoped, entries: &[Vec<u8>]) -> Result<Option<(Uuid, RegionCode)>> {
    let found: Option<(Uuid, String)> = beneficiaries::table
        .filter(beneficiaries::kk_index.eq_any(entries))
        .select((beneficiaries::id, beneficiaries::region_code))
        .first(&mut db.on())
        .await
        .optional()?;
    Ok(found.map(|(id, region)| (id, RegionCode::stored(&region))))
}

/// The members who have one of the NIKs of these index entries, wherever they are.
pub async fn nik_holders(db: &impl Scoped, entries: &[Vec<u8>]) -> Result<Vec<Uuid>> {
    Ok(members::table
        .filter(members::nik_index.eq_any(entries))
        .filter(members::status.ne("merged"))
        .select(members::id)
        .load(&mut db.on())
        .await?)
}

/// One member, and the names of the others in the family.
pub async fn member_to_match(db: &impl Scoped, keys: &KeyRing, id: Uuid) -> Result<(MatchedMember, Vec<String>)> {
    let (member, home): (Person, Home) = members::table
        .inner_join(beneficiaries::table)
        .filter(db.scope().within(beneficiaries::region_code))
        .filter(members::id.eq(id))
        .select((Person::as_select(), Home::as_select()))
        .first(&mut db.on())
        .await?;
    let others = super::members_of(db, home.id, None, 100).await?;
    let others = others.into_iter().filter(|other| other.id != id).map(|other| other.name).collect();
    Ok((opened(keys, (member, home))?, others))
}
