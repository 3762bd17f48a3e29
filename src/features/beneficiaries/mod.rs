//! Beneficiaries: families (keluarga penerima manfaat) with their members, the unit of P3KE and DTSEN.
//!
//! A family lives in a village, which decides who sees it. It is `active`, or `inactive` with a reason; as long as
//! anybody of it is present, exactly one present member is its head. A KK number belongs to one family; a NIK may be
//! missing or stand on two persons, and whatever contradicts itself is a warning on the record, never a refusal
//! (domain.md §2.5, §3.1). Numbers rest sealed, are found by a keyed index and shown masked; full ones only by a
//! disclosure, which is committed before it is answered.
//!
//! Of every field is kept which source gave it (`provenance`); which of two statements stands are rules, and rules are data
//! (`model::survivorship`). Two records of one family or person are merged, and what was merged leads to what is kept
//! (`merging`); the feature `family_events` records that and undoes it.
//!
//! Ranks come from releases and interventions from plans, both later features: they are read through the views
//! `family_ranks` and `family_interventions`. Welfare (rank, needs, living conditions) is shown where the actor holds
//! `welfare_read`, and filtered by only there.

mod disclose;
mod http;
mod merging;
mod model;
mod moving;
mod numbers;
mod provenance;
mod rotate;
mod service;
mod standing;
mod store;
mod vital;

pub use disclose::{HeadNumbers, head_numbers};
pub use http::{BeneficiaryCreate, MemberCreate, MemberOut, Whole, operations};
pub use merging::{Contradiction, FieldOf, Journal, Merge, Restored, Split, SplitMember, Structured, merge, preview, restore, split};
pub use model::survivorship::Origin;
pub use model::{
    AidReceived, Attributes, AttributesUpdate, CookingFuel, DrinkingWater, Education, FamilyStatus, Floor, HouseOwnership, InactiveReason,
    Lighting, MaritalStatus, MemberStatus, MemberWarning, Need, Occupation, Relation, Roof, Toilet, Wall, demand_one_head, sex_name,
};
pub use moving::{find_to_offer, relocate};
pub use rotate::rotate_keys;
pub use service::{FamilyPatch, KK_KIND, MemberPatch, NIK_KIND, NewFamily, NewMember, edit, edit_member, register, turn};
pub use standing::Edited;
pub use store::{
    ImportCounts, ImportFamily, ImportMember, Introduced, Located, Prepared, find_family, find_member, import_prepared, introduced,
    prepare, reranked,
};
pub use store::{
    Like, MatchedMember, Placed, SealedFamily, card_holder, families_to_match, joined, kept_families, kept_members, member_to_match,
    members_like, members_near, nik_holders, placed,
};
pub use vital::{birth, death, head_change};
