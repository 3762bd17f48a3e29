//! The promises of the engine, on a small synthetic register and on arbitrary text.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::explain::Codebook;
use super::index::Index;
use super::model::Model;
use super::profile::Profile;
use super::record::Register;
use super::run::{Engine, Options, Outcome, Zone};

type Row = (String, Vec<String>);

/// A repeatable sequence of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 16] = ["BA", "DI", "KU", "LA", "MI", "NO", "RA", "SA", "TI", "WA", "YU", "HA", "PE", "GU", "JO", "SI"];
        let (a, b, c) = (self.roll(16), self.roll(16), self.roll(16));
        if self.chance(50) {
            format!("{}{}N", SYLLABLES[a], SYLLABLES[b])
        } else {
            format!("{}{}{}", SYLLABLES[a], SYLLABLES[b], SYLLABLES[c])
        }
    }
}

/// Fields of the Indonesian profile: nik, birth date, sex, name, mother, family card, village, rt, address, relation, birth place.
fn registers(families: usize) -> (Vec<Row>, Vec<Row>) {
    let mut dice = Dice(42);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut person = 0;
    for family in 0..families {
        let village = format!("620201{:04}", 2001 + dice.roll(12));
        let card = format!("6202010101{:06}", 100_000 + family * 7);
        let mother = format!("{} {}", dice.word(), dice.word());
        let street = format!("JL {} NO {}", dice.word(), 1 + dice.roll(90));
        let rt = format!("{:03}", 1 + dice.roll(20));
        let (surveyed, moved) = (dice.chance(45), dice.chance(8));
        for member in 0..2 + dice.roll(4) {
            person += 1;
            let (day, month, year) = (1 + dice.roll(28), 1 + dice.roll(12), 1950 + dice.roll(70));
            let female = dice.chance(50);
            let nik = format!("620201{:02}{month:02}{:02}{:04}", day + if female { 40 } else { 0 }, year % 100, 1 + dice.roll(40));
            let name = format!("{} {}", dice.word(), dice.word());
            let row = vec![
                nik.clone(),
                format!("{year}-{month:02}-{day:02}"),
                if female { "P" } else { "L" }.to_owned(),
                name.clone(),
                mother.clone(),
                if moved { format!("6202010909{:06}", 200_000 + person) } else { card.clone() },
                village.clone(),
                rt.clone(),
                street.clone(),
                ["KEPALA KELUARGA", "ISTRI", "ANAK", "ANAK", "ANAK"][member].to_owned(),
                "SAMPIT".to_owned(),
            ];
            let registered = !dice.chance(4);
            if registered {
                right.push((format!("R{person:05}"), row.clone()));
            }
            if surveyed {
                let mut seen = row;
                seen[5] = card.clone();
                match dice.roll(20) {
                    0 | 1 => seen[0].clear(),
                    2 => seen[0].replace_range(15..16, "0"),
                    3 => seen[0].replace_range(8..9, "7"),
                    _ => {}
                }
                match dice.roll(14) {
                    0 => seen[1] = format!("{year}-01-01"),
                    1 if day <= 12 => seen[1] = format!("{year}-{day:02}-{month:02}"),
                    _ => {}
                }
                match dice.roll(10) {
                    0 => seen[3] = name.replacen('A', "E", 1),
                    1 => seen[3] = name.split(' ').next().unwrap_or_default().to_owned(),
                    2 => seen[3] = format!("H. {name}"),
                    _ => {}
                }
                if dice.chance(50) {
                    seen[4].clear();
                }
                left.push((format!("P{person:05}"), seen));
            }
        }
    }
    (left, right)
}

fn engine() -> Engine {
    Engine::new(Profile::shipped("indonesian").unwrap().unwrap()).unwrap()
}

fn load(engine: &Engine, rows: &[Row]) -> Register {
    engine.register(rows.iter().map(|(id, values)| (id.as_str(), values.iter().map(String::as_str).collect::<Vec<_>>())))
}

type Scores = BTreeMap<(String, String), (u64, Zone)>;

fn scores(outcome: &Outcome, left: &Register, right: &Register) -> Scores {
    let entry = |pair: &super::run::Pair| {
        let ids = (left.id(pair.left).to_owned(), right.id(pair.right).to_owned());
        (ids, (pair.weight.to_bits(), pair.zone))
    };
    outcome.pairs.iter().map(entry).collect()
}

fn linked(left: &[Row], right: &[Row], options: &Options<'_>) -> (Outcome, Register, Register) {
    let engine = engine();
    let (mut l, mut r) = (load(&engine, left), load(&engine, right));
    let outcome = engine.link(&mut l, &mut r, options).unwrap();
    (outcome, l, r)
}

fn shuffled(rows: &[Row], seed: u64) -> Vec<Row> {
    let mut dice = Dice(seed);
    let mut out = rows.to_vec();
    for n in (1..out.len()).rev() {
        out.swap(n, dice.roll(n + 1));
    }
    out
}

#[test]
fn finds_the_persons_of_a_small_register() {
    let (left, right) = registers(700);
    let (outcome, l, r) = linked(&left, &right, &Options { threads: 1, ..Options::default() });
    let known: HashMap<&str, ()> = right.iter().map(|(id, _)| (&id[1..], ())).collect();
    let linkable = left.iter().filter(|(id, _)| known.contains_key(&id[1..])).count();
    let matches: Vec<_> = outcome.pairs.iter().filter(|pair| pair.zone == Zone::Match).collect();
    let right_ones = matches.iter().filter(|pair| l.id(pair.left)[1..] == r.id(pair.right)[1..]).count();
    let precision = right_ones as f64 / matches.len() as f64;
    let recall = right_ones as f64 / linkable as f64;
    assert!(precision >= 0.998, "precision {precision}");
    assert!(recall >= 0.985, "recall {recall}");
    assert!(outcome.stats.review * 50 <= left.len(), "{} of {} rows are left to clerks", outcome.stats.review, left.len());
}

#[test]
fn order_threads_and_sides_change_nothing() {
    let (left, right) = registers(150);
    let one = Options { threads: 1, ..Options::default() };
    let (outcome, l, r) = linked(&left, &right, &one);
    let expected = scores(&outcome, &l, &r);
    assert!(expected.len() > 100);
    let (again, l, r) = linked(&shuffled(&left, 1), &shuffled(&right, 2), &one);
    assert_eq!(scores(&again, &l, &r), expected);
    assert_eq!(again.model, outcome.model);
    let (again, l, r) = linked(&left, &right, &Options { threads: 3, ..Options::default() });
    assert_eq!(scores(&again, &l, &r), expected);
    let (turned, l, r) = linked(&right, &left, &one);
    let turned: BTreeMap<_, _> = scores(&turned, &l, &r).into_iter().map(|((a, b), (weight, _))| ((b, a), weight)).collect();
    let weights: BTreeMap<_, _> = expected.into_iter().map(|(ids, (weight, _))| (ids, weight)).collect();
    assert_eq!(turned.keys().collect::<Vec<_>>(), weights.keys().collect::<Vec<_>>());
    for (ids, weight) in weights {
        let (a, b) = (f64::from_bits(weight), f64::from_bits(turned[&ids]));
        assert!((a - b).abs() < 1e-6, "{ids:?}: {a} and {b}");
    }
}

#[test]
fn the_terms_of_a_weight_sum_to_it() {
    let (left, right) = registers(150);
    let engine = engine();
    let (outcome, ..) = linked(&left, &right, &Options::default());
    let book = engine.codebook(&outcome.model);
    // As it is kept beside a run: what it tells later is what it tells now, to the last bit.
    let kept: Codebook = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    assert_eq!(kept, book);
    for pair in &outcome.pairs {
        let terms = kept.explain(pair.pattern, pair.own());
        let sum: f64 = terms.iter().map(|term| term.weight).sum();
        assert!((sum - pair.weight).abs() < 1e-9, "{sum} is not {}", pair.weight);
        for (field, level) in terms.iter().flat_map(|term| &term.levels) {
            assert_eq!(kept.level(pair.pattern, field), *level);
        }
    }
    assert_eq!(kept.level(0, "no such field"), "missing");
}

#[test]
fn a_kept_model_scores_as_it_did_also_one_by_one() {
    let (left, right) = registers(150);
    let engine = engine();
    let (outcome, l, r) = linked(&left, &right, &Options::default());
    let text = serde_json::to_string(&outcome.model).unwrap();
    let kept: Model = serde_json::from_str(&text).unwrap();
    assert_eq!(kept.version, outcome.model.version);
    let (again, l2, r2) = linked(&left, &right, &Options { model: Some(&kept), ..Options::default() });
    assert_eq!(scores(&again, &l2, &r2), scores(&outcome, &l, &r));

    // Half of the register is there from the start, half comes later.
    let (early, late) = right.split_at(right.len() / 2);
    let mut index = Index::new(&engine, &kept, load(&engine, early)).unwrap();
    let book = engine.codebook(&kept);
    for (id, values) in late {
        index.insert(id, &values.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let rows: HashMap<&str, &Row> = left.iter().map(|row| (row.0.as_str(), row)).collect();
    for pair in outcome.pairs.iter().filter(|pair| pair.zone == Zone::Match) {
        let (id, values) = rows[l.id(pair.left)];
        let found = index.candidates(id, &values.iter().map(String::as_str).collect::<Vec<_>>());
        let same = found.iter().find(|candidate| candidate.id == r.id(pair.right));
        let evidence = engine.evidence(&outcome.model, pair.pattern);
        match same {
            Some(candidate) => {
                assert_eq!(candidate.evidence.to_bits(), evidence.to_bits());
                let sum: f64 = book.explain(candidate.pair.pattern, candidate.pair.own()).iter().map(|term| term.weight).sum();
                assert!((sum - candidate.pair.weight).abs() < 1e-9);
            }
            // Only the family context can have lifted it.
            None => assert!(evidence < 0.0, "{id} lost {}", r.id(pair.right)),
        }
    }
}

#[test]
fn whom_a_family_names_beside_another_name_is_another_person() {
    let (left, right) = registers(150);
    let engine = Engine::new(Profile::shipped("indonesian").unwrap().unwrap()).unwrap();
    let (outcome, ..) = linked(&left, &right, &Options::default());
    let columns: Vec<&str> = engine.layout.columns.iter().map(|column| column.key.as_str()).collect();
    let row = |name: &str, family: &str| -> Vec<String> {
        let value = |key: &&str| match *key {
            "nik" => "",
            "birth_date" => "2019-06-09",
            "sex" => "P",
            "name" => name,
            "mother" => "SITI AMINAH",
            "family_card" => "6202012304120001",
            "village" => "6202012005",
            "source_family" => family,
            _ => "",
        };
        columns.iter().map(|key| value(key).to_owned()).collect()
    };
    let ask = |families: [&str; 3]| {
        let rows = [("a", row("NURUL AINI", families[0])), ("b", row("NURUL AISYAH", families[1])), ("c", row("NURUL AINI", families[2]))];
        let register = engine.register(rows.iter().map(|(id, row)| (*id, row.iter().map(String::as_str).collect::<Vec<_>>())));
        let index = Index::new(&engine, &outcome.model, register).unwrap();
        index.candidates_of(0).into_iter().map(|candidate| candidate.id).collect::<Vec<_>>()
    };
    let apart = ask(["1", "2", "3"]);
    assert!(apart.contains(&"b".to_owned()) && apart.contains(&"c".to_owned()), "{apart:?}");
    assert_eq!(ask(["1", "1", "1"]), ["c"], "who is named twice by the same name stays");
}

#[test]
fn a_person_listed_twice_is_matched_twice_and_strangers_are_not() {
    let (mut left, right) = registers(150);
    let (id, values) = left[3].clone();
    left.push((format!("{id}x"), values.clone()));
    // A stranger with the same NIK: a certain contradiction must not pass as a match.
    let mut stranger = values;
    stranger[1] = "1931-02-03".to_owned();
    stranger[3] = "ZULKIFLI QOMAR".to_owned();
    stranger[4] = "XENIA VON BERG".to_owned();
    stranger[5] = "9102010909123456".to_owned();
    stranger[6] = "9102012001".to_owned();
    stranger[8] = "PASAR LAMA 7".to_owned();
    left.push((format!("{id}y"), stranger));
    let (outcome, l, r) = linked(&left, &right, &Options::default());
    let matched: HashMap<&str, &str> =
        outcome.pairs.iter().filter(|pair| pair.zone == Zone::Match).map(|pair| (l.id(pair.left), r.id(pair.right))).collect();
    assert_eq!(matched.get(id.as_str()), matched.get(format!("{id}x").as_str()));
    assert!(matched.contains_key(id.as_str()));
    assert!(!matched.contains_key(format!("{id}y").as_str()));
    // A left row once, and a right row again only for the same person.
    let mut taken: HashMap<&str, Vec<&str>> = HashMap::new();
    for (left, right) in &matched {
        taken.entry(right).or_default().push(left);
    }
    assert!(taken.values().all(|lefts| lefts.len() == 1 || lefts.iter().all(|left| left.starts_with(&id))));
}

#[test]
fn all_pairs_of_a_cluster_are_given() {
    let (left, right) = registers(200);
    let engine = engine();
    let mut rows = right;
    rows.extend(left.iter().map(|(id, values)| (id.clone(), values.clone())));
    rows.extend(left.into_iter().take(40).map(|(id, values)| (id.replace('P', "Q"), values)));
    let mut register = load(&engine, &rows);
    let outcome = engine.dedupe(&mut register, &Options::default()).unwrap();
    let matched = scores(&outcome, &register, &register);
    let pairs: Vec<_> = matched.iter().filter(|entry| entry.1.1 == Zone::Match).map(|entry| entry.0.clone()).collect();
    assert!(pairs.len() > 100);
    for (a, b) in &pairs {
        assert!(a < b);
        for (c, d) in pairs.iter().filter(|(c, d)| (c == a || d == a) && (c, d) != (a, b)) {
            let third = if c == a { d } else { c };
            let closing = if third < b { (third.clone(), b.clone()) } else { (b.clone(), third.clone()) };
            assert!(pairs.contains(&closing), "{a} {b} {third}");
        }
    }
    let book = engine.codebook(&outcome.model);
    for pair in &outcome.pairs {
        let sum: f64 = book.explain(pair.pattern, pair.own()).iter().map(|term| term.weight).sum();
        assert!((sum - pair.weight).abs() < 1e-9);
    }
    let shuffled = shuffled(&rows, 5);
    let mut register = load(&engine, &shuffled);
    let again = engine.dedupe(&mut register, &Options { threads: 2, ..Options::default() }).unwrap();
    assert_eq!(scores(&again, &register, &register), matched);
}

#[test]
fn the_sources_own_families_stand_in_for_missing_family_cards() {
    let (left, right) = registers(200);
    // The family card is known on the right only. On the left rows of one card have one key of the source, which the right does not know.
    let cards: Vec<String> = left.iter().map(|row| row.1[5].clone()).collect();
    let without: Vec<Row> = left.iter().map(|(id, values)| (id.clone(), [&values[..5], &[String::new()], &values[6..]].concat())).collect();
    let with: Vec<Row> =
        without.iter().zip(&cards).map(|((id, values), card)| (id.clone(), [&values[..], &[format!("K{card}")]].concat())).collect();
    let supported = |rows: &[Row]| {
        let (outcome, ..) = linked(rows, &right, &Options::default());
        outcome.pairs.iter().filter(|pair| pair.pattern >> super::model::CONTEXT >= 2).count()
    };
    assert_eq!(supported(&without), 0);
    assert!(supported(&with) > 100);
    // It is compared with nothing: the same key on the right means nothing.
    let engine = engine();
    let keyed = |row: &Row, key: &str| load(&engine, &[(row.0.clone(), [&row.1[..], &[key.to_owned()]].concat())]);
    let pattern = |key: &str| engine.pattern(&keyed(&without[0], "K1"), 0, &keyed(&without[0], key), 0);
    assert_eq!(pattern("K1"), pattern("K2"));
    // In any order of rows, and on any number of threads.
    let (outcome, l, r) = linked(&with, &right, &Options { threads: 1, ..Options::default() });
    let (again, l2, r2) = linked(&shuffled(&with, 7), &shuffled(&right, 8), &Options { threads: 3, ..Options::default() });
    assert_eq!(scores(&again, &l2, &r2), scores(&outcome, &l, &r));
}

#[test]
fn a_cancelled_run_ends() {
    let (left, right) = registers(50);
    let engine = engine();
    let (mut l, mut r) = (load(&engine, &left), load(&engine, &right));
    let flag = std::sync::atomic::AtomicBool::new(true);
    let outcome = engine.link(&mut l, &mut r, &Options { cancel: Some(&flag), ..Options::default() });
    assert!(outcome.is_err());
}

#[test]
fn nothing_at_all_is_no_reason_to_panic() {
    let engine = engine();
    let empty = || Register::new(&engine.layout);
    let outcome = engine.link(&mut empty(), &mut empty(), &Options::default()).unwrap();
    assert!(outcome.pairs.is_empty());
    assert!(engine.dedupe(&mut empty(), &Options::default()).unwrap().pairs.is_empty());
    let blank = |id: &str| (id.to_owned(), vec![String::new(); 11]);
    let (outcome, ..) = linked(&[blank("a"), blank("b")], &[blank("c")], &Options::default());
    assert!(outcome.pairs.is_empty());
}

/// Text as it may stand in a cell: mostly like a name, a number or a date, sometimes anything.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z' .,-]{0,40}", "[0-9']{0,18}", "[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}", "\\PC{0,60}", "[\\u{0}-\\u{ffff}]{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_text_is_compared_alike_in_both_directions(
        a in prop::collection::vec(cell(), 13),
        b in prop::collection::vec(cell(), 13),
    ) {
        for name in ["indonesian", "neutral"] {
            let engine = Engine::new(Profile::shipped(name).unwrap().unwrap()).unwrap();
            let row = |id: &str, values: &[String]| (id.to_owned(), values.to_vec());
            let mut l = load(&engine, &[row("a", &a), row("b", &b)]);
            let mut r = load(&engine, &[row("b", &b), row("a", &a), row("b2", &b)]);
            prop_assert_eq!(engine.pattern(&l, 0, &r, 0), engine.pattern(&r, 0, &l, 0));
            prop_assert_eq!(engine.pattern(&l, 0, &r, 0), engine.pattern(&l, 0, &l, 1));
            let outcome = engine.link(&mut l, &mut r, &Options { threads: 1, ..Options::default() }).unwrap();
            let book = engine.codebook(&outcome.model);
            for pair in &outcome.pairs {
                prop_assert!(pair.weight.is_finite());
                let sum: f64 = book.explain(pair.pattern, pair.own()).iter().map(|term| term.weight).sum();
                prop_assert!((sum - pair.weight).abs() < 1e-9);
            }
            engine.dedupe(&mut r, &Options::default()).unwrap();
        }
    }

    #[test]
    fn similarity_is_symmetric_and_bounded(a in "[A-Z]{0,70}", b in "[A-Z]{0,70}") {
        let (a, b) = (super::normalise::codes(&a), super::normalise::codes(&b));
        let there = super::compare::jaro_winkler(&a, &b);
        prop_assert_eq!(there.to_bits(), super::compare::jaro_winkler(&b, &a).to_bits());
        prop_assert!((0.0..=1.0 + 1e-12).contains(&there));
        if !a.is_empty() && a.len() <= 64 {
            prop_assert!((super::compare::jaro_winkler(&a, &a) - 1.0).abs() < 1e-12);
        }
    }
}
