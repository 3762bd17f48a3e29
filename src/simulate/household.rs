//! Composes a family of a given size from people whose ages, sexes and marriages agree with each other.

use chrono::{Datelike, Days, NaiveDate};

use super::dice::Dice;
use super::model::{MaritalStatus, Relation, Sex};

/// Years between a parent and a child are never fewer than this.
const YOUNGEST_PARENT: f64 = 16.0;

/// No child is born to a mother older than this.
const OLDEST_MOTHER: f64 = 44.0;

/// A person before name, numbers and work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    /// Place in the family.
    pub(super) relation: Relation,
    /// Sex.
    pub(super) sex: Sex,
    /// Birth date.
    pub(super) birth: NaiveDate,
    /// Completed years on the reference date.
    pub(super) age: u8,
    /// Marital status.
    pub(super) marital: MaritalStatus,
}

/// The people of one family, head first, then spouse, children by age, others.
pub(super) fn compose(dice: &mut Dice, size: u32, decile: u8, today: NaiveDate) -> Vec<Person> {
    let mut house = House { dice, today, people: Vec::new() };
    let poorest = if decile == 1 { 1.2 } else { 1.0 };
    match size {
        0 | 1 => house.alone(),
        2 if house.dice.chance(0.38) => house.one_parent(1),
        2 => house.couple(0),
        _ if house.dice.chance(0.11 * poorest) => house.one_parent(size - 1),
        _ => house.couple(size - 2),
    }
    house.people
}

/// A family in the making.
struct House<'a> {
    dice: &'a mut Dice,
    today: NaiveDate,
    people: Vec<Person>,
}

/// Those from whom the ages of the others follow.
#[derive(Clone, Copy)]
struct Elders {
    head: f64,
    spouse: Option<f64>,
    woman: Option<f64>,
}

impl Elders {
    fn younger(&self) -> f64 {
        self.spouse.map_or(self.head, |spouse| spouse.min(self.head))
    }
}

impl House<'_> {
    fn alone(&mut self) {
        if self.dice.chance(0.68) {
            let sex = if self.dice.chance(0.68) { Sex::Female } else { Sex::Male };
            let age = self.dice.middling(60.0, 90.0);
            let marital = self.lost_spouse(0.88);
            let marital = if self.dice.chance(0.06) { MaritalStatus::Single } else { marital };
            self.join(Relation::Head, sex, age, marital);
        } else {
            let sex = if self.dice.chance(0.35) { Sex::Female } else { Sex::Male };
            let age = self.dice.real(22.0, 60.0);
            let marital = if age < 35.0 { MaritalStatus::Single } else { self.lost_spouse(0.4) };
            self.join(Relation::Head, sex, age, marital);
        }
    }

    fn one_parent(&mut self, others: u32) {
        let (children, kin) = self.split(others);
        let sex = if self.dice.chance(0.75) { Sex::Female } else { Sex::Male };
        let low = 26.0 + 2.0 * f64::from(children);
        let age = if children == 0 { self.dice.middling(45.0, 80.0) } else { self.dice.middling(low, low + 36.0) };
        let marital = self.lost_spouse(if sex == Sex::Female { 0.72 } else { 0.6 });
        self.join(Relation::Head, sex, age, marital);
        let elders = Elders { head: age, spouse: None, woman: Some(age) };
        self.children(children, elders);
        self.kin(kin, elders);
    }

    fn couple(&mut self, others: u32) {
        let (children, kin) = self.split(others);
        let low = 21.0 + 2.0 * f64::from(children);
        let wife = match children {
            0 if kin == 0 && self.dice.chance(0.25) => self.dice.real(19.0, 28.0),
            0 => self.dice.middling(44.0, 78.0),
            _ => self.dice.middling(low, low + 30.0),
        };
        let husband = (wife + self.dice.middling(-3.0, 11.0)).max(19.5);
        // A man heads nearly every married family in the list; a woman where he is away at work or ill.
        let (sex, head, spouse) = if self.dice.chance(0.985) { (Sex::Male, husband, wife) } else { (Sex::Female, wife, husband) };
        self.join(Relation::Head, sex, head, MaritalStatus::Married);
        self.join(Relation::Spouse, sex.other(), spouse, MaritalStatus::Married);
        let elders = Elders { head, spouse: Some(spouse), woman: Some(wife) };
        self.children(children, elders);
        self.kin(kin, elders);
    }

    /// How many of the others are children of the head, how many other relatives.
    fn split(&mut self, others: u32) -> (u32, u32) {
        let mut kin = u32::from(self.dice.chance(0.13));
        if others >= 4 && self.dice.chance(0.3) {
            kin += self.dice.between(0, 2);
        }
        let kin = kin.max(others.saturating_sub(6)).min(others);
        (others - kin, kin)
    }

    /// Children from the eldest to the youngest, at least a year apart unless they are twins.
    fn children(&mut self, count: u32, elders: Elders) {
        if count == 0 {
            return;
        }
        let steps = f64::from(count - 1);
        let oldest = elders.younger() - YOUNGEST_PARENT - 0.5;
        let youngest = elders.woman.map_or(0.0, |woman| (woman - OLDEST_MOTHER).max(0.0));
        let room = (oldest - 1.3 * steps).max(youngest);
        let spread = self.dice.unit().powf(1.7);
        let mut age = youngest + (room.min(youngest.max(22.0)) - youngest) * spread;
        let mut gaps: Vec<f64> = (1..count).map(|_| self.dice.middling(1.1, 5.5)).collect();
        let excess = gaps.iter().map(|gap| gap - 1.0).sum::<f64>();
        let allowed = oldest - age - steps;
        if excess > allowed {
            gaps.iter_mut().for_each(|gap| *gap = 1.0 + (*gap - 1.0) * (allowed / excess).max(0.05));
        }
        let mut ages = vec![age];
        for gap in gaps {
            let twins = self.dice.chance(0.011);
            age += if twins { 0.0 } else { gap };
            ages.push(age);
        }
        for age in ages.into_iter().rev() {
            let sex = self.either_sex();
            let marital = if age > 24.0 && self.dice.chance(0.15) { self.lost_spouse(0.15) } else { MaritalStatus::Single };
            self.join(Relation::Child, sex, age, marital);
        }
    }

    fn kin(&mut self, count: u32, elders: Elders) {
        let mut parent = false;
        for _ in 0..count {
            let draw = self.dice.unit();
            if draw < 0.45 && !parent && elders.younger() < 62.0 {
                parent = true;
                let by_marriage = elders.spouse.filter(|_| self.dice.chance(0.45));
                let relation = if by_marriage.is_some() { Relation::ParentInLaw } else { Relation::Parent };
                let sex = if self.dice.chance(0.72) { Sex::Female } else { Sex::Male };
                let age = by_marriage.unwrap_or(elders.head) + self.dice.middling(18.0, 34.0);
                let marital = self.lost_spouse(0.88);
                self.join(relation, sex, age, marital);
            } else if elders.younger() >= 42.0 && draw < 0.85 {
                let sex = self.either_sex();
                let age = self.dice.real(0.0, (elders.younger() - 36.0).min(17.0));
                self.join(Relation::Grandchild, sex, age, MaritalStatus::Single);
            } else if draw < 0.75 {
                let sex = self.either_sex();
                let age = (elders.head + self.dice.middling(-14.0, 0.5)).max(8.0);
                let wed = age > 24.0 && self.dice.chance(0.4);
                let marital = if wed { self.lost_spouse(0.4) } else { MaritalStatus::Single };
                self.join(Relation::Sibling, sex, age, marital);
            } else {
                let sex = self.either_sex();
                let age = self.dice.real(3.0, 21.0);
                self.join(Relation::OtherKin, sex, age, MaritalStatus::Single);
            }
        }
    }

    fn either_sex(&mut self) -> Sex {
        if self.dice.chance(0.512) { Sex::Male } else { Sex::Female }
    }

    fn lost_spouse(&mut self, widowed: f64) -> MaritalStatus {
        if self.dice.chance(widowed) { MaritalStatus::Widowed } else { MaritalStatus::Divorced }
    }

    fn join(&mut self, relation: Relation, sex: Sex, age: f64, marital: MaritalStatus) {
        let days = (age.min(97.0) * 365.2425) as u64;
        let mut birth = self.today.checked_sub_days(Days::new(days)).unwrap_or(self.today);
        // Elders who do not know their day of birth were registered on 1 July or 31 December.
        if age > 50.0 && relation != Relation::Child && self.dice.chance(0.14) {
            let (month, day) = if self.dice.chance(0.6) { (7, 1) } else { (12, 31) };
            birth = NaiveDate::from_ymd_opt(birth.year(), month, day).unwrap_or(birth);
        }
        let age = self.today.years_since(birth).and_then(|years| u8::try_from(years).ok()).unwrap_or(0);
        self.people.push(Person { relation, sex, birth, age, marital });
    }
}
