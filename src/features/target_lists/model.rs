//! The vocabularies of target lists, their states, and the rules by which one is drawn; pure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::features::verification::Eligibility;
use crate::platform::error::{Error, Result};
use crate::platform::wire::words;

words! {
    /// Where a target list stands.
    ListState {
        /// A job draws it; its entries cannot be read yet.
        Drafting "drafting",
        /// Drawn, and with the secretariat.
        Draft "draft",
        /// Before the leadership.
        Submitted "submitted",
        /// Back with the secretariat, with a note.
        Returned "returned",
        /// In force; it never changes again.
        Decreed "decreed",
        /// A later list is in force; this one stays as it was.
        Superseded "superseded",
        /// Given up before it was decreed.
        Discarded "discarded",
    }
}

words! {
    /// What a list does to a family, beside the list that was in force when it was drawn.
    EntryChange {
        /// On the list, and not on the one before.
        Added "added",
        /// On the list, as before.
        Unchanged "unchanged",
        /// Off the list, and on the one before.
        Removed "removed",
        /// Off the list, as before.
        LeftOut "left_out",
    }
}

words! {
    /// Why a family is on or off a list.
    EntryReason {
        /// On: its village checked it and judged it as the rules ask, and the result was accepted.
        Verified "verified",
        /// On: its village proposed it, the meeting confirmed it, and the result was accepted.
        Proposal "proposal",
        /// On: it was on the list in force, and of its village no newer result was accepted.
        CarriedOver "carried_over",
        /// Off: nobody knows it there (tidak ditemukan).
        NotFound "not_found",
        /// Off: nobody of it is alive (meninggal).
        Deceased "deceased",
        /// Off: it left the regency (pindah luar kabupaten).
        MovedOut "moved_out",
        /// Off: the same family stands on the list twice (ganda).
        Duplicate "duplicate",
        /// Off: it did not want to be asked (menolak), so that nobody could judge it.
        Refused "refused",
        /// Off: it was judged better off than the rules ask.
        NotEligible "not_eligible",
        /// Off: it was seen and not judged.
        NotAssessed "not_assessed",
        /// Off: no accepted result tells of it.
        NotVerified "not_verified",
        /// Off: its record was merged into another one, which has an entry of its own.
        Merged "merged",
        /// Off: it is served no more; its record says why.
        Inactive "inactive",
        /// Off: its record lies in another regency by now.
        Elsewhere "elsewhere",
    }
}

/// What happens to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its job has drawn it.
    Drawn,
    /// The secretariat hands it in.
    Submit,
    /// The leadership hands it back.
    Return,
    /// The secretariat has it drawn anew.
    Redraft,
    /// The secretariat gives it up.
    Discard,
    /// The leadership decrees it.
    Decree,
    /// The decree of the next one takes its place.
    Supersede,
}

impl ListState {
    /// The state after a step; `None` where the step cannot be taken. This match is the whole machine.
    pub fn after(self, step: Step) -> Option<ListState> {
        use ListState::{Decreed, Discarded, Draft, Drafting, Returned, Submitted, Superseded};
        match (self, step) {
            (Drafting, Step::Drawn) => Some(Draft),
            (Draft | Returned, Step::Submit) => Some(Submitted),
            (Submitted, Step::Return) => Some(Returned),
            (Drafting | Draft | Returned, Step::Redraft) => Some(Drafting),
            (Drafting | Draft | Returned, Step::Discard) => Some(Discarded),
            (Submitted, Step::Decree) => Some(Decreed),
            (Decreed, Step::Supersede) => Some(Superseded),
            _ => None,
        }
    }
}

/// By which rules a list is drawn from accepted village results; they stay with the list.
///
/// Of several accepted results that tell of a family the newest verdict counts: as new as the visit, or the day of the meeting that
/// judged otherwise, and not as its acceptance; a result that is reopened and accepted once more is no newer for it. A family of the
/// list in force that would be carried over follows the newest accepted verdict about it, of whichever campaign. `found` and
/// `moved_within` families are taken on where their judgement fits: who moved within the regency is still its to serve, and stands
/// at the village where its record lies. A refusal keeps a family off: nobody could judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetListRules {
    /// Families judged so are on the list.
    #[serde(default = "extreme_poor")]
    #[schema(min_items = 1, max_items = 4, default = json!(["extreme_poor"]))]
    pub eligibilities: Vec<Eligibility>,
    /// From the results of these campaigns; of all the regency's where absent.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    pub campaign_ids: Option<Vec<Uuid>>,
    /// Whether families of the list in force stay on unchanged: while their village has no result of these campaigns that was accepted
    /// since, confirmed by a meeting after the verdict they are on it by, and tells nothing of them, and no campaign of the regency has
    /// an accepted verdict about them that is newer than that one.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub carry_over: bool,
}

fn extreme_poor() -> Vec<Eligibility> {
    vec![Eligibility::ExtremePoor]
}

fn yes() -> bool {
    true
}

impl Default for TargetListRules {
    fn default() -> Self {
        TargetListRules { eligibilities: extreme_poor(), campaign_ids: None, carry_over: true }
    }
}

impl TargetListRules {
    /// Refuses rules by which no list can be drawn.
    pub fn demand(&self) -> Result<()> {
        let TargetListRules { eligibilities, campaign_ids, carry_over: _ } = self;
        if eligibilities.is_empty() || eligibilities.contains(&Eligibility::NotAssessed) {
            return Err(Error::field("rules.eligibilities", "judgement", "Name one or more judgements; `not_assessed` is none."));
        }
        if eligibilities.len() > 4 {
            return Err(Error::field("rules.eligibilities", "length", "There are four judgements; name each once."));
        }
        if campaign_ids.as_ref().is_some_and(|ids| !(1..=100).contains(&ids.len())) {
            return Err(Error::field("rules.campaign_ids", "length", "Name 1 to 100 campaigns, or leave it out for all of the regency."));
        }
        Ok(())
    }

    /// The words of the judgements.
    pub fn words(&self) -> Vec<&'static str> {
        self.eligibilities.iter().map(|eligibility| eligibility.name()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEPS: [Step; 7] = [Step::Drawn, Step::Submit, Step::Return, Step::Redraft, Step::Discard, Step::Decree, Step::Supersede];

    /// Every way a list may go, written as words so that the machine is not checked against itself.
    fn is_known_way(way: &[ListState]) -> bool {
        let words: Vec<&str> = way.iter().map(|state| state.name()).collect();
        words.windows(2).all(|pair| {
            matches!(
                pair,
                ["drafting", "draft"]
                    | ["draft" | "returned", "submitted"]
                    | ["submitted", "returned" | "decreed"]
                    | ["drafting" | "draft" | "returned", "drafting" | "discarded"]
                    | ["decreed", "superseded"]
            )
        })
    }

    fn in_force(state: ListState) -> bool {
        state == ListState::Decreed
    }

    fn under_way(state: ListState) -> bool {
        matches!(state, ListState::Drafting | ListState::Draft | ListState::Submitted | ListState::Returned)
    }

    /// A regency's lists, driven as the API and the indexes of the table drive them.
    #[derive(Debug, Default)]
    struct Regency {
        lists: Vec<ListState>,
    }

    impl Regency {
        fn act(&mut self, at: usize, act: usize) {
            if act == STEPS.len() {
                // One at a time is under way: the unique index says so.
                if !self.lists.iter().any(|state| under_way(*state)) {
                    self.lists.push(ListState::Drafting);
                }
                return;
            }
            let step = STEPS[act];
            // A list is superseded by a decree and by nothing else.
            if step == Step::Supersede {
                return;
            }
            let Some(after) = self.lists.get(at).and_then(|state| state.after(step)) else { return };
            if step == Step::Decree {
                for other in &mut self.lists {
                    if let Some(superseded) = other.after(Step::Supersede) {
                        *other = superseded;
                    }
                }
            }
            self.lists[at] = after;
        }
    }

    proptest! {
        #[test]
        fn no_sequence_of_steps_leaves_the_machine(steps in prop::collection::vec(0..STEPS.len(), 0..60)) {
            let mut way = vec![ListState::Drafting];
            for step in steps {
                if let Some(next) = way.last().unwrap().after(STEPS[step]) {
                    way.push(next);
                }
            }
            prop_assert!(is_known_way(&way), "{way:?}");
            // What was decreed is never open again, and what was given up never comes back.
            let decreed = way.iter().position(|state| in_force(*state));
            prop_assert!(decreed.is_none_or(|at| way[at..].iter().all(|state| !under_way(*state))));
            let discarded = way.iter().position(|state| *state == ListState::Discarded);
            prop_assert!(discarded.is_none_or(|at| at + 1 == way.len()));
        }

        #[test]
        fn one_list_is_in_force_from_the_first_decree_on(acts in prop::collection::vec((0..6usize, 0..=STEPS.len()), 0..400)) {
            let mut regency = Regency::default();
            let mut began = false;
            for (at, act) in acts {
                regency.act(at, act);
                let force = regency.lists.iter().filter(|state| in_force(**state)).count();
                let open = regency.lists.iter().filter(|state| under_way(**state)).count();
                began |= force > 0;
                prop_assert!(force <= 1 && open <= 1, "{:?}", regency.lists);
                prop_assert!(!began || force == 1, "{:?}", regency.lists);
            }
        }
    }

    #[test]
    fn the_end_is_the_end() {
        for end in [ListState::Superseded, ListState::Discarded] {
            assert!(STEPS.iter().all(|step| end.after(*step).is_none()));
        }
        assert!(ListState::ALL.iter().all(|state| ListState::parse(state.name()) == Some(*state)));
    }

    #[test]
    fn rules_name_judgements() {
        let rules = |words: &[Eligibility]| TargetListRules { eligibilities: words.to_vec(), ..TargetListRules::default() };
        assert!(TargetListRules::default().demand().is_ok());
        assert!(rules(&[Eligibility::ExtremePoor, Eligibility::Poor]).demand().is_ok());
        assert!(rules(&[]).demand().is_err());
        assert!(rules(&[Eligibility::ExtremePoor, Eligibility::NotAssessed]).demand().is_err());
        assert!(rules(&[Eligibility::Poor; 5]).demand().is_err());
        assert_eq!(serde_json::from_str::<TargetListRules>("{}").unwrap(), TargetListRules::default());
    }
}
