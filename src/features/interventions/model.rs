//! The states of an intervention, and the rules of when, to whom and beside what aid may be planned.

use chrono::{Days, NaiveDate};

use crate::platform::ids::{Quarter, RegionCode};
use crate::platform::wire::words;

words! {
    /// Where an intervention stands.
    InterventionStatus {
        /// Promised for a quarter.
        Planned "planned",
        /// Received by the family.
        Delivered "delivered",
        /// Given up, with a reason.
        Cancelled "cancelled",
    }
}

words! {
    /// What a planner should know of an intervention that was taken in all the same.
    InterventionWarning {
        /// The family has aid of the same program in this quarter; `override_reason` says why both are right.
        Overlap "overlap",
        /// The family lives outside the locations that the activity names.
        OutsideLocations "outside_locations",
    }
}

/// What happens to an intervention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its terms change.
    Edit,
    /// The family receives it.
    Deliver,
    /// It is given up.
    Cancel,
}

impl InterventionStatus {
    /// The status after a step; `None` where the step cannot be taken. This match is the whole machine.
    pub fn after(self, step: Step) -> Option<InterventionStatus> {
        match (self, step) {
            (InterventionStatus::Planned, Step::Edit) => Some(InterventionStatus::Planned),
            (InterventionStatus::Planned, Step::Deliver) => Some(InterventionStatus::Delivered),
            (InterventionStatus::Planned, Step::Cancel) => Some(InterventionStatus::Cancelled),
            (InterventionStatus::Delivered | InterventionStatus::Cancelled, _) => None,
        }
    }

    /// Whether it counts against another one: what was given up stands in nobody's way.
    pub fn counts(self) -> bool {
        self != InterventionStatus::Cancelled
    }
}

/// Whether a quarter lies in the year of a plan.
pub fn lies_in(quarter: Quarter, year: i32) -> bool {
    quarter.year == year
}

/// Whether aid can have been received on a day: no delivery is recorded ahead of its day, and a day before this century is
/// a slip of the pen. `today` is the day in UTC; the east of the country is nine hours ahead, so its tomorrow may have begun.
pub fn can_be_delivered_on(day: NaiveDate, today: NaiveDate) -> bool {
    let earliest = NaiveDate::from_ymd_opt(2000, 1, 1);
    let latest = today.checked_add_days(Days::new(1));
    earliest.is_some_and(|earliest| day >= earliest) && latest.is_some_and(|latest| day <= latest)
}

/// What the planner decides about an overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    Free,
    /// There is one, and the planner says why both are right.
    Overridden,
    /// There is one, and nobody said why.
    Refused,
}

/// Weighs the aid of the same family, program and quarter against the planner's reason.
pub fn weigh(others: i64, reason: Option<&str>) -> Verdict {
    match (others, reason) {
        (..=0, _) => Verdict::Free,
        (_, Some(_)) => Verdict::Overridden,
        (_, None) => Verdict::Refused,
    }
}

/// What to warn of.
pub fn warnings(verdict: Verdict, family: &RegionCode, locations: &[RegionCode]) -> Vec<InterventionWarning> {
    let mut list = Vec::new();
    if verdict == Verdict::Overridden {
        list.push(InterventionWarning::Overlap);
    }
    // An activity that names no place is meant for the whole of its plan's region.
    if !locations.is_empty() && !locations.iter().any(|location| location.contains(family)) {
        list.push(InterventionWarning::OutsideLocations);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn region(code: &str) -> RegionCode {
        RegionCode::parse(code).unwrap()
    }

    proptest! {
        #[test]
        fn what_ended_never_moves_again(steps in prop::collection::vec(0..3usize, 0..20)) {
            let mut status = InterventionStatus::Planned;
            let mut ended = None;
            for step in steps {
                let step = [Step::Edit, Step::Deliver, Step::Cancel][step];
                if let Some(next) = status.after(step) {
                    prop_assert_eq!(ended, None);
                    status = next;
                    ended = (next != InterventionStatus::Planned).then_some(next);
                } else {
                    prop_assert_eq!(ended, Some(status));
                }
            }
        }

        #[test]
        fn an_overlap_passes_with_a_reason_only(others in 0..5i64, said in any::<bool>()) {
            let verdict = weigh(others, said.then_some("two children in two schools"));
            prop_assert_eq!(verdict == Verdict::Refused, others > 0 && !said);
            let warned = warnings(verdict, &region("62.02.09.2001"), &[]);
            prop_assert_eq!(warned == [InterventionWarning::Overlap], others > 0 && said);
        }

        #[test]
        fn only_the_four_quarters_of_a_year_lie_in_it(year in 2015..2101i32, other in 2015..2101i32, number in 1..5u8) {
            prop_assert_eq!(lies_in(Quarter { year: other, number }, year), year == other);
        }

        #[test]
        fn nothing_is_delivered_ahead_of_its_day(back in 0..9_000u64, ahead in 2..9_000u64) {
            let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
            prop_assert!(can_be_delivered_on(today - Days::new(back), today));
            prop_assert!(!can_be_delivered_on(today + Days::new(ahead), today));
        }
    }

    #[test]
    fn the_east_of_the_country_is_a_day_ahead_and_typing_errors_are_not() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        assert!(can_be_delivered_on(today + Days::new(1), today));
        assert!(!can_be_delivered_on(NaiveDate::from_ymd_opt(206, 11, 22).unwrap(), today));
        assert!(!can_be_delivered_on(NaiveDate::MAX, today) && !can_be_delivered_on(NaiveDate::MIN, today));
        assert!(InterventionStatus::Planned.counts() && InterventionStatus::Delivered.counts() && !InterventionStatus::Cancelled.counts());
        assert!(InterventionStatus::ALL.iter().all(|status| InterventionStatus::parse(status.name()) == Some(*status)));
    }

    #[test]
    fn a_family_outside_the_locations_is_warned_of() {
        let family = region("62.02.09.2001");
        assert!(warnings(Verdict::Free, &family, &[]).is_empty());
        assert!(warnings(Verdict::Free, &family, &[region("62.02.01"), region("62.02.09")]).is_empty());
        assert_eq!(warnings(Verdict::Free, &family, &[region("62.02.01")]), [InterventionWarning::OutsideLocations]);
        assert_eq!(
            warnings(Verdict::Overridden, &family, &[region("62.02.01")]),
            [InterventionWarning::Overlap, InterventionWarning::OutsideLocations]
        );
    }
}
