//! Simulates the P3KE delivery of a regency: families, people and the workbook they arrive in, all of it invented.
//!
//! Nobody in the list exists. Names, dates and traits are drawn by chance; NIK and KK numbers have the right form but
//! serials beyond those the civil registry reaches (see identity.rs), so that they practically belong to nobody.
//! Totals of Kotawaringin Timur (62.02) are the published ones and come out exactly; the same plan and village list
//! always give the same families.

mod dice;
mod dwelling;
mod family;
mod household;
mod identity;
mod layout;
mod lexicon;
mod livelihood;
mod model;
mod names;
mod table;
mod workbook;

#[cfg(test)]
mod tests;

pub use model::{Aid, Family, Housing, MaritalStatus, Member, Plan, Relation, Sex, Village};
pub use table::{FAMILY_HEADERS, PERSON_HEADERS};
pub use workbook::{WriteError, write_csv, write_workbook};

use dice::Dice;
use family::Workshop;

/// Simulates the regency of the plan; villages outside it are left alone, none at all gives no families.
pub fn regency(plan: &Plan, villages: &[Village]) -> Vec<Family> {
    let mut workshop = Workshop::new(plan.reference_date, villages.iter().filter(|village| plan.covers(village)));
    let mut counted = vec![0_u32; villages.len()];
    let mut families = Vec::new();
    for (slot, stream) in layout::slots(plan, villages).into_iter().zip(1..) {
        let (Some(village), Some(number)) = (villages.get(slot.village), counted.get_mut(slot.village)) else {
            continue;
        };
        *number += 1;
        let mut dice = Dice::new(plan.seed, &plan.regency, stream);
        families.push(workshop.family(&mut dice, slot, village, *number));
    }
    families
}
