//! The vocabularies of verification, its state machines and rules; pure.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::platform::valid::printable;
use crate::platform::wire::words;

words! {
    /// What became of a family when somebody came to see it (domain.md section 4.3).
    Presence {
        /// Ditemukan: they live there.
        Found "found",
        /// Tidak ditemukan: nobody knows them.
        NotFound "not_found",
        /// Meninggal: nobody of them is alive. A member's death is a fact about the member; the family stays.
        Deceased "deceased",
        /// Pindah dalam kabupaten: they live in another village of the regency.
        MovedWithin "moved_within",
        /// Pindah luar kabupaten.
        MovedOut "moved_out",
        /// Ganda: the same family stands on the list twice.
        Duplicate "duplicate",
        /// Menolak: they do not want to be asked.
        Refused "refused",
    }
}

words! {
    /// How poor the officer, or the meeting, judges a family to be; a separate answer from its presence.
    Eligibility {
        /// Miskin ekstrem.
        ExtremePoor "extreme_poor",
        /// Miskin.
        Poor "poor",
        /// Rentan.
        Vulnerable "vulnerable",
        /// Mampu.
        Capable "capable",
        /// Belum dinilai.
        NotAssessed "not_assessed",
    }
}

words! {
    /// Where a campaign stands.
    CampaignState {
        /// Being planned.
        Draft "draft",
        /// Villages work on it.
        Open "open",
        /// Over; its results stay.
        Closed "closed",
    }
}

words! {
    /// Which visit of a family counts.
    VisitState {
        /// It counts.
        Standing "standing",
        /// A later visit, made on its ground, counts.
        Superseded "superseded",
        /// It was made in ignorance of the one that counts and waits to be settled.
        Conflicting "conflicting",
        /// Settled: another one counts.
        SetAside "set_aside",
    }
}

words! {
    /// Where a village's result stands (domain.md section 4.1).
    ResultState {
        /// The village visits its families.
        Open "open",
        /// Confirmed by the village meeting and signed off by the village head.
        Finalised "finalised",
        /// Sent on by the camat.
        Forwarded "forwarded",
        /// Taken over by Dinsos or Bappeda; target lists are drafted from it.
        Accepted "accepted",
        /// Back with the village, with a note.
        Returned "returned",
    }
}

words! {
    /// Where a proposal stands.
    ProposalState {
        /// Waits for the meeting and for acceptance.
        Open "open",
        /// The family is on file already.
        OnFile "on_file",
        /// Taken back by the village.
        Withdrawn "withdrawn",
        /// Not taken up.
        Rejected "rejected",
        /// The family is on file because of it.
        Registered "registered",
    }
}

words! {
    /// What became of a member.
    WhatBecame {
        /// They belong to the family.
        Present "present",
        /// They died; the family stays.
        Deceased "deceased",
        /// They left the family's house.
        MovedOut "moved_out",
    }
}

words! {
    /// How a village confirmed its result.
    MeetingKind {
        /// Musyawarah desa.
        Musdes "musdes",
        /// Musyawarah kelurahan.
        Muskel "muskel",
        /// Surat pernyataan tanggung jawab mutlak, instead of a meeting (domain.md section 4.2).
        Sptjm "sptjm",
    }
}

words! {
    /// What an objection is about.
    ObjectionKind {
        /// Usul: the family should be on the list.
        ShouldBeOn "should_be_on",
        /// Sanggah: the family should not be on the list.
        ShouldBeOff "should_be_off",
        /// What is stated about the family is wrong.
        DataWrong "data_wrong",
    }
}

words! {
    /// Where an objection stands.
    ObjectionState {
        /// Waits for a decision.
        Filed "filed",
        /// It is right.
        Upheld "upheld",
        /// It is not.
        Dismissed "dismissed",
        /// Taken back by whoever filed it.
        Withdrawn "withdrawn",
    }
}

impl ResultState {
    /// The state after a step; `None` where the step cannot be taken. This match is the whole machine.
    pub fn after(self, step: ResultStep) -> Option<ResultState> {
        use ResultState::{Accepted, Finalised, Forwarded, Open, Returned};
        match (self, step) {
            (Open | Returned, ResultStep::Finalise) => Some(Finalised),
            (Finalised, ResultStep::Withdraw | ResultStep::Return) => Some(Returned),
            (Finalised, ResultStep::Forward) => Some(Forwarded),
            (Forwarded, ResultStep::Recall) => Some(Finalised),
            (Forwarded, ResultStep::SendBack) => Some(Returned),
            (Forwarded, ResultStep::Accept) => Some(Accepted),
            (Accepted, ResultStep::Reopen) => Some(Returned),
            _ => None,
        }
    }

    /// Whether visits, proposals and verdicts are taken.
    pub fn is_open(self) -> bool {
        matches!(self, ResultState::Open | ResultState::Returned)
    }
}

/// One thing that is asked at a visit; met when the answer is yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Short name, by which a visit answers it.
    #[validate(length(min = 1, max = 60), custom(function = printable))]
    #[schema(min_length = 1, max_length = 60, example = "no_own_toilet")]
    pub code: String,
    /// The question, Indonesian.
    #[validate(length(min = 1, max = 500), custom(function = printable))]
    #[schema(min_length = 1, max_length = 500)]
    pub question: String,
    /// The question, English.
    #[validate(length(min = 1, max = 500), custom(function = printable))]
    #[schema(min_length = 1, max_length = 500)]
    pub question_en: Option<String>,
}

impl Criterion {
    /// The criteria of a set as it is stored.
    pub fn stored(value: &serde_json::Value) -> Vec<Criterion> {
        serde_json::from_value(value.clone()).unwrap_or_default()
    }
}

impl CampaignState {
    /// Whether what it checks may still be chosen freely.
    pub fn is_draft(self) -> bool {
        self == CampaignState::Draft
    }

    /// The state after it is opened; `None` where it cannot be.
    pub fn opened(self) -> Option<CampaignState> {
        (self == CampaignState::Draft).then_some(CampaignState::Open)
    }

    /// The state after it is closed; `None` where it cannot be.
    pub fn closed(self) -> Option<CampaignState> {
        (self == CampaignState::Open).then_some(CampaignState::Closed)
    }
}

/// What happens to a village's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultStep {
    /// The village head signs it off after the meeting.
    Finalise,
    /// The village head takes it back before the camat acted.
    Withdraw,
    /// The camat sends it on.
    Forward,
    /// The camat returns it to the village.
    Return,
    /// The camat takes the forwarding back before the regency acted.
    Recall,
    /// The regency returns it to the village.
    SendBack,
    /// The regency takes it over.
    Accept,
    /// The regency opens an accepted one again.
    Reopen,
}

/// The days by which village, camat and regency have done their step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The village head has finalised.
    pub finalise: NaiveDate,
    /// The camat has forwarded.
    pub forward: NaiveDate,
    /// The regency has accepted.
    pub accept: NaiveDate,
}

/// When a step was taken, as far as it still counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Finalised on.
    pub finalised: Option<NaiveDate>,
    /// Forwarded on.
    pub forwarded: Option<NaiveDate>,
    /// Accepted on.
    pub accepted: Option<NaiveDate>,
}

/// Which steps are, or were, late. Never stored: it follows from days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Finalising.
    pub finalise: bool,
    /// Forwarding.
    pub forward: bool,
    /// Accepting.
    pub accept: bool,
    /// The step that is to be taken now should have been taken.
    pub now: bool,
}

impl Due {
    /// What is late today. A step that was taken back is to be taken again.
    pub fn late(&self, state: ResultState, taken: Taken, today: NaiveDate) -> Late {
        use ResultState::{Accepted, Finalised, Forwarded, Open, Returned};
        let late = |counts: bool, on: Option<NaiveDate>, by: NaiveDate| on.filter(|_| counts).unwrap_or(today) > by;
        let finalise = late(matches!(state, Finalised | Forwarded | Accepted), taken.finalised, self.finalise);
        let forward = late(matches!(state, Forwarded | Accepted), taken.forwarded, self.forward);
        let accept = late(state == Accepted, taken.accepted, self.accept);
        let now = match state {
            Open | Returned => finalise,
            Finalised => forward,
            Forwarded => accept,
            Accepted => false,
        };
        Late { finalise, forward, accept, now }
    }
}

/// How long a regency has to decide an objection (domain.md section 7: verified within 14 days, or it lapses).
pub const DAYS_TO_DECIDE: u64 = 14;

/// The last day on which an objection filed on a day is decided in time.
pub fn decide_by(filed: NaiveDate) -> NaiveDate {
    filed.checked_add_days(Days::new(DAYS_TO_DECIDE)).unwrap_or(filed)
}

/// The last day of a posting that begins on a day; `None` where nothing is posted.
pub fn posted_until(from: NaiveDate, days: u16) -> Option<NaiveDate> {
    let rest = days.checked_sub(1)?;
    from.checked_add_days(Days::new(rest.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEPS: [ResultStep; 8] = [
        ResultStep::Finalise,
        ResultStep::Withdraw,
        ResultStep::Forward,
        ResultStep::Return,
        ResultStep::Recall,
        ResultStep::SendBack,
        ResultStep::Accept,
        ResultStep::Reopen,
    ];

    /// Every way a result may go, written as words so that the machine is not checked against itself.
    fn is_known_way(way: &[ResultState]) -> bool {
        let words: Vec<&str> = way.iter().map(|state| state.name()).collect();
        words.windows(2).all(|pair| {
            matches!(
                pair,
                ["open" | "returned", "finalised"]
                    | ["finalised", "returned" | "forwarded"]
                    | ["forwarded", "finalised" | "returned" | "accepted"]
                    | ["accepted", "returned"]
            )
        })
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn no_sequence_of_steps_leaves_the_machine(steps in prop::collection::vec(0..STEPS.len(), 0..60)) {
            let mut way = vec![ResultState::Open];
            for step in steps {
                let now = *way.last().unwrap();
                way.extend(now.after(STEPS[step]));
            }
            prop_assert!(is_known_way(&way), "{way:?}");
            // Nothing is accepted that village, camat and regency did not hand over one after the other, and nobody comes back to a
            // result that nobody has touched.
            for (at, state) in way.iter().enumerate() {
                match state {
                    ResultState::Accepted => prop_assert!(way[..at].ends_with(&[ResultState::Finalised, ResultState::Forwarded]), "{way:?}"),
                    ResultState::Open => prop_assert_eq!(at, 0),
                    _ => {}
                }
            }
        }

        #[test]
        fn every_step_has_one_place_and_whoever_is_at_turn_may_take_it_back(step in 0..STEPS.len()) {
            let from: Vec<&ResultState> = ResultState::ALL.iter().filter(|state| state.after(STEPS[step]).is_some()).collect();
            prop_assert!(!from.is_empty());
            prop_assert!(from.len() == 1 || (STEPS[step] == ResultStep::Finalise && from.iter().all(|state| state.is_open())));
            for state in from {
                let after = state.after(STEPS[step]).unwrap();
                // No dead end: from wherever a step leads, some way leads back to the village.
                let back = STEPS.iter().any(|back| after.after(*back).is_some_and(ResultState::is_open));
                prop_assert!(after.is_open() || back, "{after:?}");
            }
        }

        #[test]
        fn what_was_done_in_time_is_never_late_and_one_step_is_due(offset in 0i64..60, at in 0..5usize) {
            let due = Due { finalise: day("2026-03-10"), forward: day("2026-03-20"), accept: day("2026-03-30") };
            let today = day("2026-03-01") + chrono::TimeDelta::days(offset);
            let state = ResultState::ALL[at];
            let taken = Taken { finalised: Some(day("2026-03-09")), forwarded: Some(day("2026-03-21")), accepted: Some(day("2026-03-30")) };
            let late = due.late(state, taken, today);
            let done = |states: &[ResultState]| states.contains(&state);
            if done(&[ResultState::Finalised, ResultState::Forwarded, ResultState::Accepted]) {
                prop_assert!(!late.finalise);
            }
            if done(&[ResultState::Forwarded, ResultState::Accepted]) {
                prop_assert!(late.forward);
            }
            prop_assert!(!late.now || state != ResultState::Accepted);
            if state.is_open() {
                prop_assert_eq!(late.now, today > due.finalise);
            }
        }
    }

    #[test]
    fn a_posting_counts_its_first_and_its_last_day() {
        assert_eq!(posted_until(day("2026-02-27"), 7), Some(day("2026-03-05")));
        assert_eq!(posted_until(day("2026-02-27"), 1), Some(day("2026-02-27")));
        assert_eq!(posted_until(day("2026-02-27"), 0), None);
        assert_eq!(decide_by(day("2026-02-20")), day("2026-03-06"));
    }
}
