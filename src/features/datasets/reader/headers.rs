//! Finding the header row and what each column of the file means.

use std::collections::HashMap;

use super::{Profile, ReadError, SheetProfile};
use crate::features::datasets::profile::{Field, header_key};

/// How far down headers are looked for; the village print-out with the longest title block seen begins in row 13.
pub(super) const SEARCHED_ROWS: u32 = 20;

/// For each column of the file the profile's column it feeds.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub columns: Vec<Option<usize>>,
}

impl Layout {
    pub(super) fn column(&self, place: usize) -> Option<usize> {
        self.columns.get(place).copied().flatten()
    }

    /// How many columns the header row has, counted to the last one with any header.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }
}

/// The row taken for the headers of one sheet of the profile.
#[derive(Debug)]
pub(super) struct Found {
    pub row: u32,
    pub layout: Layout,
    pub matched: usize,
    trouble: Option<ReadError>,
}

impl Found {
    pub(super) fn is_complete(&self) -> bool {
        self.trouble.is_none()
    }

    pub(super) fn accept(self) -> Result<Self, ReadError> {
        match self.trouble {
            Some(trouble) => Err(trouble),
            None => Ok(self),
        }
    }

    fn rank(&self) -> (bool, usize) {
        (self.is_complete(), self.matched)
    }
}

/// The top of a sheet as texts: the 1-based row and its cells.
pub(super) type Top = Vec<(u32, Vec<String>)>;

/// The best header row for one sheet of the profile; `None` when no row has any of its headers.
pub(super) fn find(sheet: &SheetProfile, top: &Top) -> Option<Found> {
    let known = known_headers(sheet);
    let mut best: Option<Found> = None;
    for (row, cells) in top {
        let found = compare(sheet, &known, *row, cells);
        if found.matched > 0 && best.as_ref().is_none_or(|best| found.rank() > best.rank()) {
            best = Some(found);
        }
    }
    // Headers merged over two rows stand in the upper one, those grouped under a common one in the lower.
    for pair in top.windows(2) {
        let [(above, upper), (row, lower)] = pair else { continue };
        if above.saturating_add(1) != *row {
            continue;
        }
        let cells: Vec<String> = (0..upper.len().max(lower.len()))
            .map(|place| {
                let cell = |row: &[String]| row.get(place).filter(|cell| !cell.trim().is_empty()).cloned();
                cell(lower).or_else(|| cell(upper)).unwrap_or_default()
            })
            .collect();
        let found = compare(sheet, &known, *row, &cells);
        if best.as_ref().is_some_and(|best| found.rank() > best.rank()) {
            best = Some(found);
        }
    }
    best
}

/// The sheet of the profile that fits a file without sheets best.
pub(super) fn find_any(profile: &Profile, top: &Top) -> Option<(usize, Found)> {
    let mut best: Option<(usize, Found)> = None;
    for (place, sheet) in profile.sheets.iter().enumerate() {
        if let Some(found) = find(sheet, top)
            && best.as_ref().is_none_or(|(_, best)| found.rank() > best.rank())
        {
            best = Some((place, found));
        }
    }
    best
}

/// Whether one find is better than another.
pub(super) fn better(found: &Found, other: &Found) -> bool {
    found.rank() > other.rank()
}

/// Header keys with the profile's column and whether it is only an alias.
fn known_headers(sheet: &SheetProfile) -> HashMap<String, (usize, bool)> {
    let mut known = HashMap::new();
    for (place, column) in sheet.columns.iter().enumerate() {
        for (rank, header) in column.headers().enumerate() {
            known.entry(header_key(header)).or_insert((place, rank > 0));
        }
    }
    known
}

fn compare(sheet: &SheetProfile, known: &HashMap<String, (usize, bool)>, row: u32, cells: &[String]) -> Found {
    let name = || sheet.name.clone().unwrap_or_else(|| "1".to_owned());
    let mut taken: HashMap<usize, (usize, bool)> = HashMap::new();
    let mut twice = None;
    for (place, cell) in cells.iter().enumerate() {
        let Some(&(column, alias)) = known.get(&header_key(cell)) else {
            continue;
        };
        match taken.get(&column) {
            // The source's own header counts more than a look-alike beside it.
            Some((_, false)) if alias => (),
            Some((_, other)) if *other == alias => twice = twice.or(Some(column)),
            _ => {
                taken.insert(column, (place, alias));
            }
        }
    }
    let width = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last.saturating_add(1));
    let mut layout = Layout { columns: vec![None; width] };
    for (column, (place, _)) in &taken {
        if let Some(slot) = layout.columns.get_mut(*place) {
            *slot = Some(*column);
        }
    }
    let header = |column: usize| sheet.columns.get(column).map(|column| column.header.clone()).unwrap_or_default();
    let twice = twice.filter(|column| sheet.columns.get(*column).is_some_and(|c| c.field != Field::Ignored));
    let missing = sheet.columns.iter().enumerate().find(|(place, c)| c.required && !taken.contains_key(place));
    let trouble = match (missing, twice) {
        (Some((_, column)), _) => Some(ReadError::HeaderMissing { sheet: name(), header: column.header.clone() }),
        (None, Some(column)) => Some(ReadError::HeaderDuplicate { sheet: name(), header: header(column) }),
        (None, None) => None,
    };
    Found { row, layout, matched: taken.len(), trouble }
}
