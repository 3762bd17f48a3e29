//! Record linkage (pemadanan): which rows of two registers are the same person, with what certainty, and why.
//!
//! # The model
//!
//! Fellegi–Sunter: each pair of rows is turned into a *pattern* of agreement levels, and the weight of a pattern is the logarithm to base 2
//! of the odds that such a pair is one person. Three things are done differently, because plain Fellegi–Sunter links brothers:
//!
//! 1. **Joint comparisons.** A NIK holds region, birth date and sex; counted beside them it counts three times. So NIK × birth date × sex is
//!    one comparison whose cells are the combinations of their levels, and so is family card × village × RT × address. (`compare`)
//! 2. **Classes of non-matches.** Strangers, members of one household, neighbours in the NIK's serial, namesakes, people born on one day: six
//!    classes, within each of which comparisons are independent, beside two classes of matches (stayed, moved) that differ in the home but
//!    share how persons are misspelt. Shares are estimated by EM over the distinct patterns, without labels. How frequent a name is belongs to
//!    its level, so the worth of a rare name is estimated like everything else. (`model`)
//! 3. **Competition and family.** A person has one row, so candidates compete; marginals are found by belief propagation, and what it settles
//!    is fed back into the estimation. Sure links of relatives support or contradict a pair. (`assign`, `family`)
//!
//! Probabilities are calibrated without labels by decoys: the runners-up of surely linked rows show how wrong links score. (`calibrate`)
//!
//! # Stages and their data
//!
//! | stage | module | data |
//! |---|---|---|
//! | read | `files`, `normalise` | rows of 64-bit slots, words in one arena (`record`) |
//! | count | `frequencies` | frequency classes of names, days that stand in for unknown ones |
//! | block | `block` | some twenty hashed keys per record; Bloom filter, sort, join |
//! | compare | `compare` | one 64-bit pattern per pair, some hundred thousand distinct ones |
//! | estimate | `model`, `calibrate` | shares per comparison, cell and class |
//! | decide | `assign`, `family`, `dedupe` | claims above the floor, zones |
//! | explain | `explain` | terms that sum to the weight |
//!
//! Everything is pure but `files`. Results depend neither on the order of rows or files nor on the number of threads. `index` scores single
//! records with a kept model. docs/LINKAGE.md has the profile format, measurements and limits.

/// Competition for persons, and zones.
pub mod assign;
/// Candidates.
pub mod block;
/// Calibration by decoys.
pub mod calibrate;
/// Levels of agreement and patterns.
pub mod compare;
/// Threads.
pub mod crew;
/// One register with itself.
pub mod dedupe;
/// Terms of a weight.
pub mod explain;
/// Support among relatives.
pub mod family;
/// CSV files.
pub mod files;
/// How frequent names are.
pub mod frequencies;
/// Records that come one by one.
pub mod index;
/// Classes and EM.
pub mod model;
/// Cells into codes.
pub mod normalise;
/// Columns and kinds.
pub mod profile;
/// Registers in memory.
pub mod record;
/// Whole runs.
pub mod run;

pub use run::{Engine, Options, Outcome, Pair, Stage, Zone};

#[cfg(test)]
mod tests;
