//! Family context: members of one family support each other's matches.
//!
//! When the brother of a left record is surely linked into a right household, a candidate in that household gains, a candidate elsewhere
//! loses. The context is one more comparison of the model, estimated like the others; that pairs of siblings have the same support is known
//! to the household class, so support alone never links a brother to his brother.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::record::Register;

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

/// The sure links, by the families they join.
#[derive(Debug, Default)]
pub struct Support {
    slot: Option<usize>,
    /// Both sides are one register, whose pairs stand here in both directions.
    one: bool,
    left: HashMap<u64, Vec<Link>, FixedState>,
    right: HashMap<u64, Vec<u32>, FixedState>,
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
    /// Gathers sure links; `slot` is that of the family number, without which there is no context.
    pub fn gather(slot: Option<usize>, left: &Register, right: &Register, links: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut out = Self { slot, one: std::ptr::eq(left, right), ..Self::default() };
        let Some(slot) = slot else { return out };
        for (l, r) in links {
            let (a, b) = (left.slot(l, slot), right.slot(r, slot));
            if a != 0 {
                out.left.entry(a).or_default().push(Link { left: l, right: r, family: b });
            }
            if b != 0 {
                out.right.entry(b).or_default().push(r);
            }
        }
        out
    }

    /// The links of a left row's family.
    pub fn of(&self, left: &Register, l: u32) -> Relatives<'_> {
        let family = self.slot.map_or(0, |slot| left.slot(l, slot));
        let links = self.left.get(&family).map(Vec::as_slice).unwrap_or_default();
        Relatives { support: self, row: l, family, links }
    }
}

impl Relatives<'_> {
    /// The level of a pair: what the links of others in the two families say. The pair's own link counts for nothing.
    pub fn level(&self, right: &Register, r: u32) -> usize {
        let family = self.support.slot.map_or(0, |slot| right.slot(r, slot));
        if family == 0 && self.family == 0 {
            return 0;
        }
        let mut shared = 0;
        let mut linked = false;
        for link in self.links.iter().filter(|link| link.left != self.row) {
            // Within one register the pair turned round is the pair itself.
            if self.support.one && (link.left == r || link.right == self.row) {
                continue;
            }
            linked = true;
            shared += usize::from(link.family == family && family != 0 && link.right != r);
        }
        if shared > 0 {
            return 1 + shared.min(2);
        }
        linked |= self.support.right.get(&family).is_some_and(|members| members.iter().any(|&other| other != r));
        usize::from(linked)
    }
}
