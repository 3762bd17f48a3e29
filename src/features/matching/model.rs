//! What a run's findings and people's decisions make of a person: pure rules.

use chrono::NaiveDate;

use crate::features::datasets::NikState;
use crate::platform::sensitive::{Nik, NikWarning, Sex};
use crate::platform::wire::words;

words! {
    /// What the left release is compared with.
    Against {
        /// Another release.
        Release "release",
        /// The members of our families.
        Families "families",
        /// Its own people: who is on the list twice.
        Itself "itself",
    }
}

words! {
    /// How a run stands. Derived from its results and its job, never stored.
    RunState {
        /// Its job waits.
        Queued "queued",
        /// Its job works.
        Running "running",
        /// Results can be read.
        Done "done",
        /// It ended badly; its job says why.
        Failed "failed",
        /// It was stopped on request.
        Cancelled "cancelled",
    }
}

impl RunState {
    /// From whether results stand, and the state of the job.
    pub fn of(is_done: bool, job: &str) -> RunState {
        match job {
            _ if is_done => RunState::Done,
            "failed" => RunState::Failed,
            "cancelled" => RunState::Cancelled,
            "running" => RunState::Running,
            _ => RunState::Queued,
        }
    }
}

words! {
    /// What became of a person (domain.md section 2.6); the local verdict beside the centre's own.
    MatchStatus {
        /// Found: NIK and the other data agree (padan).
        Matched "matched",
        /// Found by NIK, with other data that differ (padan NIK, beda data).
        MatchedByNikOtherData "matched_by_nik_other_data",
        /// Found without the NIK (padan nama).
        MatchedByName "matched_by_name",
        /// Not found (tidak padan).
        Unmatched "unmatched",
        /// Not found, and without a NIK (NIK kosong).
        NikMissing "nik_missing",
        /// Not found, and with a NIK that cannot be one (NIK tidak valid).
        NikInvalid "nik_invalid",
        /// Somebody else has the NIK (NIK ganda); never merged.
        NikDuplicate "nik_duplicate",
        /// Found, and on file there as deceased (nonaktif meninggal).
        InactiveDeceased "inactive_deceased",
        /// Found, and on file there as moved out (nonaktif pindah).
        InactiveMoved "inactive_moved",
    }
}

words! {
    /// What is wrong with a NIK as it is stated: what the civil registry has to put right.
    NikFault {
        /// None is stated (NIK kosong).
        Missing "missing",
        /// What is stated breaks the rules of the number (NIK tidak valid).
        Invalid "invalid",
        /// A spreadsheet kept fifteen of its digits.
        ExcelRounded "excel_rounded",
        /// Certainly another person has the same one (NIK ganda).
        Taken "taken",
        /// The date in it is not the stated birth date.
        BirthDateDiffers "birth_date_differs",
        /// It was issued for the other sex.
        SexDiffers "sex_differs",
    }
}

/// What is wrong with a NIK: by itself, beside what is stated of the person, and because somebody else has it (`taken`).
pub fn nik_faults(state: NikState, nik: Option<&Nik>, taken: bool, birth_date: Option<NaiveDate>, sex: Option<Sex>) -> Vec<NikFault> {
    let mut faults = match state {
        NikState::Valid => Vec::new(),
        NikState::Missing => vec![NikFault::Missing],
        NikState::Invalid => vec![NikFault::Invalid],
        NikState::ExcelRounded => vec![NikFault::ExcelRounded],
    };
    if taken {
        faults.push(NikFault::Taken);
    }
    // People move: a number of another regency is right.
    for warning in nik.map(|nik| nik.warnings(birth_date, sex, None)).unwrap_or_default() {
        match warning {
            NikWarning::BirthDateDiffers => faults.push(NikFault::BirthDateDiffers),
            NikWarning::SexDiffers => faults.push(NikFault::SexDiffers),
            NikWarning::RegionDiffers => {}
        }
    }
    faults
}

words! {
    /// What the engine makes of a pair.
    Zone {
        /// Sure enough to be taken over.
        Match "match",
        /// Somebody must look.
        Review "review",
    }
}

words! {
    /// What somebody decided about two people.
    Outcome {
        /// They are one.
        Match "match",
        /// They are two.
        NoMatch "no_match",
        /// What is on file does not tell.
        CannotTell "cannot_tell",
    }
}

words! {
    /// Where a decision stands.
    DecisionState {
        /// A second person has to confirm it.
        Proposed "proposed",
        /// It holds.
        InForce "in_force",
        /// It was taken back.
        Undone "undone",
    }
}

/// What happens to a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A second person agrees.
    Confirm,
    /// Somebody takes it back.
    Undo,
}

impl DecisionState {
    /// The state after a step; `None` where it cannot be taken. This match is the whole machine.
    pub fn after(self, step: Step) -> Option<DecisionState> {
        match (self, step) {
            (DecisionState::Proposed, Step::Confirm) => Some(DecisionState::InForce),
            (DecisionState::Proposed | DecisionState::InForce, Step::Undo) => Some(DecisionState::Undone),
            (DecisionState::InForce, Step::Confirm) | (DecisionState::Undone, _) => None,
        }
    }
}

/// What a run stored of a pair, as far as a person's status depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// What the engine made of it.
    pub zone: Zone,
    /// What people decided, where a decision is in force.
    pub decided: Option<Outcome>,
    /// Whether both have a NIK and it is the same; none where one has none.
    pub nik_agrees: Option<bool>,
    /// Whether name and birth date agree.
    pub data_agrees: bool,
    /// Whether people decided that the other one is somebody else: another person of the left side, who is not one with this
    /// one.
    pub given_away: bool,
    /// Whether the other one is on file as no longer living there.
    pub inactive: Option<Inactive>,
    /// The weight, to choose the better of two.
    pub weight: f64,
}

words! {
    /// Why a person is no longer where the list says.
    Inactive {
        /// On file as deceased.
        Deceased "deceased",
        /// On file as moved out.
        MovedOut "moved_out",
    }
}

impl Facts {
    /// Whether the two count as one: what people decided goes before what the engine thinks.
    pub fn holds(&self) -> bool {
        match self.decided {
            Some(Outcome::Match) => true,
            Some(Outcome::NoMatch) => false,
            // One person is found for several only where these are judged one.
            Some(Outcome::CannotTell) | None => self.zone == Zone::Match && !self.given_away,
        }
    }
}

/// Which of a person's pairs holds: a decided one first, then the heaviest; `None` where none does. The order of the pairs
/// does not matter as long as weights differ; equal ones are told apart by their place, which the caller keeps stable.
pub fn holding(pairs: &[Facts]) -> Option<usize> {
    let mut best: Option<(usize, bool, f64)> = None;
    for (at, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.holds()) {
        let decided = pair.decided == Some(Outcome::Match);
        if best.is_none_or(|(_, known, weight)| (decided, pair.weight) > (known, weight)) {
            best = Some((at, decided, pair.weight));
        }
    }
    best.map(|(at, ..)| at)
}

/// Whether certainly another person has the NIK: somebody whom the engine would not think of as the same person (`strange`),
/// or somebody of whom people decided that they are another one.
pub fn nik_taken(strange: bool, pairs: &[Facts]) -> bool {
    strange || pairs.iter().any(|pair| pair.nik_agrees == Some(true) && pair.decided == Some(Outcome::NoMatch))
}

/// What became of a person: `nik_taken` says that somebody who is certainly another person has the same NIK.
pub fn status(nik: NikState, nik_taken: bool, pair: Option<&Facts>) -> MatchStatus {
    match (pair, nik) {
        (Some(Facts { inactive: Some(Inactive::Deceased), .. }), _) => MatchStatus::InactiveDeceased,
        (Some(Facts { inactive: Some(Inactive::MovedOut), .. }), _) => MatchStatus::InactiveMoved,
        (Some(Facts { nik_agrees: Some(true), data_agrees: true, .. }), _) => MatchStatus::Matched,
        (Some(Facts { nik_agrees: Some(true), .. }), _) => MatchStatus::MatchedByNikOtherData,
        (Some(_), _) => MatchStatus::MatchedByName,
        (None, NikState::Valid) if nik_taken => MatchStatus::NikDuplicate,
        (None, NikState::Valid) => MatchStatus::Unmatched,
        (None, NikState::Missing) => MatchStatus::NikMissing,
        (None, NikState::Invalid | NikState::ExcelRounded) => MatchStatus::NikInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> impl Strategy<Value = Facts> {
        let zone = prop::sample::select(Zone::ALL);
        let decided = prop::option::of(prop::sample::select(Outcome::ALL));
        let inactive = prop::option::of(prop::sample::select(Inactive::ALL));
        (zone, decided, prop::option::of(any::<bool>()), any::<bool>(), any::<bool>(), inactive, -20i32..40).prop_map(
            |(zone, decided, nik_agrees, data_agrees, given_away, inactive, weight)| Facts {
                zone,
                decided,
                nik_agrees,
                data_agrees,
                given_away,
                inactive,
                weight: f64::from(weight),
            },
        )
    }

    proptest! {
        #[test]
        fn people_overrule_the_engine_and_undoing_restores(pairs in prop::collection::vec(facts(), 1..6), at in 0usize..6, outcome in prop::sample::select(Outcome::ALL)) {
            let at = at % pairs.len();
            let before = holding(&pairs);
            let mut decided = pairs.clone();
            decided[at].decided = Some(outcome);
            let after = holding(&decided);
            if outcome == Outcome::Match {
                prop_assert_eq!(after.map(|held| decided[held].decided), Some(Some(Outcome::Match)));
            }
            if outcome == Outcome::NoMatch {
                prop_assert_ne!(after, Some(at));
            }
            decided[at].decided = pairs[at].decided;
            prop_assert_eq!(holding(&decided), before);
        }

        #[test]
        fn a_status_says_whether_somebody_was_found(nik in prop::sample::select(NikState::ALL), taken: bool, pair in prop::option::of(facts())) {
            use MatchStatus::*;
            let found = matches!(status(nik, taken, pair.as_ref()), Matched | MatchedByNikOtherData | MatchedByName | InactiveDeceased | InactiveMoved);
            prop_assert_eq!(found, pair.is_some());
        }
    }

    #[test]
    fn what_was_undone_stays_undone() {
        for step in [Step::Confirm, Step::Undo] {
            assert_eq!(DecisionState::Undone.after(step), None);
        }
        assert_eq!(DecisionState::Proposed.after(Step::Confirm), Some(DecisionState::InForce));
    }
}
