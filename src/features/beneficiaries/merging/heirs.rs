//! Who heads a family that an undo leaves without a head.

use chrono::NaiveDate;
use uuid::Uuid;

use super::super::model::{MemberStatus, Relation};
use super::super::store::Member;
use super::FieldOf;
use super::draft::Draft;
use super::journal::Journal;

/// A family whose head was given another relation since, or died, gets one: whoever was its head before the event, else the
/// spouse, else the eldest. Without it nobody could ever undo the event. Names the relations that were set.
pub(super) fn inherit(draft: &mut Draft, journal: &Journal, families: &[Uuid]) -> Vec<FieldOf> {
    let mut set = Vec::new();
    for id in families {
        let people = draft.people_of(*id);
        let present = || people.iter().filter(|member| member.place().1 == MemberStatus::Present);
        if present().next().is_none() || present().any(Member::is_present_head) {
            continue;
        }
        let was_head = |member: &Member| journal.members.iter().any(|image| image.id == member.id && image.was("relation", "head"));
        let claim = |member: &&Member| {
            (!was_head(member), member.place().0 != Relation::Spouse, member.birth_date.unwrap_or(NaiveDate::MAX), member.id)
        };
        if let Some(heir) = present().min_by_key(claim) {
            let head = Member { relation: Relation::Head.name().into(), ..heir.clone() };
            set.push(FieldOf { record_id: head.id, field: "relation".into() });
            draft.members.insert(head.id, (head, "became_head"));
        }
    }
    set
}
