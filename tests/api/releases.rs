//! Releases that are kept, withdrawn and compared. What is planted is counted by the test and never by the service.

use std::collections::{BTreeMap, BTreeSet};

use entas::features::datasets::{NikState, RegistryStatus, statements};
use entas::features::regions::villages_of;
use entas::platform::Services;
use entas::platform::ids::RegionCode;
use entas::platform::policy::Role;
use entas::platform::seal::KeyRing;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case;
use crate::datasets::{List, dataset, fetch, number, send, stored};
use crate::imports::dump;
use crate::support::world::config;
use crate::support::{Call, Case, Client, Place, World};

const PEOPLE: &str = "nomor_induk_kependudukan,nomor_kartu_keluarga,nama,jenis_kelamin,tanggal_lahir,status_kawin,status_hubungan_keluarga,kode_kelurahan_desa,desil_nasional";

/// A person of a DTSEN list.
#[derive(Clone)]
pub struct Person {
    pub nik: String,
    pub name: String,
    pub relation: &'static str,
    pub marital: &'static str,
    pub born: usize,
}

/// A family of a DTSEN list.
#[derive(Clone)]
pub struct Family {
    pub card: String,
    pub village: String,
    pub decile: u8,
    pub people: Vec<Person>,
}

/// A family that nobody else has.
pub fn family(number: usize, village: &str) -> Family {
    const NAMES: [&str; 8] = ["SITI CONTOH", "BUDI CONTOH", "ANI", "RAHMAN", "NURHAYATI", "JOKO", "MARIATI", "ABDUL HAMID"];
    let people = (0..1 + number % 5).map(|at| Person {
        nik: format!("620209{:02}0385{:04}", number % 28 + 1, number * 7 % 9_000 + at + 1),
        name: format!("{} {}", NAMES[(number + at) % NAMES.len()], NAMES[number / 8 % NAMES.len()]),
        relation: if at == 0 { "Kepala Keluarga" } else { "Anak" },
        marital: "Kawin",
        born: at + 1,
    });
    Family {
        card: format!("620209{:02}0120{number:04}", number % 28 + 1),
        village: village.to_owned(),
        decile: u8::try_from(number % 6 + 2).unwrap(),
        people: people.collect(),
    }
}

pub fn list(families: &[Family]) -> Vec<u8> {
    let mut text = format!("{PEOPLE}\n");
    for family in families {
        for person in &family.people {
            let Person { nik, name, relation, marital, born } = person;
            let (card, village, decile) = (&family.card, &family.village, family.decile);
            text += &format!("{nik},{card},{name},L,{born:02}/03/1985,{marital},{relation},{village},{decile}\n");
        }
    }
    text.into_bytes()
}

pub async fn deliver(world: &World, client: &Client, dataset: &str, texts: &[(&str, &str)], file: &[u8]) -> Value {
    let sent = send(client, dataset, texts, file).await.expect(202);
    world.run_jobs().await;
    fetch(client, &sent.body["release_id"]).await
}

pub const KEEP: [(&str, &str); 2] = [("mode", "keep"), ("profile", "dtsen_person")];

pub fn id(release: &Value) -> String {
    release["id"].as_str().unwrap_or_else(|| panic!("no id: {release}")).to_owned()
}

/// Two releases in a place that can be compared.
async fn pair(world: &World, place: Place) -> (String, String) {
    let (dataset, _) = dataset(world, place).await;
    let client = world.role_in(place, Role::Coordinator);
    let one = [family(1, world.place(place).village), family(2, world.place(place).next_village)];
    let before = deliver(world, &client, &dataset, &KEEP, &list(&one)).await;
    let after = deliver(world, &client, &dataset, &KEEP, &list(&one[..1])).await;
    assert_eq!((before["state"].as_str(), after["state"].as_str()), (Some("kept"), Some("kept")));
    (id(&after), id(&before))
}

pub fn cases() -> Vec<Case> {
    vec![
        case!("profiles_list", |_world, _place| Call::list("/profiles?limit=200", ["dukcapil".to_owned()])
            .everywhere("shipped, of no region")),
        case!("releases_withdraw", |world, place| {
            let (release, _) = pair(world, place).await;
            Call::send(format!("/releases/{release}/withdraw"), json!({"reason": "Daftar yang salah"}))
        }),
        case!("releases_rejected_rows", |world, place| {
            let (dataset, _) = dataset(world, place).await;
            let rows = [family(1, world.place(place).village), family(2, "31.71.01.1001")];
            let release = deliver(world, &world.role_in(place, Role::Coordinator), &dataset, &KEEP, &list(&rows)).await;
            Call::send(format!("/releases/{}/rejected-rows", id(&release)), json!({"purpose": "Perbaikan bersama desa"}))
        }),
        case!("releases_records", |world, place| {
            let (release, _) = pair(world, place).await;
            let sql = "SELECT id::text FROM statements WHERE release_id = $1";
            let uuid: Uuid = release.parse().unwrap();
            let statement: String = world.sql().await.query_one(sql, &[&uuid]).await.unwrap().get(0);
            Call::list(format!("/releases/{release}/records"), [statement])
        }),
        case!("releases_diff", |world, place| {
            let (release, against) = pair(world, place).await;
            Call::get(format!("/releases/{release}/diff?against={against}"))
        }),
        case!("releases_diff_villages", |world, place| {
            let (release, against) = pair(world, place).await;
            let village = world.place(place).village.to_owned();
            Call::list(format!("/releases/{release}/diff/villages?against={against}"), [village])
        }),
        case!("releases_diff_families", |world, place| {
            let (release, against) = pair(world, place).await;
            let sql = "SELECT id::text FROM statements WHERE release_id = $1";
            let uuid: Uuid = release.parse().unwrap();
            let statement: String = world.sql().await.query_one(sql, &[&uuid]).await.unwrap().get(0);
            Call::list(format!("/releases/{release}/diff/families?against={against}"), [statement])
        }),
    ]
}

#[actix_web::test]
async fn a_release_is_read_as_it_was_delivered() {
    let world = World::new().await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let coordinator = world.role(Role::Coordinator);
    let mut families: Vec<Family> = (0..25).map(|n| family(n, world.home.village)).collect();
    families.extend((25..30).map(|n| family(n, world.home.next_village)));
    let release = id(&deliver(&world, &coordinator, &dataset, &KEEP, &list(&families)).await);
    let path = format!("/releases/{release}/records");
    let records = coordinator.all(&format!("{path}?limit=7")).await;
    assert_eq!(records.len(), families.len());
    for (record, family) in records.iter().zip(&families) {
        let mask = |number: &str| format!("{}********{}", &number[..4], &number[12..]);
        assert_eq!(record["region_code"], family.village);
        assert_eq!(record["decile"], family.decile);
        assert_eq!(record["kk_number_masked"], mask(&family.card));
        let people = record["people"].as_array().unwrap();
        assert_eq!(people.len(), family.people.len());
        for (at, (stated, person)) in people.iter().zip(&family.people).enumerate() {
            assert_eq!((stated["ordinal"].as_u64(), stated["name"].as_str()), (Some(at as u64), Some(person.name.as_str())));
            assert_eq!(stated["nik_masked"], mask(&person.nik));
            assert_eq!(stated["birth_date"], format!("1985-03-{:02}", person.born));
        }
        let text = record.to_string();
        assert!(!text.contains(&family.card) && family.people.iter().all(|person| !text.contains(&person.nik)), "{text}");
    }
    let next_door = coordinator.all(&format!("{path}?region={}", world.home.next_village)).await;
    assert_eq!(next_door, records[25..]);
    coordinator.get(&format!("{path}?stauts=x")).await.refused(422, "invalid");
    // A file that was only judged states nothing that could be read, and an empty page would say that it was empty.
    let judged = deliver(&world, &coordinator, &dataset, &[("mode", "validate"), KEEP[1]], &list(&families[..2])).await;
    coordinator.get(&format!("/releases/{}/records", id(&judged))).await.refused(409, "release_not_kept");
    world.flush_reads().await;
    let recorded = "SELECT coalesce(sum(rows), 0)::bigint FROM reads WHERE resource = 'releases' AND action = 'records'";
    assert_eq!(number(&world, recorded).await, 35);
}

type Counts = BTreeMap<&'static str, (u64, u64)>;
const KINDS: [&str; 7] = ["entered", "left", "changed", "decile_up", "decile_down", "moved_village", "unchanged"];

/// What is planted: for each kind families and people, in all and by village.
#[derive(Default)]
struct Planned {
    all: Counts,
    villages: BTreeMap<String, Counts>,
    cards: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Planned {
    fn plant(&mut self, family: &Family, kinds: &[&'static str]) {
        for kind in kinds {
            for counts in [&mut self.all, self.villages.entry(family.village.clone()).or_default()] {
                let (families, people) = counts.entry(*kind).or_default();
                *families += 1;
                *people += family.people.len() as u64;
            }
            self.cards.entry(kind).or_default().insert(family.card.clone());
        }
    }
}

fn told(counts: &Value) -> Counts {
    let count = |kind: &&'static str| (*kind, (counts[kind]["families"].as_u64().unwrap(), counts[kind]["people"].as_u64().unwrap()));
    KINDS.iter().map(count).filter(|(_, (families, _))| *families > 0).collect()
}

async fn home_villages(world: &World) -> Vec<String> {
    let rows = villages_of(&world.services.read_as_system().await.unwrap(), &RegionCode::parse("62.02").unwrap()).await.unwrap();
    rows.into_iter().map(|(code, ..)| code).collect()
}

#[actix_web::test]
async fn what_a_release_changes_is_told_exactly() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let villages = home_villages(&world).await;
    let before: Vec<Family> = (0..400).map(|n| family(n, &villages[n * 13 % 40])).collect();
    let mut planned = Planned::default();
    let mut after = Vec::new();
    for (n, old) in before.iter().enumerate() {
        let mut new = old.clone();
        let mut kinds = Vec::new();
        if n % 37 == 0 {
            planned.plant(old, &["left"]);
            continue;
        }
        if n % 11 == 0 {
            new.decile += 1;
            kinds.push("decile_up");
        } else if n % 7 == 0 {
            new.decile -= 1;
            kinds.push("decile_down");
        }
        if n % 13 == 0 {
            new.people[0].marital = "Cerai Mati";
            kinds.push("changed");
        } else if n % 17 == 0 {
            new.people.push(Person { nik: String::new(), name: "BAYI BARU".into(), relation: "Anak", marital: "Belum Kawin", born: 28 });
            kinds.push("changed");
        }
        if n % 19 == 0 {
            new.village = villages[40 + n % 3].clone();
            kinds.push("moved_village");
        }
        if kinds.is_empty() {
            kinds.push("unchanged");
        }
        planned.plant(&new, &kinds);
        after.push(new);
    }
    for n in 400..421 {
        let new = family(n, &villages[n % 40]);
        planned.plant(&new, &["entered"]);
        after.push(new);
    }
    // The order of a file says nothing.
    after.reverse();
    for family in &mut after {
        family.people.reverse();
    }

    let (dataset, _) = dataset(&world, Place::Home).await;
    let first = deliver(&world, &coordinator, &dataset, &KEEP, &list(&before)).await;
    let second = deliver(&world, &coordinator, &dataset, &KEEP, &list(&after)).await;
    assert_eq!((first["counts"]["families"].as_u64(), second["counts"]["families"].as_u64()), (Some(400), Some(after.len() as u64)));
    assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, 0);

    let (new, old) = (id(&second), id(&first));
    let diff = coordinator.get(&format!("/releases/{new}/diff?against={old}")).await.expect(200);
    assert_eq!(told(&diff.body["counts"]), planned.all);
    let by_village = coordinator.all(&format!("/releases/{new}/diff/villages?against={old}&limit=7")).await;
    let by_village: BTreeMap<String, Counts> =
        by_village.iter().map(|row| (row["region_code"].as_str().unwrap().to_owned(), told(&row["counts"]))).collect();
    assert_eq!(by_village, planned.villages);

    // The lists name the same families, whichever way they are asked for.
    let keys = &world.services.keys;
    let db = world.services.read_as_system().await.unwrap();
    let mut cards: BTreeMap<String, String> = BTreeMap::new();
    for release in [&new, &old] {
        for statement in statements(&db, keys, release.parse().unwrap(), None, 10_000).await.unwrap() {
            cards.insert(statement.id.to_string(), statement.kk.unwrap().expose().to_owned());
        }
    }
    for kind in KINDS {
        let rows = coordinator.all(&format!("/releases/{new}/diff/families?against={old}&kind={kind}&limit=9")).await;
        let named = |row: &Value| cards[row["statement_id"].as_str().or(row["against_statement_id"].as_str()).unwrap()].clone();
        assert_eq!(rows.iter().map(named).collect::<BTreeSet<_>>(), planned.cards[kind], "{kind}");
        assert_eq!(rows.len() as u64, planned.all[kind].0);
        assert!(rows.iter().all(|row| row["kinds"].as_array().unwrap().contains(&json!(kind)) && row["beneficiary_id"].is_null()));
    }
    let everybody = coordinator.all(&format!("/releases/{new}/diff/families?against={old}&limit=200")).await;
    assert_eq!(everybody.len(), 421);
    let somewhere = coordinator.all(&format!("/releases/{new}/diff/families?against={old}&region={}", villages[41])).await;
    assert!(!somewhere.is_empty() && somewhere.iter().all(|row| row["region_code"] == villages[41].as_str()));
    let up = coordinator.get(&format!("/releases/{new}/diff/families?against={old}&kind=decile_up&limit=1")).await.expect(200);
    let up = &up.body["items"][0];
    assert_eq!(up["decile"].as_i64(), up["decile_before"].as_i64().map(|decile| decile + 1));

    // The other way round, and with itself.
    let back = coordinator.get(&format!("/releases/{old}/diff?against={new}")).await.expect(200);
    assert_eq!(told(&back.body["counts"])["entered"], planned.all["left"]);
    let same = coordinator.get(&format!("/releases/{new}/diff?against={new}")).await.expect(200);
    assert_eq!(told(&same.body["counts"]).keys().collect::<Vec<_>>(), [&"unchanged"]);

    // Another dataset whose keys mean something else, a dry run, a stranger.
    let (p3ke, _) = crate::datasets::dataset(&world, Place::Home).await;
    let book = List::new(&world, "62.02", 1, 3).await.workbook();
    let other = deliver(&world, &coordinator, &p3ke, &[("mode", "keep")], &book).await;
    let dry = deliver(&world, &coordinator, &dataset, &[("mode", "validate"), ("profile", "dtsen_person")], &list(&before)).await;
    for against in [id(&other), id(&dry)] {
        for path in ["diff", "diff/villages", "diff/families"] {
            coordinator.get(&format!("/releases/{new}/{path}?against={against}")).await.refused(422, "releases_not_comparable");
        }
    }
    let foreign = pair(&world, Place::Foreign).await.0;
    let refused = coordinator.get(&format!("/releases/{new}/diff?against={foreign}")).await.refused(422, "invalid");
    assert_eq!(refused.body["errors"][0]["path"], "against");
}

const REGISTER: &str =
    "NIK;No KK;Nama Lengkap;Jenis Kelamin;Tempat Lahir;Tanggal Lahir;Nama Ibu Kandung;SHDK;Alamat;RT;RW;Kode Wilayah;Status";

#[actix_web::test]
async fn a_register_is_kept_whole_and_makes_no_family() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let rows = [
        "'6202090107850001;6202090101200001;SITI AMINAH CONTOH;P;Sampit;01/07/1985;HALIMAH CONTOH;Istri;Jl. Contoh;003;01;62.02.09.2001;AKTIF",
        "6,20209E+15;6202090101200001;BUDI HARTONO CONTOH;L;Sampit;02/07/1984;AISYAH CONTOH;Kepala Keluarga;Jl. Contoh;003;01;6202092001;MENINGGAL",
        "620209;;MARIATI TANPA KARTU;P;Sampit;1990-01-31;;;;;;62.02.09.2002;PINDAH",
        ";6202090101200002;YATIM CONTOH;L;;;;Cucu;;;;62.02.09.2002;",
        "6402090107850002;6402090101200003;ORANG KUTIM CONTOH;L;;01/07/1985;;;;;;64.08.03.2001;AKTIF",
        "6202090107850003;6202090101200004;DESA TIADA CONTOH;L;;01/07/1985;;;;;;62.02.09.2999;AKTIF",
    ];
    let file = format!("\u{feff}{REGISTER}\r\n{}\r\n", rows.join("\r\n"));
    let release = deliver(&world, &coordinator, &dataset, &[("mode", "keep"), ("profile", "dukcapil")], file.as_bytes()).await;
    assert_eq!(release["state"], "kept", "{release}");
    let counts = &release["counts"];
    assert_eq!((counts["families"].as_u64(), counts["people"].as_u64(), counts["rows_rejected"].as_u64()), (Some(3), Some(4), Some(2)));
    assert_eq!((counts["families_new"].as_u64(), counts["people_new"].as_u64()), (Some(0), Some(0)));
    let left = "SELECT (SELECT count(*) FROM beneficiaries) + (SELECT count(*) FROM members) + (SELECT count(*) FROM source_families)
                     + (SELECT count(*) FROM welfare_ranks)";
    assert_eq!(number(&world, left).await, 0);
    let rejects = coordinator.all(&format!("/releases/{}/rejects?severity=reject", id(&release))).await;
    let codes: Vec<_> = rejects.iter().map(|row| (row["row"].as_u64().unwrap(), row["code"].as_str().unwrap())).collect();
    assert_eq!(codes, [(6, "region_foreign"), (7, "region_unknown")]);
    let rounded = coordinator.all(&format!("/releases/{}/rejects?code=nik_excel_rounded", id(&release))).await;
    assert_eq!((rounded.len(), rounded[0]["row"].as_u64()), (1, Some(3)));

    // All that was said is there again.
    let db = world.services.read_as_system().await.unwrap();
    let uuid: Uuid = id(&release).parse().unwrap();
    let kept = statements(&db, &world.services.keys, uuid, None, 100).await.unwrap();
    assert_eq!(kept.iter().map(|statement| statement.people.len()).collect::<Vec<_>>(), [2, 1, 1]);
    let (siti, budi) = (&kept[0].people[0], &kept[0].people[1]);
    assert_eq!((siti.name.as_str(), siti.ordinal, siti.row), ("SITI AMINAH CONTOH", 0, 2));
    assert_eq!((siti.birth_place.as_deref(), siti.mother_name.as_deref()), (Some("Sampit"), Some("HALIMAH CONTOH")));
    assert_eq!((siti.nik.as_ref().unwrap().expose(), siti.nik_state), ("6202090107850001", NikState::Valid));
    assert_eq!(siti.kk.as_ref().unwrap().expose(), "6202090101200001");
    assert_eq!((siti.address.as_deref(), siti.registry_status), (Some("Jl. Contoh RT 003 RW 01"), Some(RegistryStatus::Active)));
    assert_eq!((budi.nik_state, budi.nik_written.as_deref()), (NikState::ExcelRounded, Some("6,20209E+15")));
    assert_eq!(budi.registry_status, Some(RegistryStatus::Deceased));
    let alone = &kept[1];
    assert_eq!(
        (alone.kk.is_none(), alone.people[0].nik_state, alone.people[0].nik_written.as_deref()),
        (true, NikState::Invalid, Some("620209"))
    );
    assert_eq!((kept[2].people[0].nik_state, kept[2].people[0].sex.is_some()), (NikState::Missing, true));
    assert_eq!(alone.rows[0].cells().nth(3), Some("MARIATI TANPA KARTU"));
    assert_eq!(format!("{alone:?} {siti:?}").matches(char::is_uppercase).count(), 3, "{alone:?} {siti:?}");
    // By the page, and only within the scope.
    let page = statements(&db, &world.services.keys, uuid, Some(kept[0].id), 1).await.unwrap();
    assert_eq!(page[0].id, kept[1].id);

    // A thief of the tables learns no number and, of a register, no name.
    let dump = dump(&world.db.url);
    assert!(dump.contains("INSERT INTO public.statements") && dump.contains("INSERT INTO public.rejected_rows"));
    for secret in [
        "6202090107850001",
        "6202090101200001",
        "6202090101200002",
        "6402090107850002",
        "SITI AMINAH",
        "HALIMAH",
        "MARIATI",
        "KUTIM CONTOH",
        "TIADA CONTOH",
    ] {
        assert!(!dump.contains(secret), "{secret} stands in the dump");
    }

    // The same register again is the same release; taken back, it may come again.
    let again = send(&coordinator, &dataset, &[("mode", "keep"), ("profile", "dukcapil")], file.as_bytes()).await.expect(200);
    assert_eq!(again.body["release_id"].as_str(), Some(id(&release).as_str()));
    coordinator.post(&format!("/releases/{}/withdraw", id(&release)), json!({"reason": "Diganti"})).await.expect(200);
    let anew = deliver(&world, &coordinator, &dataset, &[("mode", "keep"), ("profile", "dukcapil")], file.as_bytes()).await;
    assert_eq!(anew["state"], "kept");
    let diff = coordinator.get(&format!("/releases/{}/diff?against={}", id(&anew), id(&release))).await.expect(200);
    assert_eq!(told(&diff.body["counts"]), [("unchanged", (3, 4))].into());
}

#[actix_web::test]
async fn a_withdrawn_release_ranks_nobody_any_more() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let mut list = List::new(&world, "62.02", 3, 40).await;
    let (dataset, _) = dataset(&world, Place::Home).await;
    let on = |day| [("mode", "commit"), ("reference_date", day)];
    deliver(&world, &coordinator, &dataset, &on("2023-01-01"), &list.workbook()).await;
    let first = stored(&world).await;
    for family in &mut list.families {
        family.decile = family.decile % 4 + 1;
    }
    let book = list.workbook();
    let second = deliver(&world, &coordinator, &dataset, &on("2024-01-01"), &book).await;
    let ranked = stored(&world).await;
    assert_eq!(ranked, list.totals());
    assert_ne!(ranked, first);
    let family = coordinator.get("/beneficiaries?limit=1").await.expect(200).body["items"][0].clone();
    let path = format!("/releases/{}/withdraw", id(&second));
    let stale = [("if-match", "\"1\"")];
    let body = json!({"reason": "Daftar yang salah"});
    let sent = Some(body.to_string().into_bytes());
    coordinator.send(reqwest::Method::POST, &path, &stale, sent).await.refused(412, "version_stale");
    let withdrawn = coordinator.post(&path, body.clone()).await.expect(200);
    assert_eq!(
        (withdrawn.body["state"].as_str(), withdrawn.body["withdrawn_because"].as_str()),
        (Some("withdrawn"), Some("Daftar yang salah"))
    );
    let when = withdrawn.body["updated_at"].as_str().unwrap().split('.').next().unwrap();
    let again = coordinator.post(&path, body.clone()).await.refused(409, "step_not_allowed");
    let unread = coordinator.get(&format!("/releases/{}/records", id(&second))).await.refused(409, "release_not_kept");
    // Only who wants to use it is told to deliver it again.
    let advice = "deliver its file again";
    assert_eq!([&again, &unread].map(|refused| refused.text.contains(advice)), [false, true], "{} {}", again.text, unread.text);
    for refused in [again, unread] {
        assert!(refused.body["detail"].as_str().unwrap().contains(&format!("withdrawn at {when}Z")), "{}", refused.text);
    }
    assert_eq!(stored(&world).await, first, "the older release ranks again");
    assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, 40, "families stay");
    assert_eq!(number(&world, "SELECT count(*) FROM statements").await, 80, "statements stay");
    let told = "SELECT count(*) FROM changes WHERE resource = 'beneficiaries' AND action = 'reranked'";
    assert_eq!(number(&world, told).await, 40);
    let now = coordinator.get(&format!("/beneficiaries/{}", family["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(now.body["version"].as_i64(), family["version"].as_i64().map(|version| version + 1));
    let why: Option<String> =
        world.sql().await.query_one("SELECT reason FROM changes WHERE action = 'withdrawn'", &[]).await.unwrap().get(0);
    assert_eq!(why.as_deref(), Some("Daftar yang salah"));

    // The same file again is a release of its own.
    let third = deliver(&world, &coordinator, &dataset, &on("2024-01-01"), &book).await;
    assert_eq!((third["state"].as_str(), third["counts"]["families_new"].as_u64()), (Some("imported"), Some(0)));
    assert_eq!(stored(&world).await, ranked);
    // An older one that is taken back changes nothing that counts; the last one leaves nobody ranked.
    let oldest = coordinator.all(&format!("/datasets/{dataset}/releases")).await[0].clone();
    coordinator.post(&format!("/releases/{}/withdraw", id(&oldest)), body.clone()).await.expect(200);
    assert_eq!(stored(&world).await, ranked);
    coordinator.post(&format!("/releases/{}/withdraw", id(&third)), body).await.expect(200);
    assert!(stored(&world).await.is_empty());
    assert_eq!(number(&world, "SELECT count(*) FROM welfare_ranks").await, 120, "what was said is kept");
}

#[actix_web::test]
async fn all_rows_or_none() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let right: Vec<Family> = (0..30).map(|n| family(n, world.home.village)).collect();
    let mut wrong = right.clone();
    wrong[23].village = "64.08.03.2001".into();
    let rejected = wrong[23].people.len() as u64;
    for mode in ["commit", "keep"] {
        let texts = [("mode", mode), ("profile", "dtsen_person"), ("rejects", "refuse")];
        let refused = deliver(&world, &coordinator, &dataset, &texts, &list(&wrong)).await;
        assert_eq!(
            (refused["state"].as_str(), refused["job"]["error_code"].as_str()),
            (Some("failed"), Some("rows_rejected")),
            "{refused}"
        );
        assert_eq!(refused["counts"]["rows_rejected"].as_u64(), Some(rejected));
        assert_eq!(coordinator.all(&format!("/releases/{}/rejects?code=region_foreign", id(&refused))).await.len() as u64, rejected);
        assert_eq!(number(&world, "SELECT (SELECT count(*) FROM beneficiaries) + (SELECT count(*) FROM statements)").await, 0);
        // Corrected, it may be sent under the same demand; unchanged and row by row, too.
        send(&coordinator, &dataset, &texts, &list(&wrong)).await.expect(202);
        world.run_jobs().await;
    }
    let texts = [("mode", "commit"), ("profile", "dtsen_person"), ("rejects", "refuse")];
    let taken = deliver(&world, &coordinator, &dataset, &texts, &list(&right)).await;
    assert_eq!((taken["state"].as_str(), taken["counts"]["families_new"].as_u64()), (Some("imported"), Some(30)), "{taken}");
    let people = right.iter().map(|family| family.people.len()).sum::<usize>() as u64;
    assert_eq!((taken["counts"]["people"].as_u64(), taken["job"]["rows_done"].as_u64()), (Some(people), Some(people)));
    let rows = deliver(&world, &coordinator, &dataset, &[("mode", "commit"), ("profile", "dtsen_person")], &list(&wrong)).await;
    assert_eq!((rows["state"].as_str(), rows["counts"]["families"].as_u64()), (Some("imported"), Some(29)));
    assert_eq!(number(&world, "SELECT count(*) FROM beneficiaries").await, 30);
}

#[actix_web::test]
async fn refused_rows_are_taken_home_corrected_and_delivered_again() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let list = List::new(&world, "62.02", 21, 40).await;
    // Two people and a whole family are wrong.
    let mut rows: Vec<Vec<String>> = list.csv().lines().map(|line| line.split(';').map(str::to_owned).collect()).collect();
    let headers = rows[0].clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (relation, born, village) = (column("Hubungan dengan Kepala Keluarga"), column("Tanggal Lahir"), column("Kode Kemdagri"));
    let wrong: Vec<usize> = (1..rows.len()).filter(|at| rows[*at][relation] != "Kepala Keluarga").take(2).collect();
    let right: Vec<String> = wrong.iter().map(|at| rows[*at][born].clone()).collect();
    for at in &wrong {
        rows[*at][born] = "31/02/1990".into();
    }
    let last = rows.last().unwrap()[column("ID Keluarga P3KE")].clone();
    let of_last: Vec<usize> = (1..rows.len()).filter(|at| rows[*at][column("ID Keluarga P3KE")] == last).collect();
    let home = rows[of_last[0]][village].clone();
    for at in &of_last {
        rows[*at][village] = "64.08.03.2001".into();
    }
    let text = rows.iter().map(|row| row.join(";")).collect::<Vec<_>>().join("\n");
    let (dataset, _) = dataset(&world, Place::Home).await;
    let release = deliver(&world, &coordinator, &dataset, &[("mode", "commit")], text.as_bytes()).await;
    assert_eq!(release["counts"]["rows_rejected"].as_u64(), Some(2 + of_last.len() as u64));

    let path = format!("/releases/{}/rejected-rows", id(&release));
    coordinator.post(&path, json!({"purpose": "kurang"})).await.refused(422, "invalid");
    coordinator.post(&path, json!({"purpose": "Untuk NIK 6202090107850001"})).await.refused(422, "invalid");
    world.role(Role::Auditor).post(&path, json!({"purpose": "Perbaikan bersama desa"})).await.refused(403, "forbidden");
    let url = format!("{}/api/v1{path}", coordinator.base);
    let asked = coordinator.http.post(url).bearer_auth(coordinator.token.as_ref().unwrap());
    let answer = asked.json(&json!({"purpose": "Perbaikan bersama desa"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let book = answer.bytes().await.unwrap().to_vec();
    let recorded = "SELECT count(*) FROM changes WHERE action = 'rejected_rows_disclosed' AND reason = 'Perbaikan bersama desa'";
    assert_eq!(number(&world, recorded).await, 1);

    // Delivered as it is, it is refused for the same reasons; corrected, nothing is missing any more.
    let again = deliver(&world, &coordinator, &dataset, &[("mode", "validate")], &book).await;
    assert_eq!((again["state"].as_str(), again["counts"]["rows_rejected"].as_u64()), (Some("validated"), Some(2 + of_last.len() as u64)));
    let corrected = rewritten(&book, |cells| {
        for (at, right) in wrong.iter().zip(&right) {
            if cells[column("ID Individu")] == rows[*at][column("ID Individu")] {
                cells[born] = right.clone();
            }
        }
        if cells[village] == "64.08.03.2001" {
            cells[village] = home.clone();
        }
    });
    let last = deliver(&world, &coordinator, &dataset, &[("mode", "commit"), ("rejects", "refuse")], &corrected).await;
    assert_eq!((last["state"].as_str(), last["counts"]["rows_rejected"].as_u64()), (Some("imported"), Some(0)), "{last}");
    assert_eq!(stored(&world).await, list.totals());
}

/// The people's sheet of a workbook as text, changed row by row.
fn rewritten(book: &[u8], change: impl Fn(&mut Vec<String>)) -> Vec<u8> {
    use calamine::Reader;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(book)).unwrap();
    let range = book.worksheet_range("Individu").unwrap();
    let mut text = String::new();
    for row in range.rows() {
        let mut cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        change(&mut cells);
        text += &cells.join(";");
        text.push('\n');
    }
    text.into_bytes()
}

#[actix_web::test]
async fn new_keys_lead_to_the_same_families_and_statements() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let mut families: Vec<Family> = (0..25).map(|n| family(n, world.home.village)).collect();
    families.push(Family { card: String::new(), ..family(45, world.home.next_village) });
    families.last_mut().unwrap().people.truncate(1);
    let mut wrong = family(60, world.home.village);
    wrong.village = "64.08.03.2001".into();
    let mut all = families.clone();
    all.push(wrong);
    let texts = [("mode", "commit"), ("profile", "dtsen_person")];
    let first = deliver(&world, &coordinator, &dataset, &texts, &list(&all)).await;
    assert_eq!((first["state"].as_str(), first["counts"]["families_new"].as_u64()), (Some("imported"), Some(26)), "{first}");

    let newest = format!("seal 9 {}\nindex 9 {}\n", "AQEB".repeat(10) + "AQE=", "AgIC".repeat(10) + "AgI=");
    let both = Services::new(config(&world.db.url), KeyRing::parse(&format!("{newest}{}", world.key_text)).unwrap()).unwrap();
    let run = async |services: &std::sync::Arc<Services>| {
        let (_keep, stop) = tokio::sync::watch::channel(false);
        while entas::platform::jobs::run_one(services, &entas::app::kinds(), &stop).await.unwrap() {}
    };
    // A delivery between: the families are found by the keys that they had.
    families[3].decile += 1;
    let here = world.serve_with(both.clone(), &coordinator);
    let between = send(&here, &dataset, &texts, &list(&families)).await.expect(202);
    run(&both).await;
    let between = fetch(&here, &between.body["release_id"]).await;
    assert_eq!((between["state"].as_str(), between["counts"]["families_new"].as_u64()), (Some("imported"), Some(0)), "{between}");
    assert_eq!(between["counts"]["people_new"], 0);
    let path = format!("/releases/{}/diff?against={}", id(&between), id(&first));
    here.get(&path).await.refused(409, "keys_rotating");

    entas::app::rotate_keys(&both, |_| {}).await.unwrap();
    let older =
        "SELECT (SELECT count(*) FROM statements WHERE get_byte(sealed, 1) <> 9 OR get_byte(digest, 0) <> 9 OR source_id !~ '^(kk|p)-09')
                      + (SELECT count(*) FROM rejected_rows WHERE get_byte(sealed, 1) <> 9)
                      + (SELECT count(*) FROM source_families WHERE source_id !~ '^(kk|p)-09')";
    assert_eq!(number(&world, older).await, 0);
    assert_eq!(number(&world, "SELECT count(*) FROM rejected_rows").await, 1);
    assert_eq!(number(&world, "SELECT count(*) FROM source_families").await, 26);

    // The old keys are gone: everything opens, compares and is found.
    let only = Services::new(config(&world.db.url), KeyRing::parse(&newest).unwrap()).unwrap();
    let there = world.serve_with(only.clone(), &coordinator);
    let people = families.iter().map(|family| family.people.len() as u64).sum::<u64>();
    let moved = families[3].people.len() as u64;
    let diff = there.get(&path).await.expect(200);
    assert_eq!(told(&diff.body["counts"]), [("decile_up", (1, moved)), ("unchanged", (25, people - moved))].into());
    let db = only.read_as_system().await.unwrap();
    assert_eq!(statements(&db, &only.keys, id(&first).parse().unwrap(), None, 100).await.unwrap().len(), 26);
    families[4].decile += 1;
    let last = send(&there, &dataset, &texts, &list(&families)).await.expect(202);
    run(&only).await;
    let last = fetch(&there, &last.body["release_id"]).await;
    assert_eq!((last["counts"]["families_new"].as_u64(), last["counts"]["people_new"].as_u64()), (Some(0), Some(0)), "{last}");
}

#[actix_web::test]
async fn a_village_goes_by_its_name_where_the_print_out_has_no_code() {
    let world = World::new().await;
    let coordinator = world.role(Role::Coordinator);
    let (dataset, _) = dataset(&world, Place::Home).await;
    let known = villages_of(&world.services.read_as_system().await.unwrap(), &RegionCode::parse("62.02").unwrap()).await.unwrap();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name, ..) in &known {
        *seen.entry(name).or_default() += 1;
    }
    let (code, name, subdistrict, ..) = known.iter().find(|(_, name, ..)| seen[name.as_str()] == 1).unwrap();
    let mut file = "HASIL VERVAL DESA\n".repeat(3) + &"\n".repeat(3);
    file += "No;Desa/Kelurahan;Kecamatan;Alamat;ID Keluarga;Desil;Nama;NIK;Jenis Kelamin;Hubungan Keluarga\n1;2;3;4;5;6;7;8;9;10\n";
    file += &format!("1;Desa {};Kec. {subdistrict};RT 1;F1;1;SITI CONTOH;;P;Kepala Keluarga\n", name.to_uppercase());
    file += "2;Desa Entah Berantah;;RT 1;F2;1;BUDI CONTOH;;L;Kepala Keluarga\n3;;;RT 1;F3;1;ANI CONTOH;;P;Kepala Keluarga\n";
    let release = deliver(&world, &coordinator, &dataset, &[("mode", "commit"), ("profile", "verval")], file.as_bytes()).await;
    assert_eq!((release["state"].as_str(), release["counts"]["families"].as_u64()), (Some("imported"), Some(1)), "{release}");
    let where_to: String = world.sql().await.query_one("SELECT region_code FROM beneficiaries", &[]).await.unwrap().get(0);
    assert_eq!(&where_to, code);
    let rejects = coordinator.all(&format!("/releases/{}/rejects?severity=reject", id(&release))).await;
    let codes: Vec<_> = rejects.iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["region_unclear", "village_missing"]);
}

#[actix_web::test]
async fn the_shipped_layouts_are_told() {
    let world = World::new().await;
    let profiles = world.role(Role::Auditor).all("/profiles?limit=2").await;
    let names: Vec<_> = profiles.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dtks", "dtsen_family", "dtsen_person", "dukcapil", "p3ke", "verval"]);
    let p3ke = &profiles[4]["profile"];
    assert_eq!(p3ke["sheets"][0]["columns"].as_array().unwrap().len(), 31);
    // What is told can be sent back as a profile of one's own.
    let (dataset, _) = dataset(&world, Place::Home).await;
    let book = List::new(&world, "62.02", 1, 3).await.workbook();
    let own = p3ke.to_string();
    let texts = [("mode", "validate"), ("profile", own.as_str())];
    let release = deliver(&world, &world.role(Role::Coordinator), &dataset, &texts, &book).await;
    assert_eq!((release["state"].as_str(), release["counts"]["families"].as_u64()), (Some("validated"), Some(3)));
    let key = json!({"name": "x", "sheets": [{"unit": "person", "header_row": 1, "first_data_row": 2, "columns": [
        {"header": "No KK", "field": "source_family_id", "required": true}, {"header": "Nama", "field": "name", "required": true}]}]});
    let refused = send(&world.role(Role::Coordinator), &dataset, &[("mode", "validate"), ("profile", &key.to_string())], b"x").await;
    assert_eq!(refused.refused(422, "invalid").body["errors"][0]["code"], "key_is_number");
}
