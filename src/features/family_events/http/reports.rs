//! Births, deaths and changes of head over HTTP: what villages report.

use chrono::{NaiveDate, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{Validate, ValidationError};

use super::super::service::{self, Decided};
use super::FamilyEventOut;
use crate::features::beneficiaries::{MemberCreate, NewMember, Relation};
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Created;
use crate::platform::api::Api;
use crate::platform::error::Result;
use crate::platform::policy::FamilyEventsReport;
use crate::platform::valid::{Valid, unnumbered};

/// Mounts what is reported.
pub fn operations(api: &mut Api) {
    mount!(api, birth, death, head_change);
}

/// For validator: a day of which somebody may report today.
pub(super) fn happened(day: &NaiveDate) -> std::result::Result<(), ValidationError> {
    let earliest = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default();
    if (earliest..=Utc::now().date_naive()).contains(day) {
        Ok(())
    } else {
        Err(ValidationError::new("range").with_message("The day lies between 2000-01-01 and today.".into()))
    }
}

/// A birth.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthCreate {
    /// The family.
    beneficiary_id: Uuid,
    /// Who was born; as a `child`, `grandchild` or `other` of the head. The birth date may be left out.
    #[validate(nested)]
    member: MemberCreate,
    /// When; 2000-01-01 to today.
    #[validate(custom(function = happened))]
    on: NaiveDate,
    /// Who says so, or what proves it; kept for ever. Write no NIK or KK number here.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Surat keterangan lahir dari bidan desa")]
    reason: Option<String>,
}

/// Record a birth
///
/// Adds a member to the family; the need `identity` stands until the NIK is known. A birth is not undone: no member is ever deleted.
#[utoipa::path(post, path = "/family-events/birth")]
async fn birth(access: Access<FamilyEventsReport>, Valid(body): Valid<BirthCreate>) -> Result<Created<FamilyEventOut>> {
    let BirthCreate { beneficiary_id, member, on, reason } = body;
    let decided = Decided { by: access.actor().id, reason, override_reason: None, happened_on: Some(on) };
    let mut tx = access.write().await?;
    let (event, changes) = service::birth(&mut tx, &access.platform().keys, beneficiary_id, NewMember::from(member), on, decided).await?;
    tx.commit_all(changes).await?;
    Ok(Created(event.try_into()?))
}

/// A death.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeathCreate {
    /// The family.
    beneficiary_id: Uuid,
    /// Who died.
    member_id: Uuid,
    /// When; 2000-01-01 to today.
    #[validate(custom(function = happened))]
    on: NaiveDate,
    /// The present member who heads the family from now on; needed when the head dies and leaves others behind.
    new_head_id: Option<Uuid>,
    /// Who says so, or what proves it; kept for ever. Write no NIK or KK number here.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Surat keterangan kematian dari kepala desa")]
    reason: Option<String>,
}

/// Record a death
///
/// Of a person: the family stays, with a new head where its head died. Where nobody is left it stays `active` without a head until
/// somebody ends its service by `POST /beneficiaries/{id}/deactivate`. Undone by `POST /family-events/{id}/undo`.
#[utoipa::path(post, path = "/family-events/death")]
async fn death(access: Access<FamilyEventsReport>, Valid(body): Valid<DeathCreate>) -> Result<Created<FamilyEventOut>> {
    let DeathCreate { beneficiary_id, member_id, on, new_head_id, reason } = body;
    let decided = Decided { by: access.actor().id, reason, override_reason: None, happened_on: Some(on) };
    let mut tx = access.write().await?;
    let (event, changes) = service::death(&mut tx, &access.platform().keys, beneficiary_id, (member_id, new_head_id), on, decided).await?;
    tx.commit_all(changes).await?;
    Ok(Created(event.try_into()?))
}

/// A change of head.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadChangeCreate {
    /// The family.
    beneficiary_id: Uuid,
    /// The present member who heads it now.
    member_id: Uuid,
    /// What the former head is to the new one; not `head`.
    former_head_relation: Relation,
    /// Why; kept for ever. Write no NIK or KK number here.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Kepala keluarga merantau, istri memimpin keluarga")]
    reason: String,
}

/// Record a change of head
///
/// Among the living; both remain members. When the head died, record the death and name the new head there. Undone by
/// `POST /family-events/{id}/undo`.
#[utoipa::path(post, path = "/family-events/head-change")]
async fn head_change(access: Access<FamilyEventsReport>, Valid(body): Valid<HeadChangeCreate>) -> Result<Created<FamilyEventOut>> {
    let HeadChangeCreate { beneficiary_id, member_id, former_head_relation, reason } = body;
    let decided = Decided::because(access.actor().id, reason);
    let mut tx = access.write().await?;
    let (event, changes) =
        service::head_change(&mut tx, &access.platform().keys, beneficiary_id, (member_id, former_head_relation), decided).await?;
    tx.commit_all(changes).await?;
    Ok(Created(event.try_into()?))
}
