//! Family context: members of one family support each other's matches.
//!
//! When the brother of a left record is surely linked into a right household, a candidate in that household gains, a candidate elsewhere
//! loses. The context is one more comparison of the model, estimated like the others; that pairs of siblings have the same support is known
//! to the household class, so support alone never links a brother to his brother.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::crew::Crew;
use super::record::{Layout, Register};

/// The levels of the family context, by their stable names.
pub const LEVELS: [&str; super::model::CONTEXT_LEVELS] = ["unknown", "linked_elsewhere", "one_supports", "several_support"];

/// A sure link, seen from its left family.
#[derive(Debug, Clone, Copy)]
struct Link {
    left: u32,
    right: u32,
    /// The right row's family.
    family: u64,
}

/// Stands for more than one row.
const SEVERAL: u32 = u32::MAX;

/// The sure links, by the families they join.
#[derive(Debug, Default)]
pub struct Support {
    /// Both sides are one register, whose pairs stand here in both directions.
    one: bool,
    /// The links, those of one left family side by side.
    links: Vec<Link>,
    /// Per left family where its links begin and end.
    left: HashMap<u64, (u32, u32), FixedState>,
    /// Per right family its linked row, or that there are several.
    right: HashMap<u64, u32, FixedState>,
}

/// The links of the family of one left row.
#[derive(Debug, Clone, Copy)]
pub struct Relatives<'a> {
    support: &'a Support,
    row: u32,
    family: u64,
    links: &'a [Link],
}

impl Support {
    /// Gathers sure links. A family is known by what [`Register::family`] says; 0 is none.
    pub fn gather(layout: &Layout, left: &Register, right: &Register, sure: impl Iterator<Item = (u32, u32)>, crew: &Crew<'_>) -> Self {
        let sure: Vec<(u32, u32)> = sure.collect();
        let ((links, of_left), of_right) = crew.both(
            || {
                let link = |&(l, r): &(u32, u32)| (left.family(layout, l), Link { left: l, right: r, family: right.family(layout, r) });
                let mut links: Vec<(u64, Link)> = sure.iter().map(link).filter(|(family, _)| *family != 0).collect();
                links.sort_unstable_by_key(|(family, link)| (*family, link.left, link.right));
                let mut of_left = HashMap::default();
                let mut start = 0;
                for group in links.chunk_by(|a, b| a.0 == b.0) {
                    let end = start + u32::try_from(group.len()).unwrap_or_default();
                    if let Some((family, _)) = group.first() {
                        of_left.insert(*family, (start, end));
                    }
                    start = end;
                }
                (links.into_iter().map(|(_, link)| link).collect(), of_left)
            },
            || {
                let mut of_right = HashMap::default();
                for &(_, r) in &sure {
                    let family = right.family(layout, r);
                    if family != 0 {
                        of_right.entry(family).and_modify(|row| *row = if *row == r { r } else { SEVERAL }).or_insert(r);
                    }
                }
                of_right
            },
        );
        Self { one: std::ptr::eq(left, right), links, left: of_left, right: of_right }
    }

    /// The links of a left row's family.
    pub fn of(&self, layout: &Layout, left: &Register, l: u32) -> Relatives<'_> {
        let family = left.family(layout, l);
        let (start, end) = self.left.get(&family).copied().unwrap_or_default();
        let links = self.links.get(start as usize..end as usize).unwrap_or_default();
        Relatives { support: self, row: l, family, links }
    }
}

impl Relatives<'_> {
    /// The level of a pair with a right row of that family: what the links of others in the two families say. The pair's own link counts for
    /// nothing.
    pub fn level(&self, r: u32, family: u64) -> u8 {
        if family == 0 && self.family == 0 {
            return 0;
        }
        let mut shared = 0u8;
        let mut linked = false;
        for link in self.links.iter().filter(|link| link.left != self.row) {
            // Within one register the pair turned round is the pair itself.
            if self.support.one && (link.left == r || link.right == self.row) {
                continue;
            }
            linked = true;
            shared += u8::from(shared < 2 && link.family == family && family != 0 && link.right != r);
        }
        if shared > 0 {
            return 1 + shared;
        }
        linked = linked || self.support.right.get(&family).is_some_and(|&row| row != r);
        u8::from(linked)
    }
}
