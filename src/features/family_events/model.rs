//! Kinds and states of family events and moves: pure rules.

use crate::platform::wire::words;

words! {
    /// What happened.
    FamilyEventKind {
        /// Two records turned out to be one family, or one person.
        Merge "merge",
        /// Members left into a family of their own (pecah KK).
        Split "split",
        /// Somebody was born into the family.
        Birth "birth",
        /// A member died.
        Death "death",
        /// The family was handed over to another of the living.
        HeadChange "head_change",
    }
}

impl FamilyEventKind {
    /// Whether it changed who belongs to which family.
    fn parts_people(self) -> bool {
        matches!(self, FamilyEventKind::Merge | FamilyEventKind::Split)
    }

    /// Whether it can be taken back. A birth cannot: no member is ever deleted, and no status says that nobody was born.
    pub fn can_be_undone(self) -> bool {
        self != FamilyEventKind::Birth
    }

    /// Whether whoever reported it takes it back themselves.
    pub fn is_taken_back(self) -> bool {
        matches!(self, FamilyEventKind::Death | FamilyEventKind::HeadChange)
    }

    /// Whether a later event of that kind must be undone before this one. Merges and splits wait for each other alone, as they do
    /// not wait for edits: what a later death changed stays. A death or change of head waits for whatever may have moved the
    /// headship or the people since.
    pub fn waits_for(self, later: FamilyEventKind) -> bool {
        later.can_be_undone() && (later.parts_people() || !self.parts_people())
    }
}

words! {
    /// Where an event stands.
    FamilyEventState {
        /// It holds.
        InForce "in_force",
        /// It was taken back.
        Undone "undone",
    }
}

impl FamilyEventState {
    /// The state after it is taken back; `None` where it was before.
    pub fn after_undo(self) -> Option<FamilyEventState> {
        match self {
            FamilyEventState::InForce => Some(FamilyEventState::Undone),
            FamilyEventState::Undone => None,
        }
    }
}

words! {
    /// Where a move between villages stands.
    MoveState {
        /// It waits for the receiving village.
        Offered "offered",
        /// The receiving village took the family in.
        Accepted "accepted",
        /// The receiving village does not know the family.
        Declined "declined",
        /// The offering village took it back, or the family moved otherwise and was offered anew.
        Withdrawn "withdrawn",
    }
}

impl MoveState {
    /// The state after an answer; `None` where one was given before, or none is.
    pub fn after(self, answer: MoveState) -> Option<MoveState> {
        (self == MoveState::Offered && answer != MoveState::Offered).then_some(answer)
    }
}

words! {
    /// Which way a move goes, seen from your regions.
    MoveDirection {
        /// Into them.
        Incoming "incoming",
        /// Out of them.
        Outgoing "outgoing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_is_given_and_only_to_an_offer() {
        for state in MoveState::ALL {
            for answer in MoveState::ALL {
                let allowed = *state == MoveState::Offered && *answer != MoveState::Offered;
                assert_eq!(state.after(*answer), allowed.then_some(*answer), "{state:?} {answer:?}");
            }
        }
    }

    #[test]
    fn whatever_an_undo_waits_for_can_be_undone() {
        use FamilyEventKind::{Birth, Death, HeadChange, Merge, Split};
        for kind in FamilyEventKind::ALL {
            for later in FamilyEventKind::ALL {
                assert!(!kind.waits_for(*later) || later.can_be_undone(), "{kind:?} could never be undone after {later:?}");
            }
        }
        assert!(Merge.waits_for(Split) && Death.waits_for(Merge) && Death.waits_for(HeadChange));
        assert!(!Merge.waits_for(Death) && !Split.waits_for(HeadChange) && !Death.waits_for(Birth));
    }
}
