//! Loads the shipped region list, once and again after each new edition.

use anyhow::Context;

use super::store::{self, Region};
use crate::platform::Services;
use crate::platform::ids::RegionCode;

/// The list as shipped; see data/README.md for source and licence.
const LIST: &str = include_str!("../../../data/regions.csv");
const POPULATIONS: &str = include_str!("../../../data/populations.csv");

/// Brings the table up to the shipped list; says how many regions were written.
pub async fn load(services: &Services) -> anyhow::Result<usize> {
    let mut rows = Vec::with_capacity(91_599);
    for record in csv::Reader::from_reader(LIST.as_bytes()).deserialize() {
        let (code, name, level, kind): (String, String, String, String) = record.context("data/regions.csv")?;
        let code = RegionCode::parse(&code).with_context(|| format!("data/regions.csv: {code}"))?;
        anyhow::ensure!(code.level().name() == level, "data/regions.csv: level of {code}");
        let parent = code.ancestors().pop().unwrap_or_else(RegionCode::country);
        rows.push(Region { code: code.into(), name, level, kind, parent_code: Some(parent.into()) });
    }
    let mut figures = Vec::new();
    for record in csv::Reader::from_reader(POPULATIONS.as_bytes()).deserialize() {
        let figure: (String, i32, Option<i64>, Option<i64>, String) = record.context("data/populations.csv")?;
        figures.push(figure);
    }
    // Parents first: a longer code never precedes its ancestors in this order.
    rows.sort_by(|a, b| (a.code.len(), &a.code).cmp(&(b.code.len(), &b.code)));
    let db = services.read_as_system().await?;
    if store::is_current(&db, LIST.len()).await? {
        return Ok(0);
    }
    let written = store::write(&db, &rows, &figures, LIST.len()).await?;
    Ok(written)
}

/// The level that a row of the list must have.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::Level;

    #[test]
    fn the_shipped_list_is_complete() {
        let mut counts = std::collections::BTreeMap::new();
        for record in csv::Reader::from_reader(LIST.as_bytes()).deserialize() {
            let (code, _, _, kind): (String, String, String, String) = record.unwrap();
            let level = RegionCode::parse(&code).unwrap().level();
            *counts.entry((level, kind)).or_insert(0) += 1;
        }
        let count = |level, kind: &str| counts.get(&(level, kind.to_owned())).copied().unwrap_or(0);
        // Kepmendagri 300.2.2-2138/2025; domain.md §3.3.
        assert_eq!(count(Level::Province, "province"), 38);
        assert_eq!((count(Level::Regency, "kabupaten"), count(Level::Regency, "kota")), (416, 98));
        assert_eq!(count(Level::Subdistrict, "kecamatan"), 7_285);
        assert_eq!(
            (count(Level::Village, "kelurahan"), count(Level::Village, "desa"), count(Level::Village, "desa_adat")),
            (8_496, 75_252, 14)
        );
        assert_eq!(counts.values().sum::<i32>(), 91_599);
    }
}
