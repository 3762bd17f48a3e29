//! Every way of writing a value that was met, and every trap.

use proptest::prelude::*;

use super::*;
use crate::features::datasets::profile::Field;

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()
}

fn day(cell: Cell<'_>) -> Result<Option<String>, &'static str> {
    let column = Column::new("Tanggal Lahir", Field::BirthDate);
    let text = text(cell, &column).unwrap_or_default();
    date(cell, &text, today()).map(|date| date.map(|date| date.to_string())).map_err(Fault::code)
}

#[test]
fn dates() {
    for written in [
        "01/07/1985",
        "1/7/1985",
        "01/07/1985 00:00:00",
        "01-07-1985",
        "1.7.1985",
        "1985-07-01",
        "1985-07-01T00:00:00Z",
        "1985-07-01 00:00:00",
        "31229",
    ] {
        assert_eq!(day(Cell::Text(written)), Ok(Some("1985-07-01".into())), "{written}");
    }
    assert_eq!(day(Cell::Number(31_229.5)), Ok(Some("1985-07-01".into())));
    assert_eq!(day(Cell::Date(today())), Ok(Some("2026-11-22".into())));
    for nothing in [Cell::Empty, Cell::Text("-"), Cell::Text("NULL"), Cell::Text("#N/A")] {
        assert_eq!(day(nothing), Ok(None));
    }
    for bad in [
        "31/02/1985",
        "12/31/1985",
        "01/07/85",
        "1985",
        "00/00/0000",
        "01071985",
        "1 Juli 1985",
        "01/07/1985 pagi",
        "1/7/1985/2",
        "+1/7/1985",
    ] {
        assert_eq!(day(Cell::Text(bad)), Err("date_invalid"), "{bad}");
    }
    for bad in [1985.0, 19_850_701.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(day(Cell::Number(bad)), Err("date_invalid"), "{bad}");
    }
    for old in [Cell::Text("31/12/1899"), Cell::Text("01/01/1900"), Cell::Number(0.0), Cell::Text("23/11/2026"), Cell::Text("01/01/0001")] {
        assert_eq!(day(old), Err("date_implausible"), "{old:?}");
    }
}

#[test]
fn regions() {
    for written in ["62.02.09.2001", "6202092001", "'6202092001", "62 02 09 2001", "6202092001.0"] {
        assert_eq!(region(written), Ok(Some("62.02.09.2001".into())), "{written}");
    }
    assert_eq!((region(""), region("-"), region("null")), (Ok(None), Ok(None), Ok(None)));
    for bad in [
        "6202092",
        "62.02.09",
        "9902092001",
        "6200092001",
        "6202002001",
        "6202094001",
        "6202092000",
        "62020920011",
        "62O2092001",
        "６２０２０９２００１",
    ] {
        assert_eq!(region(bad), Err(Fault::RegionCodeInvalid), "{bad}");
    }
}

#[test]
fn decimals() {
    for (written, number) in [("1", 1.0), ("1,5", 1.5), ("1.5", 1.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("14, 14", 14.14)] {
        assert_eq!(decimal(written), Some(number), "{written}");
    }
    assert_eq!((decimal(""), decimal("satu"), decimal("1-2"), decimal("inf"), decimal("1e3")), (None, None, None, None, None));
    assert_eq!((whole("3", 1..=10), whole("03", 1..=10), whole("3,0", 1..=10)), (Some(3), Some(3), Some(3)));
    assert_eq!((whole("0", 1..=10), whole("11", 1..=10), whole("2,5", 1..=10)), (None, None, None));
}

fn kind(cell: Cell<'_>) -> String {
    let column = Column::new("NIK", Field::Nik);
    match number(cell, text(cell, &column).unwrap_or_default()) {
        Number::Missing => "missing".into(),
        Number::Rounded => "rounded".into(),
        Number::Numeric(digits) => format!("from {digits}"),
        Number::Text(text) => format!("text {text}"),
    }
}

#[test]
fn numbers_of_persons_in_every_cell() {
    assert_eq!(kind(Cell::Text("6202090107850001")), "text 6202090107850001");
    assert_eq!(kind(Cell::Number(6_202_090_107_850_001.0)), "from 6202090107850001");
    assert_eq!(kind(Cell::Text("6202090107850001.0")), "from 6202090107850001");
    for rounded in [
        Cell::Number(6_202_090_107_850_000.0),
        Cell::Number(9_402_090_107_850_001.0),
        Cell::Number(1.5),
        Cell::Text("6,20209E+15"),
        Cell::Text("6.20209010785E+15"),
        Cell::Text("6202090107850010.0"),
        Cell::Text("9402090107850001.0"),
    ] {
        assert_eq!(kind(rounded), "rounded", "{rounded:?}");
    }
    for missing in
        [Cell::Empty, Cell::Text("-"), Cell::Text("0"), Cell::Text("0000000000000000"), Cell::Text("Tidak ada"), Cell::Number(0.0)]
    {
        assert_eq!(kind(missing), "missing", "{missing:?}");
    }
}

#[test]
fn keys_that_lost_digits_are_refused() {
    let id = |cell: Cell<'_>| {
        let column = Column::new("ID", Field::SourceFamilyId);
        let text = text(cell, &column).unwrap_or_default();
        super::id(cell, &text).map_err(Fault::code)
    };
    assert_eq!(id(Cell::Number(123.0)), Ok(Some("123".into())));
    assert_eq!(id(Cell::Text("123.0")), Ok(Some("123".into())));
    assert_eq!(id(Cell::Text("62-A/1.0")), Ok(Some("62-A/1.0".into())));
    assert_eq!(id(Cell::Number(6_202_092_001_000_001.0)), Err("source_id_rounded"));
    assert_eq!(id(Cell::Text("6,20209E+15")), Err("source_id_rounded"));
    assert_eq!(id(Cell::Text("A12E+4X")), Ok(Some("A12E+4X".into())));
    assert_eq!((id(Cell::Empty), id(Cell::Text("--"))), (Ok(None), Ok(None)));
}

#[test]
fn words_for_people() {
    assert_eq!(words("  SITI \u{a0} \u{200b} \0BINTI\n\u{202e}CONTOH ", 50), Ok(Some("SITI BINTI CONTOH".into())));
    assert_eq!(words("NAN", 50), Ok(Some("NAN".into())));
    assert_eq!((words("NULL", 50), words("--", 50), words("\u{feff}", 50)), (Ok(None), Ok(None), Ok(None)));
    assert_eq!(words("ééé", 2), Err(Fault::TextTooLong));
}

#[test]
fn a_profile_may_replace_and_cut() {
    let mut column = Column::new("Lantai", Field::Floor);
    column.values = [("1".to_owned(), "tiles".to_owned()), ("Lantai tanah".to_owned(), "earth".to_owned())].into();
    column.strip = vec!["Jenis ".to_owned()];
    for (cell, expected) in [
        (Cell::Text("1"), "tiles"),
        (Cell::Text("01"), "tiles"),
        (Cell::Number(1.0), "tiles"),
        (Cell::Text("LANTAI TANAH"), "earth"),
        (Cell::Text("jenis Bambu"), "Bambu"),
        (Cell::Text("Jen"), "Jen"),
        (Cell::Text("é"), "é"),
        (Cell::Bool(true), "yes"),
    ] {
        assert_eq!(text(cell, &column).as_deref(), Some(expected));
    }
}

proptest! {
    #[test]
    fn no_cell_panics(signs in "\\PC{0,30}", digits in "[0-9/.,:eE+ -]{0,24}", number in any::<f64>()) {
        for cell in [Cell::Text(&signs), Cell::Text(&digits), Cell::Number(number)] {
            let mut column = Column::new("x", Field::Name);
            column.strip = vec!["é".to_owned(), "De".to_owned()];
            let text = text(cell, &column).unwrap_or_default();
            let _ = (words(&text, 10), id(cell, &text), region(&text), decimal(&text), whole(&text, 1..=10));
            if let Ok(Some(date)) = date(cell, &text, today()) {
                prop_assert!(date <= today() && date.year() >= 1900);
            }
            if let Number::Numeric(digits) = super::number(cell, text) {
                prop_assert!(digits.len() < 16 || !digits.ends_with('0'));
            }
        }
    }
}
