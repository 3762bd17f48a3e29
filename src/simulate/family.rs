//! Turns a slot into a family: people, names, numbers, address, dwelling and aid.

use chrono::{Days, NaiveDate};

use super::dice::Dice;
use super::dwelling;
use super::household::{self, Person};
use super::identity::{self, Registration, Registry};
use super::layout::Slot;
use super::lexicon::Lexicon;
use super::livelihood;
use super::model::{Family, Member, Relation, Sex, Village};
use super::names::{self, Bearer, Descent};

/// Subdistricts at the sea or the lower Mentaya, where men fish.
const COAST: [&str; 3] = ["62.02.08", "62.02.09", "62.02.11"];

const STREETS: &str = "POROS_DESA PELITA MERDEKA SWADAYA GOTONG_ROYONG TJILIK_RIWUT AHMAD_YANI MENTAYA KARYA_BERSAMA USAHA_TANI \
     BARU PASAR_LAMA MASJID PENDIDIKAN KELAPA SAWIT_RAYA RAMBUTAN DURIAN MANGGIS MAWAR MELATI ANGGREK KENANGA HARAPAN DAMAI \
     PRAMUKA VETERAN TRANSMIGRASI SEPAKAT SUKA_MAJU";

const HAMLETS: &str =
    "KRAJAN HILIR HULU TENGAH SEBERANG BARU HARAPAN_JAYA MAKMUR SUNGAI_PASIR TANJUNG RANTAU SIDO_MULYO SUKA_MAJU BERINGIN";

/// What the families of one run share.
pub(super) struct Workshop {
    today: NaiveDate,
    lexicon: Lexicon,
    registry: Registry,
    areas: Vec<u32>,
    streets: Vec<String>,
    hamlets: Vec<String>,
}

/// The six digits under which a family's numbers were issued.
struct Origin {
    here: u32,
    before: Option<u32>,
}

impl Workshop {
    /// A workshop for the villages of one regency.
    pub(super) fn new<'a>(today: NaiveDate, villages: impl Iterator<Item = &'a Village>) -> Self {
        let mut areas: Vec<u32> = villages.map(|village| identity::area(&village.digits())).collect();
        areas.sort_unstable();
        areas.dedup();
        let words = |text: &str| text.split_whitespace().map(|word| word.replace('_', " ")).collect();
        let (streets, hamlets) = (words(STREETS), words(HAMLETS));
        Self { today, lexicon: Lexicon::new(), registry: Registry::default(), areas, streets, hamlets }
    }

    /// The family of the slot; `number` counts the families of its village.
    pub(super) fn family(&mut self, dice: &mut Dice, slot: Slot, village: &Village, number: u32) -> Family {
        // Family keys of PK21 are longer than any number a spreadsheet keeps: village code, survey year, running number.
        let source_id = format!("{}21{number:06}", village.digits());
        let people = household::compose(dice, slot.size, slot.decile, self.today);
        let names = self.names(dice, &people);
        let coast = COAST.contains(&village.subdistrict_code());
        let origin = self.origin(dice, village);
        let address = self.address(dice);
        let mut members = Vec::with_capacity(people.len());
        for ((person, name), index) in people.iter().zip(names).zip(1..) {
            let education = livelihood::education(dice, person, slot.decile);
            let occupation = livelihood::occupation(dice, person, education, slot.decile, coast);
            let (nik, dukcapil_match) = self.nik(dice, person, &origin, slot.decile);
            members.push(Member {
                source_id: format!("{source_id}{index:02}"),
                name,
                nik,
                dukcapil_match,
                sex: person.sex,
                relation: person.relation,
                birth_date: person.birth,
                age: person.age,
                marital_status: person.marital,
                occupation,
                education,
            });
        }
        let kk = self.card(dice, &origin);
        let housing = dwelling::housing(dice, slot.decile);
        let trader = members.iter().any(|member| matches!(member.occupation, "Pedagang" | "Wiraswasta"));
        let aid = dwelling::aid(dice, slot.decile, &people, trader);
        let stunting_risk = dwelling::stunting_risk(&people, &housing);
        Family { source_id, village: slot.village, decile: slot.decile, address, kk, members, housing, aid, stunting_risk }
    }

    fn names(&self, dice: &mut Dice, people: &[Person]) -> Vec<String> {
        let own = names::descent(dice, &self.lexicon);
        let partner = names::partner(dice, &self.lexicon, own);
        let mut names: Vec<String> = Vec::with_capacity(people.len());
        let man = |p: &Person| p.sex == Sex::Male && matches!(p.relation, Relation::Head | Relation::Spouse);
        let father = people.iter().position(man);
        for person in people {
            let descent: Descent = match person.relation {
                Relation::Spouse | Relation::ParentInLaw => partner,
                _ => own,
            };
            let father = father.filter(|_| person.relation == Relation::Child).and_then(|at| names.get(at)).cloned();
            let year = chrono::Datelike::year(&person.birth);
            let bearer = Bearer { sex: person.sex, year, age: person.age, father: father.as_deref() };
            let mut name = names::name(dice, &self.lexicon, descent, bearer);
            // No two people of a family bear the same name; five attempts make a repetition all but impossible.
            for _ in 0..5 {
                if names.contains(&name) {
                    name = names::name(dice, &self.lexicon, descent, bearer);
                }
            }
            names.push(name);
        }
        names
    }

    fn origin(&self, dice: &mut Dice, village: &Village) -> Origin {
        let here = identity::area(&village.digits());
        let before = match dice.unit() {
            far if far < 0.014 => Some(identity::elsewhere(dice)),
            near if near < 0.06 => Some(dice.pick(&self.areas)),
            _ => None,
        };
        Origin { here, before }
    }

    /// About three in a hundred have no NIK, one in a hundred a number that contradicts the person, two one of another regency.
    fn nik(&mut self, dice: &mut Dice, person: &Person, origin: &Origin, decile: u8) -> (Option<String>, bool) {
        let missing = match person.age {
            0..=4 => 0.10,
            5..=69 => 0.02,
            _ => 0.05,
        };
        if dice.chance(if decile == 1 { missing * 1.25 } else { missing }) {
            return (None, false);
        }
        let adult = person.age >= 20;
        let area = match dice.unit() {
            far if adult && far < 0.012 => identity::elsewhere(dice),
            near if adult && near < 0.08 => dice.pick(&self.areas),
            // The young of a family that moved long ago were born here.
            _ if person.age < 6 => origin.here,
            _ => origin.before.unwrap_or(origin.here),
        };
        let truth = Registration { area, birth: person.birth, sex: person.sex };
        let wrong = dice.chance(0.01);
        let registration = if wrong { identity::contradiction(dice, truth, self.today) } else { truth };
        let matched = dice.chance(if wrong { 0.55 } else { 0.965 });
        let nik = self.registry.person(dice, registration);
        (nik.clone(), nik.is_some() && matched)
    }

    fn card(&mut self, dice: &mut Dice, origin: &Origin) -> Option<String> {
        if dice.chance(0.02) {
            return None;
        }
        let issued = self.today.checked_sub_days(Days::new(u64::from(dice.between(30, 5_000)))).unwrap_or(self.today);
        // A card keeps the code of another regency when the family did not renew it after moving.
        let area = origin.before.filter(|_| dice.chance(0.3)).unwrap_or(origin.here);
        self.registry.card(dice, area, issued)
    }

    fn address(&self, dice: &mut Dice) -> String {
        let lane = |list: &[String], n: f64| list.get((n * list.len() as f64) as usize).cloned().unwrap_or_default();
        let (draw, position) = (dice.unit(), dice.unit());
        let place = match draw {
            street if street < 0.55 => format!("JL. {}", lane(&self.streets, position)),
            hamlet if hamlet < 0.85 => format!("DUSUN {}", lane(&self.hamlets, position)),
            alley if alley < 0.93 => format!("GG. {}", lane(&self.streets, position)),
            _ => format!("HANDIL {}", dice.between(1, 12)),
        };
        let house = if draw < 0.2 { format!(" NO. {}", dice.between(1, 140)) } else { String::new() };
        format!("{place}{house} RT {:03} RW {:03}", dice.between(1, 14), dice.between(1, 5))
    }
}
