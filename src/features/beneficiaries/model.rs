//! What a family is and needs: vocabularies, steps and rules, pure and without I/O.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::platform::error::Code;
use crate::platform::ids::RegionCode;
use crate::platform::sensitive::{Nik, NikWarning, Sex};
use crate::platform::valid::given;

pub mod survivorship;
mod words;

use survivorship::Chooser;

pub use words::{
    CookingFuel, DrinkingWater, Education, FamilyStatus, Floor, HouseOwnership, InactiveReason, Lighting, MaritalStatus, MemberStatus,
    MemberWarning, Need, Occupation, Relation, Roof, Toilet, Wall,
};

/// The word for a sex, as the database has it.
pub fn sex_name(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
    }
}

/// The sex of a word.
pub fn sex_of(word: &str) -> Option<Sex> {
    [Sex::Male, Sex::Female].into_iter().find(|sex| sex_name(*sex) == word)
}

/// A group of facts of which each may be unknown, and the merge patch (RFC 7396) that changes it.
macro_rules! facts {
    (
        $(#[$doc:meta])* $name:ident, $(#[$update_doc:meta])* $update:ident {
            $( $(#[$row:meta])* $field:ident: $type:ty, $patch:ty => $merge:expr; )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $( $(#[$row])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>, )+ }

        $(#[$update_doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Validate, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $update {
            $( $(#[$row])* #[serde(default, deserialize_with = "given")] pub $field: Option<Option<$patch>>, )+
        }

        impl $name {
            /// With the patch's fields set, and those it clears cleared.
            pub fn patched(mut self, patch: $update) -> $name {
                $( if let Some(value) = patch.$field { self.$field = value.map(|value| ($merge)(self.$field, value)); } )+
                self
            }
        }
    };
}

fn replaced<T>(_: Option<T>, new: T) -> T {
    new
}

facts! {
    /// Central aid that a source says the family receives.
    AidReceived,
    /// Changes to the aid received; null clears a field.
    AidReceivedUpdate {
        /// Bantuan Pangan Non Tunai.
        bpnt: bool, bool => replaced;
        /// Bantuan Produktif Usaha Mikro.
        bpum: bool, bool => replaced;
        /// Bantuan Sosial Tunai.
        bst: bool, bool => replaced;
        /// Program Keluarga Harapan.
        pkh: bool, bool => replaced;
        /// Sembako.
        sembako: bool, bool => replaced;
    }
}

facts! {
    /// Housing, means and aid, as far as somebody stated them.
    Attributes,
    /// Changes to housing, means and aid; null clears a field.
    AttributesUpdate {
        /// On what terms the house is lived in.
        house_ownership: HouseOwnership, HouseOwnership => replaced;
        /// Savings in money, jewellery, livestock or the like.
        savings: bool, bool => replaced;
        /// The roof.
        roof: Roof, Roof => replaced;
        /// The walls.
        wall: Wall, Wall => replaced;
        /// The floor.
        floor: Floor, Floor => replaced;
        /// The light.
        lighting: Lighting, Lighting => replaced;
        /// The cooking fuel.
        cooking_fuel: CookingFuel, CookingFuel => replaced;
        /// The drinking water.
        drinking_water: DrinkingWater, DrinkingWater => replaced;
        /// The toilet.
        toilet: Toilet, Toilet => replaced;
        /// Central aid received.
        aid: AidReceived, AidReceivedUpdate => |old: Option<AidReceived>, patch| old.unwrap_or_default().patched(patch);
        /// Risk factors for stunting; 0 where there are none.
        #[validate(range(max = 99))]
        #[schema(minimum = 0, maximum = 99)]
        stunting_risk: u8, u8 => replaced;
    }
}

impl AidReceived {
    /// What is stated here, else what was known.
    pub fn or(self, known: AidReceived) -> AidReceived {
        AidReceived {
            bpnt: self.bpnt.or(known.bpnt),
            bpum: self.bpum.or(known.bpum),
            bst: self.bst.or(known.bst),
            pkh: self.pkh.or(known.pkh),
            sembako: self.sembako.or(known.sembako),
        }
    }
}

impl Attributes {
    /// What stands where both are known: each attribute by itself, by the rules. A source that is silent takes nothing back.
    pub fn chosen(self, stated: Attributes, by: &mut Chooser<'_>) -> Attributes {
        // Of the aid a source often states a part: what it leaves out stays known.
        let aid = match (self.aid, stated.aid) {
            (Some(known), Some(stated)) if by.takes("attributes.aid", Some(&known), Some(&stated.or(known))) => Some(stated.or(known)),
            (Some(known), Some(stated)) => Some(known.or(stated)),
            (known, stated) => by.choose("attributes.aid", known, stated),
        };
        Attributes {
            house_ownership: by.choose("attributes.house_ownership", self.house_ownership, stated.house_ownership),
            savings: by.choose("attributes.savings", self.savings, stated.savings),
            roof: by.choose("attributes.roof", self.roof, stated.roof),
            wall: by.choose("attributes.wall", self.wall, stated.wall),
            floor: by.choose("attributes.floor", self.floor, stated.floor),
            lighting: by.choose("attributes.lighting", self.lighting, stated.lighting),
            cooking_fuel: by.choose("attributes.cooking_fuel", self.cooking_fuel, stated.cooking_fuel),
            drinking_water: by.choose("attributes.drinking_water", self.drinking_water, stated.drinking_water),
            toilet: by.choose("attributes.toilet", self.toilet, stated.toilet),
            aid,
            stunting_risk: by.choose("attributes.stunting_risk", self.stunting_risk, stated.stunting_risk),
        }
    }
}

/// What the rules need to know of a person.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Whether they still belong to the family.
    pub status: MemberStatus,
    /// When they were born.
    pub birth_date: Option<NaiveDate>,
    /// What they live on.
    pub occupation: Option<Occupation>,
    /// What they learnt or learn.
    pub education: Option<Education>,
    /// Whether a NIK is known.
    pub has_nik: bool,
}

/// Completed years; `None` for somebody not yet born.
pub fn age_on(birth_date: NaiveDate, today: NaiveDate) -> Option<u32> {
    let had_birthday = (today.month(), today.day()) >= (birth_date.month(), birth_date.day());
    let years = today.year().saturating_sub(birth_date.year()).saturating_sub(i32::from(!had_birthday));
    u32::try_from(years).ok()
}

impl Person {
    fn attends(&self) -> bool {
        use Education::{AttendingLowerSecondary, AttendingPrimary, AttendingTertiary, AttendingUpperSecondary};
        self.occupation == Some(Occupation::Student)
            || matches!(self.education, Some(AttendingPrimary | AttendingLowerSecondary | AttendingUpperSecondary | AttendingTertiary))
    }

    fn lacks_school(&self, age: u32) -> bool {
        // Unknown is not absent, and who finished upper secondary at 17 lacks nothing.
        let unfinished =
            matches!(self.education, Some(Education::None | Education::PrimaryIncomplete | Education::Primary | Education::LowerSecondary));
        (7..=18).contains(&age) && unfinished && !self.attends()
    }

    fn lacks_work(&self, age: u32) -> bool {
        (18..=59).contains(&age) && self.occupation == Some(Occupation::NotWorking) && !self.attends()
    }
}

/// What the family lacks as far as is known; what nobody stated is no need (domain.md §6.2, P3KE's columns).
pub fn needs_of(attributes: &Attributes, members: &[Person], today: NaiveDate) -> Vec<Need> {
    let present: Vec<&Person> = members.iter().filter(|person| person.status == MemberStatus::Present).collect();
    let age = |person: &Person| person.birth_date.and_then(|date| age_on(date, today));
    let aged = |rule: &dyn Fn(&Person, u32) -> bool| present.iter().any(|person| age(person).is_some_and(|age| rule(person, age)));

    let poor_house = matches!(attributes.floor, Some(Floor::Earth | Floor::Bamboo))
        || matches!(attributes.wall, Some(Wall::Bamboo | Wall::WovenBamboo))
        || matches!(attributes.roof, Some(Roof::Thatch | Roof::Bamboo));
    let poor_water = matches!(
        attributes.drinking_water,
        Some(DrinkingWater::UnprotectedWell | DrinkingWater::UnprotectedSpring | DrinkingWater::SurfaceWater | DrinkingWater::Rainwater)
    );
    let own_toilet = |toilet| matches!(toilet, Toilet::Own | Toilet::OwnWithSepticTank | Toilet::OwnWithoutSepticTank);
    let from_pln = |lighting| matches!(lighting, Lighting::PlnMetered | Lighting::PlnUnmetered);

    [
        (Need::Housing, poor_house),
        (Need::Water, poor_water),
        (Need::Toilet, attributes.toilet.is_some_and(|toilet| !own_toilet(toilet))),
        (Need::Electricity, attributes.lighting.is_some_and(|lighting| !from_pln(lighting))),
        (Need::School, aged(&Person::lacks_school)),
        (Need::Work, aged(&Person::lacks_work)),
        (Need::Identity, present.iter().any(|person| !person.has_nik)),
        (Need::ElderlyAlone, !present.is_empty() && present.iter().all(|person| age(person).is_some_and(|age| age >= 60))),
        (Need::Nutrition, attributes.stunting_risk.is_some_and(|risk| risk > 0) || aged(&|_, age| age < 5)),
    ]
    .into_iter()
    .filter_map(|(need, applies)| applies.then_some(need))
    .collect()
}

/// What is worth a look about a person's NIK. A NIK stays as issued even when it disagrees with the truth (domain.md §3.1),
/// so nothing here refuses anything.
pub fn warnings_of(
    nik: Option<&Nik>,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
    region: &RegionCode,
    duplicate: bool,
) -> Vec<MemberWarning> {
    let Some(nik) = nik else { return vec![MemberWarning::NikMissing] };
    let mut warnings: Vec<MemberWarning> = nik
        .warnings(birth_date, sex, Some(region.as_str()))
        .into_iter()
        .map(|warning| match warning {
            NikWarning::BirthDateDiffers => MemberWarning::NikBirthDateDiffers,
            NikWarning::SexDiffers => MemberWarning::NikSexDiffers,
            NikWarning::RegionDiffers => MemberWarning::NikRegionDiffers,
        })
        .collect();
    if duplicate {
        warnings.push(MemberWarning::NikDuplicate);
    }
    warnings
}

/// The allowed steps of a family.
pub fn may_become(from: FamilyStatus, to: FamilyStatus) -> bool {
    use FamilyStatus::{Active, Inactive};
    matches!((from, to), (Active, Inactive) | (Inactive, Active))
}

/// Refuses a household that no family can be: as long as anybody is present, exactly one of the present is its head.
pub fn demand_one_head(members: impl IntoIterator<Item = (Relation, MemberStatus)>) -> Result<(), Code> {
    let (mut present, mut heads) = (0u32, 0u32);
    for (relation, status) in members {
        if status == MemberStatus::Present {
            present += 1;
            heads += u32::from(relation == Relation::Head);
        }
    }
    match (present, heads) {
        (0, _) | (_, 1) => Ok(()),
        (_, 0) => Err(Code::HeadMissing),
        _ => Err(Code::HeadTaken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    const TODAY: &str = "2026-11-22";

    fn person(born: &str) -> Person {
        Person { status: MemberStatus::Present, birth_date: Some(day(born)), occupation: None, education: None, has_nik: true }
    }

    fn needs(attributes: Attributes, members: &[Person]) -> Vec<&'static str> {
        needs_of(&attributes, members, day(TODAY)).into_iter().map(Need::name).collect()
    }

    #[test]
    fn what_nobody_stated_is_no_need() {
        assert!(needs(Attributes::default(), &[]).is_empty());
        assert!(needs(Attributes::default(), &[Person { birth_date: None, ..person("1990-01-01") }]).is_empty());
    }

    #[test]
    fn the_house_tells_its_needs() {
        let poor = Attributes {
            floor: Some(Floor::Earth),
            drinking_water: Some(DrinkingWater::SurfaceWater),
            toilet: Some(Toilet::Shared),
            lighting: Some(Lighting::NoElectricity),
            ..Attributes::default()
        };
        assert_eq!(needs(poor, &[]), ["housing", "water", "toilet", "electricity"]);
        let good = Attributes {
            floor: Some(Floor::Tiles),
            wall: Some(Wall::Wood),
            roof: Some(Roof::Zinc),
            drinking_water: Some(DrinkingWater::Borehole),
            toilet: Some(Toilet::OwnWithoutSepticTank),
            lighting: Some(Lighting::PlnUnmetered),
            ..Attributes::default()
        };
        assert!(needs(good, &[]).is_empty());
    }

    #[test]
    fn people_tell_theirs() {
        let child = Person { education: Some(Education::PrimaryIncomplete), ..person("2014-05-01") };
        assert_eq!(needs(Attributes::default(), &[child]), ["school"]);
        let pupil = Person { education: Some(Education::AttendingPrimary), ..child };
        assert!(needs(Attributes::default(), &[pupil]).is_empty());
        let idle = Person { occupation: Some(Occupation::NotWorking), ..person("1990-01-01") };
        assert_eq!(needs(Attributes::default(), &[idle]), ["work"]);
        assert!(needs(Attributes::default(), &[Person { status: MemberStatus::MovedOut, ..idle }]).is_empty());
        let old = Person { has_nik: false, ..person("1960-01-01") };
        assert_eq!(needs(Attributes::default(), &[old]), ["identity", "elderly_alone"]);
        assert_eq!(needs(Attributes::default(), &[old, person("1990-01-01")]), ["identity"]);
        assert_eq!(needs(Attributes::default(), &[person("1990-01-01"), person("2022-01-01")]), ["nutrition"]);
        assert_eq!(needs(Attributes { stunting_risk: Some(1), ..Attributes::default() }, &[]), ["nutrition"]);
    }

    #[test]
    fn ages_turn_on_the_birthday() {
        assert_eq!(age_on(day("2008-11-22"), day(TODAY)), Some(18));
        assert_eq!(age_on(day("2008-11-23"), day(TODAY)), Some(17));
        assert_eq!(age_on(day("2027-01-01"), day(TODAY)), None);
    }

    #[test]
    fn a_nik_is_compared_and_never_refused() {
        let village = RegionCode::parse("62.02.09.2001").unwrap();
        let nik = Nik::parse("6202094107850001").unwrap();
        let names = |warnings: Vec<MemberWarning>| warnings.into_iter().map(MemberWarning::name).collect::<Vec<_>>();
        assert!(warnings_of(Some(&nik), Some(day("1985-07-01")), Some(Sex::Female), &village, false).is_empty());
        let all = warnings_of(Some(&nik), Some(day("1985-07-02")), Some(Sex::Male), &RegionCode::parse("64.02.01.2001").unwrap(), true);
        assert_eq!(names(all), ["nik_birth_date_differs", "nik_sex_differs", "nik_region_differs", "nik_duplicate"]);
        assert_eq!(names(warnings_of(None, None, None, &village, true)), ["nik_missing"]);
    }

    #[test]
    fn a_patch_merges_and_clears() {
        let old = Attributes {
            roof: Some(Roof::Zinc),
            floor: Some(Floor::Earth),
            aid: Some(AidReceived { pkh: Some(true), ..AidReceived::default() }),
            ..Attributes::default()
        };
        let patch: AttributesUpdate = serde_json::from_str(r#"{"roof": null, "floor": "cement", "aid": {"bpnt": false}}"#).unwrap();
        let new = old.patched(patch);
        assert_eq!((new.roof, new.floor), (None, Some(Floor::Cement)));
        assert_eq!(new.aid, Some(AidReceived { pkh: Some(true), bpnt: Some(false), ..AidReceived::default() }));
        assert!(serde_json::from_str::<AttributesUpdate>(r#"{"rooof": null}"#).is_err());
        assert_eq!(serde_json::to_string(&Attributes::default()).unwrap(), "{}");
    }

    #[test]
    fn a_silent_source_takes_nothing_back() {
        let known = Attributes { roof: Some(Roof::Zinc), savings: Some(true), ..Attributes::default() };
        let stated = Attributes { roof: Some(Roof::Tile), ..Attributes::default() };
        let day = |text: &str| survivorship::Origin { source: "p3ke".into(), release_id: None, on: text.parse().unwrap(), at: None };
        let of_stated = survivorship::Provenance::whole(day("2026-06-30"));
        let of_known = survivorship::Provenance::whole(day("2025-06-30"));
        let mut chooser = Chooser::new(survivorship::Occasion::Release, of_known, &of_stated);
        assert_eq!(known.chosen(stated, &mut chooser), Attributes { roof: Some(Roof::Tile), ..known });
        assert_eq!(chooser.taken, ["attributes.roof"]);
    }

    #[test]
    fn steps_go_there_and_back() {
        use FamilyStatus::*;
        assert!(may_become(Active, Inactive) && may_become(Inactive, Active));
        assert!(!may_become(Active, Active) && !may_become(Inactive, Inactive));
    }

    fn household() -> impl Strategy<Value = Vec<(Relation, MemberStatus)>> {
        proptest::collection::vec((0..Relation::ALL.len(), 0..MemberStatus::ALL.len()), 0..8)
            .prop_map(|list| list.into_iter().map(|(r, s)| (Relation::ALL[r], MemberStatus::ALL[s])).collect())
    }

    proptest! {
        #[test]
        fn a_family_has_one_present_head_or_nobody_present(members in household()) {
            let present: Vec<_> = members.iter().filter(|(_, status)| *status == MemberStatus::Present).collect();
            let heads = present.iter().filter(|(relation, _)| *relation == Relation::Head).count();
            prop_assert_eq!(demand_one_head(members.clone()).is_ok(), present.is_empty() || heads == 1);
        }
    }
}
