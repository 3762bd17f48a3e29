//! People, numbers and households.

use std::collections::HashSet;

use super::super::{Family, MaritalStatus, Member, Relation, Sex};
use super::{small, today};

fn list() -> Vec<Family> {
    small(11, 3_000)
}

fn people(families: &[Family]) -> Vec<&Member> {
    families.iter().flat_map(|family| &family.members).collect()
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn agrees(person: &Member, nik: &str) -> bool {
    let shift = if person.sex == Sex::Female { 40 } else { 0 };
    let day: u32 = nik[6..8].parse().unwrap();
    day > shift && format!("{:02}{}", day - shift, &nik[8..12]) == person.birth_date.format("%d%m%y").to_string()
}

#[test]
fn numbers_have_the_right_form_and_none_comes_twice() {
    let families = list();
    let mut seen = HashSet::new();
    for person in people(&families) {
        let Some(nik) = person.nik.as_deref() else {
            assert!(!person.dukcapil_match);
            continue;
        };
        assert!(nik.len() == 16 && nik.bytes().all(|byte| byte.is_ascii_digit()), "{nik}");
        assert!((1..=31).contains(&(nik[6..8].parse::<u32>().unwrap() % 40)) || &nik[6..8] == "40", "{nik}");
        assert!((1..=12).contains(&nik[8..10].parse::<u32>().unwrap()), "{nik}");
        assert!((9_001..=9_999).contains(&nik[12..].parse::<u32>().unwrap()), "{nik}");
        assert!(seen.insert(nik.to_owned()), "{nik} twice");
    }
    let cards: Vec<&String> = families.iter().filter_map(|family| family.kk.as_ref()).collect();
    assert!(cards.iter().all(|kk| kk.len() == 16));
    assert_eq!(cards.iter().collect::<HashSet<_>>().len(), cards.len());
    let ids: HashSet<&str> = people(&families).iter().map(|person| person.source_id.as_str()).collect();
    assert_eq!(ids.len(), people(&families).len());
    assert_eq!(families.iter().map(|family| &family.source_id).collect::<HashSet<_>>().len(), families.len());
}

#[test]
fn a_few_people_have_no_nik_or_a_contradicting_or_foreign_one() {
    let families = list();
    let people = people(&families);
    let niks: Vec<(&Member, &str)> = people.iter().filter_map(|p| Some((*p, p.nik.as_deref()?))).collect();
    let missing = share(people.len() - niks.len(), people.len());
    let wrong = share(niks.iter().filter(|(person, nik)| !agrees(person, nik)).count(), niks.len());
    let foreign = share(niks.iter().filter(|(_, nik)| !nik.starts_with("6202")).count(), niks.len());
    let matched = share(niks.iter().filter(|(person, _)| person.dukcapil_match).count(), niks.len());
    eprintln!("missing {missing:.4} wrong {wrong:.4} foreign {foreign:.4} matched {matched:.4}");
    assert!((0.022..0.040).contains(&missing), "{missing}");
    assert!((0.006..0.014).contains(&wrong), "{wrong}");
    assert!((0.012..0.030).contains(&foreign), "{foreign}");
    assert!(matched > 0.93, "{matched}");
}

#[test]
fn households_are_plausible() {
    let families = list();
    let mut twins = 0;
    for family in &families {
        let context = format!("{family:#?}");
        let head = &family.members[0];
        let of = |relation| family.members.iter().filter(move |member| member.relation == relation);
        assert!(head.relation == Relation::Head && of(Relation::Head).count() == 1, "{context}");
        assert!(head.age >= 19, "{context}");
        let spouse = of(Relation::Spouse).next();
        assert!(of(Relation::Spouse).count() <= 1);
        assert_eq!(spouse.is_some(), head.marital_status == MaritalStatus::Married, "{context}");
        if let Some(spouse) = spouse {
            assert!(spouse.sex != head.sex && spouse.marital_status == MaritalStatus::Married, "{context}");
            assert!(head.age.abs_diff(spouse.age) <= 12 && spouse.age >= 18, "{context}");
        }
        let gap = |elder: &Member, younger: &Member| younger.birth_date.years_since(elder.birth_date).unwrap_or(0);
        let parents: Vec<&Member> = spouse.into_iter().chain([head]).collect();
        for parent in &parents {
            assert!(of(Relation::Child).all(|child| gap(parent, child) >= 15), "{context}");
            assert!(of(Relation::Grandchild).all(|child| gap(parent, child) >= 30), "{context}");
            let mother = parent.sex == Sex::Female;
            assert!(!mother || of(Relation::Child).all(|child| gap(parent, child) <= 46), "{context}");
        }
        assert!(of(Relation::Parent).all(|parent| gap(parent, head) >= 15), "{context}");
        assert!(of(Relation::ParentInLaw).all(|parent| gap(parent, spouse.unwrap()) >= 15), "{context}");
        let births: Vec<_> = of(Relation::Child).map(|child| child.birth_date).collect();
        for pair in births.windows(2) {
            let days = (pair[1] - pair[0]).num_days();
            twins += usize::from(days == 0);
            assert!(days == 0 || days >= 280, "{days} days\n{context}");
        }
        for member in &family.members {
            assert!(member.birth_date <= today() && member.age <= 100);
            assert_eq!(u32::from(member.age), today().years_since(member.birth_date).unwrap());
            assert!(member.age >= 18 || member.marital_status == MaritalStatus::Single, "{context}");
            assert!(!member.occupation.is_empty() && !member.education.is_empty(), "{context}");
        }
        let names: HashSet<&str> = family.members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names.len(), family.members.len(), "{context}");
    }
    assert!(twins > 5, "{twins} pairs of twins");
    let heads: Vec<&Member> = families.iter().map(|family| &family.members[0]).collect();
    let women = share(heads.iter().filter(|head| head.sex == Sex::Female).count(), heads.len());
    assert!((0.08..0.25).contains(&women), "{women}");
    assert!(families.iter().any(|family| family.members.len() == 1 && family.members[0].age >= 60));
}

#[test]
fn names_are_capitals_of_one_to_five_words() {
    let families = list();
    let people = people(&families);
    for person in &people {
        let words: Vec<&str> = person.name.split(' ').collect();
        assert!((1..=5).contains(&words.len()) && words.iter().all(|word| !word.is_empty()), "{:?}", person.name);
        assert_eq!(person.name, person.name.to_uppercase());
    }
    let distinct: HashSet<&str> = people.iter().map(|person| person.name.as_str()).collect();
    eprintln!("{} distinct names of {}", distinct.len(), people.len());
    assert!(share(distinct.len(), people.len()) > 0.4);
    for mark in [" BIN ", " BINTI ", "H. ", "HJ. ", "M. ", "MUHAMMAD "] {
        assert!(people.iter().any(|person| person.name.contains(mark)), "no {mark:?}");
    }
    assert!(people.iter().any(|person| !person.name.contains(' ')));
    for family in families.iter().step_by(250) {
        let lines = family.members.iter().map(|m| format!("{} {} {:?} {}/{}", m.name, m.age, m.relation, m.occupation, m.education));
        eprintln!("D{} {} {:?}\n", family.decile, family.address, lines.collect::<Vec<_>>());
    }
}

#[test]
fn the_poorer_live_worse() {
    let families = list();
    let rate = |decile: u8, fact: fn(&Family) -> bool| {
        let of: Vec<&Family> = families.iter().filter(|family| family.decile == decile).collect();
        share(of.iter().filter(|family| fact(family)).count(), of.len())
    };
    let worse: [fn(&Family) -> bool; 5] = [
        |family| family.housing.toilet == "Tidak Ada",
        |family| family.housing.cooking_fuel == "Kayu Bakar",
        |family| !family.housing.savings,
        |family| family.aid.pkh,
        |family| family.stunting_risk > 0,
    ];
    for fact in worse {
        assert!(rate(1, fact) > rate(3, fact));
    }
}
