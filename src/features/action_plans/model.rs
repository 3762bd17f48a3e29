//! The vocabularies of planning, the states of an action plan, the shape of a sub-activity code.

use std::borrow::Cow;

use validator::ValidationError;

use crate::platform::wire::words;

/// The largest sum of money or count taken in: a JSON number is exact below 2^53.
pub const MOST: i64 = 9_000_000_000_000_000;

words! {
    /// The three strategies of Inpres 4/2022 and 8/2025 (domain.md §1.3).
    Strategy {
        /// Mengurangi beban pengeluaran.
        ReduceExpenditure "reduce_expenditure",
        /// Meningkatkan pendapatan.
        IncreaseIncome "increase_income",
        /// Menurunkan jumlah kantong-kantong kemiskinan.
        ReducePovertyPockets "reduce_poverty_pockets",
    }
}

words! {
    /// The programme groups (klaster) of Perpres 15/2010.
    ProgramGroup {
        /// Bantuan dan perlindungan sosial.
        SocialAssistance "social_assistance",
        /// Pemberdayaan masyarakat.
        CommunityEmpowerment "community_empowerment",
        /// Pemberdayaan usaha mikro dan kecil.
        MicroEnterprise "micro_enterprise",
        /// Program lain.
        Other "other",
    }
}

words! {
    /// The priority sectors.
    Sector {
        /// Pendidikan.
        Education "education",
        /// Kesehatan.
        Health "health",
        /// Infrastruktur dasar.
        Infrastructure "infrastructure",
        /// Ekonomi kerakyatan.
        Economy "economy",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Where the money comes from (sumber dana).
    FundSource {
        /// APBN.
        Apbn "apbn",
        /// APBD provinsi.
        ApbdProvince "apbd_province",
        /// APBD kabupaten or kota.
        ApbdRegency "apbd_regency",
        /// Dana Desa, ADD.
        VillageFund "village_fund",
        /// CSR, TJSL.
        Csr "csr",
        /// Baznas.
        Baznas "baznas",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// How spending counts for the fiscal incentive (PMK 97/2023).
    SpendingTag {
        /// Langsung.
        Direct "direct",
        /// Tidak langsung.
        Indirect "indirect",
        /// Penunjang.
        Supporting "supporting",
    }
}

words! {
    /// Where an action plan stands (domain.md §5.2).
    PlanState {
        /// Being written.
        Draft "draft",
        /// Before Bappeda and the TKPK chair (diajukan).
        Submitted "submitted",
        /// Back with the agency, with a note (dikembalikan).
        Returned "returned",
        /// In force (disetujui).
        Approved "approved",
        /// In force and closed for good (dikunci).
        Locked "locked",
        /// A later revision is in force.
        Superseded "superseded",
    }
}

/// What happens to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The agency hands it in.
    Submit,
    /// The reviewers hand it back.
    Return,
    /// The reviewers agree.
    Approve,
    /// The secretariat closes it.
    Lock,
    /// The approval of its revision takes its place.
    Supersede,
}

impl PlanState {
    /// The state after a step; `None` where the step cannot be taken. This match is the whole machine.
    pub fn after(self, step: Step) -> Option<PlanState> {
        use PlanState::{Approved, Draft, Locked, Returned, Submitted, Superseded};
        match (self, step) {
            (Draft | Returned, Step::Submit) => Some(Submitted),
            (Submitted, Step::Return) => Some(Returned),
            (Submitted, Step::Approve) => Some(Approved),
            (Approved, Step::Lock) => Some(Locked),
            (Approved | Locked, Step::Supersede) => Some(Superseded),
            _ => None,
        }
    }

    /// Whether title and activities may change.
    pub fn is_open(self) -> bool {
        matches!(self, PlanState::Draft | PlanState::Returned)
    }

    /// Whether aid may be planned under it, and a revision begun.
    pub fn is_in_force(self) -> bool {
        matches!(self, PlanState::Approved | PlanState::Locked)
    }
}

/// For validator: a code of the national nomenclature (Permendagri 90/2019), `U.UU.PP.L.KK.SSSS`, e.g. `1.06.05.2.02.0001`.
///
/// Lenient on purpose: the lists of 2019 to 2022 end in two digits and later ones in four, SIPD writes `X.XX` for a field of
/// government not yet filled in, and a plan may name a program or an activity (kegiatan) where the sub-activity is not
/// settled. So: two to six parts of one or two digits or `X`; the last may have up to four digits.
pub fn nomenclature_code(text: &str) -> Result<(), ValidationError> {
    let parts: Vec<&str> = text.split('.').collect();
    let short = |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_digit() || b == b'X');
    let long = |part: &str| matches!(part.len(), 3 | 4) && part.bytes().all(|b| b.is_ascii_digit());
    let good = match parts.split_last() {
        Some((last, first)) => (1..=5).contains(&first.len()) && first.iter().all(|part| short(part)) && (short(last) || long(last)),
        None => false,
    };
    if good {
        Ok(())
    } else {
        Err(ValidationError::new("subactivity_code_shape")
            .with_message(Cow::Borrowed("A sub-activity code is dotted, such as 1.06.05.2.02.0001.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEPS: [Step; 5] = [Step::Submit, Step::Return, Step::Approve, Step::Lock, Step::Supersede];

    /// Every way a plan may go, written as words so that the machine is not checked against itself.
    fn is_known_way(way: &[PlanState]) -> bool {
        let words: Vec<&str> = way.iter().map(|state| state.name()).collect();
        words.windows(2).all(|pair| {
            matches!(
                pair,
                ["draft", "submitted"]
                    | ["submitted", "returned"]
                    | ["returned", "submitted"]
                    | ["submitted", "approved"]
                    | ["approved", "locked"]
                    | ["approved" | "locked", "superseded"]
            )
        })
    }

    /// A year's revisions of one agency, driven as the API drives them.
    #[derive(Debug, Default)]
    struct Year {
        revisions: Vec<PlanState>,
    }

    impl Year {
        fn act(&mut self, at: usize, act: u8) {
            let Some(state) = self.revisions.get(at).copied() else { return };
            match act {
                0..=3 => {
                    let step = STEPS[usize::from(act)];
                    let Some(after) = state.after(step) else { return };
                    if step == Step::Approve {
                        for other in &mut self.revisions {
                            if let Some(superseded) = other.after(Step::Supersede) {
                                *other = superseded;
                            }
                        }
                    }
                    self.revisions[at] = after;
                }
                // The next number is free only where no revision of this one was begun: the unique constraint says so.
                _ if state.is_in_force() && self.revisions.len() == at + 1 => self.revisions.push(PlanState::Draft),
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn no_sequence_of_steps_leaves_the_machine(steps in prop::collection::vec(0..STEPS.len(), 0..40)) {
            let mut way = vec![PlanState::Draft];
            for step in steps {
                let now = *way.last().unwrap();
                match now.after(STEPS[step]) {
                    Some(next) => way.push(next),
                    None => prop_assert!(now.after(STEPS[step]).is_none()),
                }
            }
            prop_assert!(is_known_way(&way), "{way:?}");
            let end = *way.last().unwrap();
            prop_assert!(!(end.is_open() && end.is_in_force()));
            // What was approved once is never open again.
            let approved = way.iter().position(|state| state.is_in_force());
            prop_assert!(approved.is_none_or(|at| way[at..].iter().all(|state| !state.is_open() && *state != PlanState::Submitted)));
        }

        #[test]
        fn one_plan_is_in_force_and_one_revision_open(acts in prop::collection::vec((0..6usize, 0..6u8), 0..200)) {
            let mut year = Year { revisions: vec![PlanState::Draft] };
            let mut began = false;
            for (at, act) in acts {
                year.act(at, act);
                let in_force = year.revisions.iter().filter(|state| state.is_in_force()).count();
                let open = year.revisions.iter().filter(|state| state.is_open() || **state == PlanState::Submitted).count();
                began |= in_force > 0;
                prop_assert!(in_force <= 1 && open <= 1, "{:?}", year.revisions);
                // Once a plan was in force, one always is: a revision under way leaves no gap.
                prop_assert!(!began || in_force == 1, "{:?}", year.revisions);
            }
        }

        #[test]
        fn codes_are_never_longer_than_their_column(text in "[0-9X.]{0,40}") {
            if nomenclature_code(&text).is_ok() {
                prop_assert!(text.len() <= 19 && text.contains('.'));
            }
        }
    }

    #[test]
    fn the_end_is_the_end() {
        assert!(STEPS.iter().all(|step| PlanState::Superseded.after(*step).is_none()));
        assert!(PlanState::ALL.iter().all(|state| PlanState::parse(state.name()) == Some(*state)));
    }

    #[test]
    fn codes_of_either_list_and_placeholders_are_taken() {
        for good in ["1.06.05.2.02.0001", "6.01.01.1.01.0001", "1.06.05.2.02.01", "X.XX.01.2.06.0004", "1.06", "1.06.05", "1.06.05.2.02"] {
            assert!(nomenclature_code(good).is_ok(), "{good}");
        }
        for bad in
            ["", "1", ".", "1.", "1..2", "1.06.05.2.02.00012", "1.006.05", "1.06.05.2.02.0001.1", "1.0a", "1.06.05.2.02.X001", "1,06"]
        {
            assert!(nomenclature_code(bad).is_err(), "{bad}");
        }
    }
}
