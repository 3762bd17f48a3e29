//! Kinds and states of family events: pure rules.

use crate::platform::wire::words;

words! {
    /// What happened.
    FamilyEventKind {
        /// Two records turned out to be one family, or one person.
        Merge "merge",
        /// Members left into a family of their own (pecah KK).
        Split "split",
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
