//! Two stories of matching through HTTP alone. What should come out is planned beforehand, and only the test knows who is who.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entas::platform::policy::Role;
use serde_json::{Value, json};

use crate::datasets::{dataset, fetch, number, send};
use crate::support::{Client, Place, World};

const GIVEN: [&str; 14] = [
    "SITI",
    "BUDI",
    "RAHMAN",
    "NURHAYATI",
    "JOKO",
    "MARIATI",
    "ABDUL",
    "HALIMAH",
    "YUSUF",
    "RUKMINI",
    "DARMAWAN",
    "FATIMAH",
    "SUPRIADI",
    "LESTARI",
];
const SECOND: [&str; 11] =
    ["AMINAH", "HARTONO", "SALEH", "PUTRI", "WIBOWO", "KUSUMA", "RAMADHAN", "ANGGRAINI", "SETIAWAN", "MAHARANI", "GUNAWAN"];
const VILLAGES: [&str; 3] = ["62.02.09.2001", "62.02.09.2002", "62.02.09.2003"];

/// What was done to a person's row in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    None,
    NoNik,
    SlippedName,
    SlippedNik,
    NikOfAnother,
    Absent,
    AbsentWithoutNik,
    Dead,
    Moved,
}

/// A person of the truth.
#[derive(Debug, Clone)]
struct Person {
    family: usize,
    place: usize,
    name: String,
    born: (usize, usize, usize),
    female: bool,
    nik: String,
}

impl Person {
    fn day(&self) -> String {
        let (day, month, year) = self.born;
        format!("{day:02}/{month:02}/{year}")
    }

    fn house(&self) -> String {
        format!("JL. MELATI NO {}", self.family + 1)
    }

    fn village(&self) -> &'static str {
        VILLAGES[self.family % 3]
    }

    fn relation(&self) -> &'static str {
        ["Kepala Keluarga", "Istri", "Anak", "Anak"][self.place]
    }

    fn sex(&self) -> &'static str {
        if self.female { "Perempuan" } else { "Laki-laki" }
    }
}

/// The families of the story: the third and fourth of each fourth family are twins, and each ninth family has heads of one name.
fn truth(families: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for family in 0..families {
        for place in 0..2 + family % 3 {
            let n = family * 5 + place * 17;
            let female = place == 1 || (place > 1 && (family + place).is_multiple_of(2));
            let twin = place == 3 && family.is_multiple_of(4);
            let born = match place {
                0 => (1 + n % 28, 1 + n / 3 % 12, 1955 + n % 30),
                1 => (1 + n * 3 % 28, 1 + n % 12, 1960 + n % 29),
                _ if twin => (1 + (n - 17) * 5 % 28, 1 + (n - 17) / 2 % 12, 2001 + family % 17),
                _ => (1 + n * 5 % 28, 1 + n / 2 % 12, 2001 + family % 17),
            };
            let given = if family % 9 == 3 && place == 0 { "ABDUL" } else { GIVEN[(n + family / 7) % GIVEN.len()] };
            let second = if family % 9 == 3 && place == 0 { "SALEH" } else { SECOND[(n / 3 + family * 2 + place) % SECOND.len()] };
            let (day, month, year) = born;
            let nik = format!("620209{:02}{month:02}{:02}{:04}", day + if female { 40 } else { 0 }, year % 100, family * 4 + place + 1);
            people.push(Person { family, place, name: format!("{given} {second}"), born, female, nik });
        }
    }
    people
}

/// The name with two letters in the wrong order.
fn slipped(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = (1..letters.len() - 1).find(|at| letters[*at] != letters[at + 1] && letters[*at] != ' ' && letters[at + 1] != ' ').unwrap();
    letters.swap(at, at + 1);
    letters.into_iter().collect()
}

fn fault(n: usize) -> Fault {
    match (n % 13, n % 29, n % 37) {
        (1, ..) => Fault::NoNik,
        (2, ..) => Fault::SlippedName,
        (3, ..) => Fault::SlippedNik,
        (_, 5, _) => Fault::NikOfAnother,
        (_, 6, _) => Fault::Absent,
        (_, 7, _) => Fault::AbsentWithoutNik,
        (.., 8) => Fault::Dead,
        (.., 9) => Fault::Moved,
        _ => Fault::None,
    }
}

/// A row as a list has it, and who it is.
#[derive(Debug, Clone)]
struct Row {
    who: usize,
    name: String,
    nik: String,
}

/// What a list makes of these people, by what is planned for each.
fn listed(people: &[Person], who: impl Iterator<Item = usize>, plan: impl Fn(usize) -> Fault) -> Vec<Row> {
    let row = |n: usize| {
        let person = &people[n];
        let (mut name, mut nik) = (person.name.clone(), person.nik.clone());
        match plan(n) {
            Fault::NoNik | Fault::AbsentWithoutNik => nik.clear(),
            Fault::SlippedName => name = slipped(&name),
            Fault::SlippedNik => {
                let last: u32 = nik[12..].parse().unwrap();
                nik = format!("{}{:04}", &nik[..12], last + 4_000);
            }
            // Somebody who is on no list, far away in the register.
            Fault::NikOfAnother => nik.clone_from(&people[people.len() - 1 - n % 40].nik),
            _ => {}
        }
        Row { who: n, name, nik }
    };
    who.map(row).collect()
}

fn p3ke(people: &[Person], rows: &[Row]) -> String {
    let mut text = "No;ID Keluarga P3KE;Kode Kemdagri;Desil Kesejahteraan;Alamat;ID Individu;Nama;NIK;Jenis Kelamin;Hubungan dengan Kepala Keluarga;Tanggal Lahir\n".to_owned();
    for (n, Row { who, name, nik }) in rows.iter().enumerate() {
        let person = &people[*who];
        text += &format!(
            "{n};K{};{};{};{};P{who};{name};{nik};{};{};{}\n",
            person.family,
            person.village(),
            1 + person.family % 4,
            person.house(),
            person.sex(),
            person.relation(),
            person.day()
        );
    }
    text
}

fn dtks(people: &[Person], rows: &[Row]) -> String {
    let mut text = "Periode,ID DTKS,ID ART,NIK,Nama,Jenis Kelamin,Tanggal Lahir,Hubungan Keluarga,Alamat,Kode Kemendagri\n".to_owned();
    for Row { who, name, nik } in rows {
        let person = &people[*who];
        let (house, village) = (person.house(), person.village().replace('.', ""));
        text += &format!(
            "2026-01,DT{},A{who},{nik},{name},{},{},{},{house},{village}\n",
            person.family,
            &person.sex()[..1],
            person.day(),
            person.relation()
        );
    }
    text
}

fn registry(people: &[Person], plan: impl Fn(usize) -> Fault) -> String {
    let mut text = "NIK;No KK;Nama Lengkap;Jenis Kelamin;Tanggal Lahir;SHDK;Alamat;Kode Wilayah;Status\n".to_owned();
    for (n, person) in people.iter().enumerate() {
        let status = match plan(n) {
            Fault::Absent | Fault::AbsentWithoutNik => continue,
            Fault::Dead => "MENINGGAL",
            Fault::Moved => "PINDAH",
            _ => "AKTIF",
        };
        let card = format!("62020901012{:05}", person.family + 1);
        text += &format!(
            "{};{card};{};{};{};{};{};{};{status}\n",
            person.nik,
            person.name,
            person.sex(),
            person.day(),
            person.relation(),
            person.house(),
            person.village()
        );
    }
    text
}

async fn deliver(world: &World, dataset: &str, texts: &[(&str, &str)], file: &str) -> Value {
    let coordinator = world.role(Role::Coordinator);
    let sent = send(&coordinator, dataset, texts, file.as_bytes()).await.expect(202);
    world.run_jobs().await;
    fetch(&coordinator, &sent.body["release_id"]).await
}

async fn ran(world: &World, body: Value) -> String {
    let coordinator = world.role(Role::Coordinator);
    let begun = coordinator.post("/matching-runs", body).await.expect(202);
    world.run_jobs().await;
    let id = begun.body["run_id"].as_str().unwrap().to_owned();
    let run = coordinator.get(&format!("/matching-runs/{id}")).await.expect(200).body;
    assert_eq!(run["state"], "done", "{run}");
    id
}

type Totals = BTreeMap<String, usize>;

async fn totals(client: &Client, run: &str) -> Totals {
    let mut counts = Totals::new();
    for result in client.all(&format!("/matching-runs/{run}/results?limit=200")).await {
        *counts.entry(result["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Who stands on a side of a pair, found by what only the plan knows: the house, the birth date and the name.
fn seen(people: &[Person], side: &Value) -> usize {
    let (name, house, born) = (side["name"].as_str().unwrap(), side["address"].as_str().unwrap(), side["birth_date"].as_str().unwrap());
    let is = |person: &Person| {
        let (day, month, year) = person.born;
        person.house() == house && format!("{year}-{month:02}-{day:02}") == born && (person.name == name || slipped(&person.name) == name)
    };
    let found: Vec<usize> = (0..people.len()).filter(|n| is(&people[*n])).collect();
    assert_eq!(found.len(), 1, "{side}");
    found[0]
}

fn id(release: &Value) -> &str {
    release["id"].as_str().unwrap()
}

fn added(totals: &mut Totals, status: &str, people: usize) {
    *totals.entry(status.to_owned()).or_default() += people;
}

#[actix_web::test]
async fn kotims_three_registers_are_matched_decided_and_matched_again() {
    let world = World::new().await;
    let (coordinator, officer) = (world.role(Role::Coordinator), world.role(Role::CivilRegistry));
    let people = truth(190);
    let of_families = |from: usize, to: usize| {
        let families: Vec<usize> = people.iter().map(|person| person.family).collect();
        (0..people.len()).filter(move |n| (from..to).contains(&families[*n]))
    };
    // P3KE and DTKS overlap; forty families of the register are on neither. What is wrong in DTKS is wrong there alone.
    let (in_p3ke, in_dtks) = (listed(&people, of_families(0, 100), fault), listed(&people, of_families(50, 150), |n| fault(n + 400)));
    let gone = |n: usize| match (people[n].family < 150).then(|| fault(n)) {
        Some(fault @ (Fault::Absent | Fault::AbsentWithoutNik | Fault::Dead | Fault::Moved)) => fault,
        _ => Fault::None,
    };
    let mut datasets = Vec::new();
    for _ in 0..3 {
        datasets.push(dataset(&world, Place::Home).await.0);
    }
    let keep = |profile| [("mode", "keep"), ("profile", profile)];
    let list = deliver(&world, &datasets[0], &[("mode", "commit"), ("profile", "p3ke")], &p3ke(&people, &in_p3ke)).await;
    let welfare = deliver(&world, &datasets[1], &keep("dtks"), &dtks(&people, &in_dtks)).await;
    let register = deliver(&world, &datasets[2], &keep("dukcapil"), &registry(&people, gone)).await;
    for (release, rows) in [(&list, in_p3ke.len()), (&welfare, in_dtks.len())] {
        assert_eq!((release["counts"]["people"].as_u64(), release["counts"]["rows_rejected"].as_u64()), (Some(rows as u64), Some(0)));
    }

    // What has to come out, from the plan alone.
    let stated = |rows: &[Row], plan: &dyn Fn(usize) -> Fault| {
        let mut totals = Totals::new();
        for row in rows {
            let status = match (gone(row.who), plan(row.who)) {
                (Fault::Absent | Fault::AbsentWithoutNik, fault) if row.nik.is_empty() => {
                    assert!(matches!(fault, Fault::AbsentWithoutNik | Fault::NoNik));
                    "nik_missing"
                }
                (Fault::Absent | Fault::AbsentWithoutNik, Fault::NikOfAnother) => "nik_duplicate",
                (Fault::Absent | Fault::AbsentWithoutNik, _) => "unmatched",
                (Fault::Dead, _) => "inactive_deceased",
                (Fault::Moved, _) => "inactive_moved",
                (_, Fault::NoNik | Fault::AbsentWithoutNik | Fault::SlippedNik | Fault::NikOfAnother) => "matched_by_name",
                _ => "matched",
            };
            added(&mut totals, status, 1);
        }
        totals
    };
    let wishes = [
        json!({"left_release_id": id(&list), "against": "release", "right_release_id": id(&register)}),
        json!({"left_release_id": id(&welfare), "against": "release", "right_release_id": id(&register)}),
        json!({"left_release_id": id(&list), "against": "release", "right_release_id": id(&welfare)}),
    ];
    let mut expected = vec![stated(&in_p3ke, &fault), stated(&in_dtks, &|n| fault(n + 400))];
    let mut runs = Vec::new();
    for wish in &wishes {
        runs.push(ran(&world, wish.clone()).await);
    }
    // A slip of the pen beside the right number is found by the number; whether the name still agrees is the engine's to say.
    for ((run, expected), rows) in runs.iter().zip(&mut expected).zip([in_p3ke.len(), in_dtks.len()]) {
        let told = totals(&coordinator, run).await;
        let other = told.get("matched_by_nik_other_data").copied().unwrap_or(0);
        assert!(other <= rows / 13 + 1, "{told:?}");
        *expected.get_mut("matched").unwrap() -= other;
        added(expected, "matched_by_nik_other_data", other);
        expected.retain(|_, people| *people > 0);
        assert_eq!(&told, expected, "what was planned");
    }
    // Of the two lists whoever is on both is found, and nobody else.
    let both: BTreeSet<usize> = in_dtks.iter().map(|row| row.who).collect();
    let common = in_p3ke.iter().filter(|row| both.contains(&row.who)).count();
    let third = totals(&coordinator, &runs[2]).await;
    let found: usize = third.iter().filter(|(status, _)| status.starts_with("matched")).map(|(_, people)| people).sum();
    assert_eq!(found, common, "{third:?}");
    expected.push(third);

    // Not one pair of the automatic ones is of two people: twins, namesakes and borrowed numbers included.
    let mut pairs = HashMap::new();
    for run in &runs {
        let all = coordinator.all(&format!("/matching-runs/{run}/pairs?zone=match&limit=200")).await;
        for pair in &all {
            let told = coordinator.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
            assert_eq!(seen(&people, &told["left"]), seen(&people, &told["right"]), "{told}");
        }
        pairs.insert(run.clone(), all);
    }

    // Twenty decisions over the three: fifteen against the engine, five that say the same.
    let mut decided = 0;
    for (run, expected) in runs.iter().zip(&mut expected) {
        for pair in pairs[run].iter().filter(|pair| pair["nik_agrees"] == true && pair["data_agrees"] == true).skip(3).step_by(4).take(7) {
            if decided == 20 {
                break;
            }
            let told = coordinator.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
            let who = seen(&people, &told["left"]);
            let agree = decided % 4 == 3;
            let outcome = if agree { "match" } else { "no_match" };
            let path = format!("/match-pairs/{}/decision", pair["id"].as_str().unwrap());
            officer.post(&path, json!({"outcome": outcome, "reason": "Dilihat di kantor"})).await.expect(201);
            decided += 1;
            if !agree {
                let was = match (gone(who), run == &runs[2]) {
                    (Fault::Dead, false) => "inactive_deceased",
                    (Fault::Moved, false) => "inactive_moved",
                    _ => "matched",
                };
                *expected.get_mut(was).unwrap() -= 1;
                added(expected, "nik_duplicate", 1);
            }
        }
        expected.retain(|_, people| *people > 0);
        assert_eq!(&totals(&coordinator, run).await, expected, "a decision holds at once");
    }
    assert_eq!(decided, 20);

    // Run again, and against the next delivery of P3KE, in another order and with another address: decisions hold.
    for (wish, expected) in wishes.iter().zip(&expected) {
        let again = ran(&world, wish.clone()).await;
        assert_eq!(&totals(&coordinator, &again).await, expected, "the same lists again");
    }
    let mut next = in_p3ke.clone();
    next.sort_by_key(|row| (people[row.who].family * 31 % 100, row.who));
    let next = p3ke(&people, &next).replace("JL. MELATI NO 7;", "JL. MELATI NO 7 BELAKANG;");
    let next = deliver(&world, &datasets[0], &[("mode", "commit"), ("profile", "p3ke"), ("reference_date", "2026-06-30")], &next).await;
    assert_eq!((next["counts"]["families_new"].as_u64(), next["counts"]["people_new"].as_u64()), (Some(0), Some(0)), "{next}");
    for at in [0, 2] {
        let mut wish = wishes[at].clone();
        wish["left_release_id"] = next["id"].clone();
        let again = ran(&world, wish).await;
        assert_eq!(totals(&coordinator, &again).await, expected[at], "the next delivery");
    }
    let decisions = coordinator.all("/match-decisions?limit=200").await;
    assert_eq!(decisions.iter().filter(|decision| decision["state"] == "in_force").count(), 20);
}

/// Families of a village where nobody has a number: few names, many namesakes, half of the birth dates unknown.
fn blank_village(families: usize) -> Vec<(usize, usize, String, String)> {
    let mut rows = Vec::new();
    for family in 0..families {
        for place in 0..1 + family % 4 {
            let name = GIVEN[(family / 3 + place) % 4].to_owned();
            let born = if (family + place).is_multiple_of(2) { String::new() } else { format!("01/01/{}", 1970 + place * 25) };
            rows.push((family, place, name, born));
        }
    }
    rows
}

#[actix_web::test]
async fn a_village_without_numbers_keeps_every_family() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let rows = blank_village(150);
    let relation = |place: usize| if place == 0 { "Kepala Keluarga" } else { "Anak" };
    let p3ke = |rows: &[(usize, usize, String, String)], decile: usize| {
        let mut text = "ID Keluarga P3KE;Kode Kemdagri;Desil Kesejahteraan;Alamat;ID Individu;Nama;NIK;Hubungan dengan Kepala Keluarga;Tanggal Lahir\n".to_owned();
        for (family, place, name, born) in rows {
            text += &format!("K{family};62.02.09.2001;{decile};RT {};P{family}.{place};{name};;{};{born}\n", family % 5, relation(*place));
        }
        text
    };
    let counts = async || {
        let count = async |table: &str| number(&world, &format!("SELECT count(*) FROM {table}")).await;
        (count("beneficiaries").await, count("members").await, count("source_families").await, count("source_people").await)
    };
    let (of_p3ke, _) = dataset(&world, Place::Home).await;
    let first = deliver(&world, &of_p3ke, &[("mode", "commit")], &p3ke(&rows, 1)).await;
    let people = rows.len() as i64;
    assert_eq!((first["state"].as_str(), first["counts"]["rows_rejected"].as_u64()), (Some("imported"), Some(0)), "{first}");
    assert_eq!(counts().await, (150, people, 150, people));
    // The next delivery, in another order: nobody is doubled, and everybody is where they were.
    let households = async || {
        let sql = "SELECT beneficiary_id::text || ' ' || string_agg(name, ',' ORDER BY id) FROM members GROUP BY beneficiary_id";
        world.sql().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect::<BTreeSet<String>>()
    };
    let before = households().await;
    let mut turned = rows.clone();
    turned.reverse();
    let second = deliver(&world, &of_p3ke, &[("mode", "commit"), ("reference_date", "2026-06-30")], &p3ke(&turned, 2)).await;
    assert_eq!((second["counts"]["families_new"].as_u64(), second["counts"]["people_new"].as_u64()), (Some(0), Some(0)), "{second}");
    assert_eq!(counts().await, (150, people, 150, people));
    assert_eq!(households().await, before);

    // A list that has no keys but cards, and here not even these: each row is a family of its own, told apart by what else is said.
    let (of_dtsen, _) = dataset(&world, Place::Home).await;
    let dtsen = |rows: &[(usize, usize, String, String)]| {
        let mut text = "nomor_induk_kependudukan;nomor_kartu_keluarga;nama;tanggal_lahir;nama_ibu_kandung;alamat_ktp;status_hubungan_keluarga;kode_kelurahan_desa_ktp\n".to_owned();
        for (family, _, name, born) in rows.iter().filter(|(_, place, ..)| *place == 0) {
            text += &format!(";;{name};{born};IBU {};RT {family};Kepala Keluarga;6202092001\n", family % 7);
        }
        text
    };
    let texts = |day| [("mode", "commit"), ("profile", "dtsen_person"), ("reference_date", day)];
    for (day, rows, new) in [("2026-01-01", &rows, 150), ("2026-04-01", &turned, 0)] {
        let release = deliver(&world, &of_dtsen, &texts(day), &dtsen(rows)).await;
        let told = &release["counts"];
        assert_eq!((told["families"].as_u64(), told["families_new"].as_u64()), (Some(150), Some(new)), "{release}");
        assert_eq!(counts().await.0, 300);
    }

    // Matched with our families the engine says nothing certain of namesakes: whoever it finds is the person that it is.
    let run = ran(&world, json!({"left_release_id": id(&second), "against": "itself"})).await;
    if let Some(pair) = coordinator.all(&format!("/matching-runs/{run}/pairs?zone=match&limit=200")).await.first() {
        let told = coordinator.get(&format!("/match-pairs/{}", pair["id"].as_str().unwrap())).await.expect(200).body;
        panic!("two people without a number were taken for one: {told:#}");
    }
    let told = totals(&coordinator, &run).await;
    assert_eq!(told, Totals::from([("nik_missing".to_owned(), rows.len())]));
    assert_eq!(counts().await.0, 300, "matching merges nobody");
}
