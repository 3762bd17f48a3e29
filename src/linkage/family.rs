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

/// The sure links, by the families they join.
#[derive(Debug, Default)]
pub struct Support {
    slot: Option<usize>,
    left: HashMap<u64, Vec<u32>, FixedState>,
    right: HashMap<u64, Vec<u32>, FixedState>,
    both: HashMap<(u64, u64), Vec<(u32, u32)>, FixedState>,
}

impl Support {
    /// Gathers sure links; `slot` is that of the family number, without which there is no context.
    pub fn gather(slot: Option<usize>, left: &Register, right: &Register, links: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut out = Self { slot, ..Self::default() };
        let Some(slot) = slot else { return out };
        for (l, r) in links {
            let (a, b) = (left.slot(l, slot), right.slot(r, slot));
            if a != 0 {
                out.left.entry(a).or_default().push(l);
            }
            if b != 0 {
                out.right.entry(b).or_default().push(r);
            }
            if a != 0 && b != 0 {
                out.both.entry((a, b)).or_default().push((l, r));
            }
        }
        out
    }

    /// The level of a pair: what the links of others in the two families say. The pair's own link counts for nothing.
    pub fn level(&self, left: &Register, right: &Register, l: u32, r: u32) -> usize {
        let Some(slot) = self.slot else { return 0 };
        let (a, b) = (left.slot(l, slot), right.slot(r, slot));
        if a == 0 && b == 0 {
            return 0;
        }
        let shared = match self.both.get(&(a, b)) {
            Some(links) => links.iter().filter(|link| link.0 != l && link.1 != r).count(),
            None => 0,
        };
        if shared > 0 {
            return 1 + shared.min(2);
        }
        let linked = self.left.get(&a).is_some_and(|members| members.iter().any(|&other| other != l))
            || self.right.get(&b).is_some_and(|members| members.iter().any(|&other| other != r));
        usize::from(linked)
    }
}
