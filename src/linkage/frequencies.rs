//! How frequent names, places and days are.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::crew::{Cancelled, Crew};
use super::normalise;
use super::profile::Kind;
use super::record::{BUCKET, Column, Layout, Register};

/// How often names, places and days occur in both registers together: the more often, the less an agreement tells.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Frequencies {
    /// Values (hash, with its slot mixed in) that occur more than twice, and the class of their number.
    classes: HashMap<u64, u8, FixedState>,
    /// Days and months (`month << 8 | day`) on which far more people are born than can be.
    common_days: Vec<u64>,
}

impl Frequencies {
    /// Counts in all of the given registers together.
    pub fn count(layout: &Layout, registers: &[&Register], crew: &Crew<'_>) -> Result<Self, Cancelled> {
        let columns: Vec<(usize, Kind)> = layout.columns.iter().filter_map(Column::counted).collect();
        // One walk over the rows, which are wide, then many over single columns.
        let rows = registers.iter().map(|register| register.len()).sum();
        let mut lists: Vec<Vec<u64>> = columns.iter().map(|_| Vec::with_capacity(rows)).collect();
        for row in registers.iter().flat_map(|register| register.rows()) {
            for (&(slot, _), list) in columns.iter().zip(&mut lists) {
                list.extend(row.get(slot).filter(|&&value| value != 0));
            }
        }
        let mut out = Self::default();
        let (dates, words): (Vec<_>, Vec<_>) = columns.iter().zip(lists).partition(|(column, _)| column.1 == Kind::Date);
        out.common_days = dates.iter().flat_map(|(_, values)| common_days(values)).collect();
        out.common_days.sort_unstable();
        out.common_days.dedup();
        let counted = crew.each(words.len(), |n| words.get(n).map_or_else(Vec::new, |(column, values)| frequent(column.0, values)))?;
        out.classes.extend(counted.into_iter().flatten());
        Ok(out)
    }

    /// A number that tells two tables apart, whatever the order of their entries.
    pub fn digest(&self) -> u64 {
        let values = self.classes.iter().map(|(value, class)| normalise::mix(value ^ u64::from(*class)));
        values.chain(self.common_days.iter().map(|day| normalise::mix(day + 1))).fold(0, u64::wrapping_add)
    }

    /// The class of a value.
    pub fn bucket(&self, slot: usize, content: u64) -> u64 {
        self.classes.get(&((content & !BUCKET) ^ salt(slot))).copied().map_or(1, u64::from)
    }

    /// Whether far more people are entered with this day and month than can be born then.
    pub fn is_common_day(&self, date: u64) -> bool {
        self.common_days.binary_search(&(date & 0xffff)).is_ok()
    }
}

/// Days and months with four times the share of an ordinary day, where that is no accident of a small register.
fn common_days(dates: &[u64]) -> Vec<u64> {
    let mut days = vec![0u32; 1 << 16];
    let mut total = 0u32;
    for day in dates.iter().map(|date| date & 0xffff).filter(|&day| day != 0) {
        if let Some(count) = days.get_mut(day as usize) {
            *count += 1;
            total += 1;
        }
    }
    let bound = f64::from(total) * 4.0 / 365.25;
    (0u64..).zip(days).filter(|&(_, n)| f64::from(n) > bound && n >= 12).map(|(day, _)| day).collect()
}

/// The values that occur more than twice, and the class of their number.
fn frequent(slot: usize, values: &[u64]) -> Vec<(u64, u8)> {
    // Laid out by their highest bits, then sorted where several share them.
    let bits = (values.len() / 4).next_power_of_two().clamp(2, 1 << 16).trailing_zeros();
    let digit = |value: u64| (value >> (64 - bits)) as usize;
    let mut places = vec![0u32; (1 << bits) + 1];
    for &value in values {
        if let Some(place) = places.get_mut(digit(value) + 1) {
            *place += 1;
        }
    }
    let mut sum = 0;
    for place in &mut places {
        sum += *place;
        *place = sum;
    }
    let mut sorted = vec![0u64; sum as usize];
    for value in values.iter().map(|value| value & !BUCKET) {
        if let Some(place) = places.get_mut(digit(value)) {
            if let Some(space) = sorted.get_mut(*place as usize) {
                *space = value;
            }
            *place += 1;
        }
    }
    let mut out = Vec::new();
    let mut start = 0;
    for &end in &places {
        let run = sorted.get_mut(start..end as usize).unwrap_or_default();
        start = end as usize;
        if run.len() < 3 {
            continue;
        }
        run.sort_unstable();
        for equal in run.chunk_by(|a, b| a == b) {
            if let (Some(value), class @ 2..) = (equal.first(), class_of(equal.len())) {
                out.push((value ^ salt(slot), class));
            }
        }
    }
    out
}

fn salt(slot: usize) -> u64 {
    normalise::mix(slot as u64 + 77) & !BUCKET
}

/// 1 for a value that occurs at most twice (once in each register), then one more for each factor of four.
fn class_of(count: usize) -> u8 {
    match count {
        0..=2 => 1,
        3..=8 => 2,
        9..=32 => 3,
        33..=128 => 4,
        129..=512 => 5,
        _ => 6,
    }
}
