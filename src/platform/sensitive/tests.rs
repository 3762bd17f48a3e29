//! What the numbers accept, what they refuse, and that they never show their middle.

use proptest::prelude::*;

use super::*;

const WOMAN: &str = "6202094107850001";

fn code(text: &str) -> &'static str {
    Nik::parse(text).map(|_| "ok").unwrap_or_else(NumberError::code)
}

#[test]
fn accepts_what_people_write() {
    for text in [WOMAN, "620209 410785 0001", "'6202094107850001", " 62.02.09.410785.0001 ", "\u{feff}6202094107850001\u{a0}"] {
        assert_eq!(Nik::parse(text).unwrap().expose(), WOMAN, "{text:?}");
    }
}

#[test]
fn refuses_by_rule() {
    assert_eq!(code(""), "nik_length");
    assert_eq!(code("620209410785000"), "nik_length");
    assert_eq!(code("62020941078500011"), "nik_length");
    assert_eq!(code("62020941078500O1"), "nik_digits");
    assert_eq!(code("6,20209E+15"), "nik_digits");
    assert_eq!(code("٦٢٠٢٠٩٤١٠٧٨٥٠٠٠١"), "nik_digits");
    assert_eq!(code("9902094107850001"), "nik_province");
    assert_eq!(code("6202090007850001"), "nik_day");
    assert_eq!(code("6202093207850001"), "nik_day");
    assert_eq!(code("6202094007850001"), "nik_day");
    assert_eq!(code("6202097207850001"), "nik_day");
    assert_eq!(code("6202094113850001"), "nik_month");
    assert_eq!(code("6202094100850001"), "nik_month");
    assert_eq!(code("6202094107850000"), "nik_serial");
    assert_eq!(code("5402094107850001"), "ok");
    assert_eq!(KkNumber::parse("6202094107850001").unwrap_err().code(), "kk_day");
    assert_eq!(KkNumber::parse("6202090113850001").unwrap_err().code(), "kk_month");
    assert_eq!(KkNumber::parse("620209011285000").unwrap_err().code(), "kk_length");
    assert_eq!(KkNumber::parse("620209011285000x").unwrap_err().code(), "kk_digits");
    assert!(KkNumber::parse("6202090112150003").is_ok());
}

#[test]
fn prints_only_the_mask() {
    let nik = Nik::parse(WOMAN).unwrap();
    assert_eq!(format!("{nik} {nik:?} {:?}", Some(&nik)), "6202********0001 6202********0001 Some(6202********0001)");
    let kk = KkNumber::parse("6202090112150003").unwrap();
    assert_eq!(format!("{kk} {kk:?}"), "6202********0003 6202********0003");
}

#[test]
fn json_errors_never_quote_the_value() {
    assert_eq!(serde_json::from_str::<Nik>(&format!("\"{WOMAN}\"")).unwrap().expose(), WOMAN);
    let bad = [
        "6202094107850001",
        "-6202094107850001",
        "6202094107850001.5",
        "\"6202094107850000\"",
        "\"6202094107\"",
        "[6202094107850001]",
        "{\"n\":6202094107850001}",
        "true",
        "null",
        "99999999999999999999999",
    ];
    for json in bad {
        let error = serde_json::from_str::<Nik>(json).unwrap_err().to_string();
        assert!(!error.contains("0941") && !error.contains("99999"), "{error}");
        let error = serde_json::from_str::<KkNumber>(json).unwrap_err().to_string();
        assert!(!error.contains("0941") && !error.contains("99999"), "{error}");
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case", tag = "kind")]
    enum Tagged {
        A {
            #[expect(dead_code, reason = "only its error is read")]
            nik: Nik,
        },
    }
    let error = serde_json::from_str::<Tagged>(r#"{"nik": 6202094107850001, "kind": "a"}"#).unwrap_err();
    assert!(error.to_string().starts_with("nik_digits"), "{error}");
}

#[test]
fn warns_and_does_not_refuse() {
    let nik = Nik::parse(WOMAN).unwrap();
    let born = NaiveDate::from_ymd_opt(1985, 7, 1);
    assert_eq!(nik.warnings(born, Some(Sex::Female), Some("62.02.09.2001")), []);
    assert_eq!(nik.warnings(None, None, None), []);
    assert_eq!(nik.warnings(NaiveDate::from_ymd_opt(1885, 7, 1), None, None), [], "the century is not in the number");
    assert_eq!(
        nik.warnings(NaiveDate::from_ymd_opt(1985, 1, 7), Some(Sex::Male), Some("6402")),
        [NikWarning::BirthDateDiffers, NikWarning::SexDiffers, NikWarning::RegionDiffers]
    );
    assert_eq!(serde_json::to_string(&NikWarning::BirthDateDiffers).unwrap(), "\"birth_date_differs\"");
    assert_eq!(serde_json::to_string(&Sex::Female).unwrap(), "\"female\"");
}

#[test]
fn the_schema_is_write_only_text() {
    let schema = serde_json::to_value(Nik::schema()).unwrap();
    assert_eq!(schema["type"], "string");
    assert_eq!(schema["pattern"], PATTERN);
    assert_eq!(schema["writeOnly"], true);
    assert_eq!(Nik::name(), "Nik");
}

#[test]
fn there_are_38_provinces() {
    assert_eq!(PROVINCES.iter().collect::<std::collections::BTreeSet<_>>().len(), 38);
    assert!(PROVINCES.is_sorted());
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}", digits in "[0-9 .']{0,24}") {
        for text in [text, digits] {
            let _ = Nik::parse(&text);
            let _ = KkNumber::parse(&text);
            let json = serde_json::to_string(&text).unwrap();
            if let Err(error) = serde_json::from_str::<Nik>(&json) {
                prop_assert!(error.to_string().starts_with("nik_"));
            }
        }
    }

    #[test]
    fn the_mask_hides_the_middle(day in 1u32..=31, month in 1u32..=12, year in 0u32..100, rest in 1111u32..9999, serial in 1u32..=9999) {
        let text = format!("62{rest:04}{day:02}{month:02}{year:02}{serial:04}");
        let nik = Nik::parse(&text).unwrap();
        let shown = format!("{nik} {nik:?}");
        prop_assert!(!shown.contains(&text[4..12]));
        prop_assert_eq!(nik.mask(), format!("{}********{}", &text[..4], &text[12..]));
    }
}

#[test]
fn numbers_in_texts_are_found_however_they_are_written() {
    let apostrophes = "6202\u{2019}0941\u{2019}0785\u{2019}0001";
    for text in ["6202094107850001", "NIK 6202 0941 0785 0001 hilang", "6202.0941.0785-0001", apostrophes, "62020941\u{200b}07850001"] {
        assert!(holds_number(text), "{text}");
    }
    for text in ["", "SK 62/2026 tanggal 1 Juli 2026", "Rp 1.000.000.000", "620209410785000"] {
        assert!(!holds_number(text), "{text}");
    }
}

#[test]
fn numbers_in_texts_are_masked_however_they_are_grouped() {
    for (text, shown) in [
        ("6202094107850001", "6202********0001"),
        ("SITI 6202094107850001", "SITI 6202********0001"),
        ("RT 3 no. 12 6202 0941 0785 0001 RW 2", "RT 3 no. 12 6202********0001 RW 2"),
        ("KK 6202.0901.1215.0003.", "KK 6202********0003."),
        ("6202'0941'0785'0001/6202\u{2019}0901\u{2019}1215\u{2019}0003", "6202********0001/6202********0003"),
        ("6202\u{a0}0941\u{a0}0785 0001", "6202********0001"),
        ("3 6202094107850001 6202090112150003", "3 6202********0001 6202********0003"),
        ("KK 6202-0112-0590-0001, RT 3", "KK 6202********0001, RT 3"),
        ("6202/011205/900001", "6202********0001"),
        ("RT 12/6202-0941-0785-0001/RW 2", "RT 12/6202********0001/RW 2"),
        ("62-02-09-41-07-85-0001-2", "6202********0001-2"),
        ("620209 - 410785 \u{2013} 0001", "6202********0001"),
        ("12-6202094107850001", "12-6202********0001"),
    ] {
        assert_eq!(numbers_masked(text).as_deref(), Some(shown), "{text}");
        assert_eq!(numbers_masked(shown), None, "{shown}");
    }
    for text in [
        "",
        "Jl. Arsyad 12/3, RT 003 RW 001, 74361",
        "Ibu 01a20578-1110-7717-8071-512207481212",
        "1795386722123456789",
        "6202096107990",
        "9902994113850001",
        "9902991113850001",
        "titik -2.534560 112.950123",
        // As hyphens and slashes join: dates, telephones, coordinates, decisions, codes of accounts and budgets, ids.
        "dirawat 12-08-2024/05-09-2025",
        "dari 12/08/2024 - 05/09/2025",
        "11-07-2001/02-12-2003 di RS",
        "1985-07-01/2024-08-12",
        "0812-3456-7890/0531-21234",
        "+62-812-3456-7890/112",
        "62-8123-4107-8500-01",
        "titik -6.123456/106.812345",
        "titik 106.812345/-6.123456",
        "SK 440/123/2026 dan 440/124/2026",
        "188.45/440/123/2026",
        "rekening 0012-01-012345-53-1",
        "5.1.02.01.01.0024/1.06.05.2.02.0001",
        "Ibu 01a20578-1110-7717-8171-512207481212",
        "62020941-0785-4001-8171-512207481212",
    ] {
        assert_eq!(numbers_masked(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_number_is_left_in_a_masked_text(before in "\\PC{0,12}[^0-9]?", gap in "[ .'/-]{0,3}", after in "([^0-9]\\PC{0,12})?", nik in 0u32..10_000) {
        let number = format!("620209{gap}0107{gap}85{gap}{:04}", nik % 9_999 + 1);
        let text = format!("{before}{number}{after}");
        let shown = numbers_masked(&text);
        prop_assume!(!before.ends_with(|c: char| c.is_ascii_digit()));
        prop_assert!(shown.is_some_and(|shown| !shown.contains(&number)));
    }
}
