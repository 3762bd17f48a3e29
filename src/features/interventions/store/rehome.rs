//! SQL of aid that follows a family which was merged or split.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Family, Intervention};
use crate::platform::changes::Change;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::{beneficiaries, interventions};

/// Where an intervention was before it followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Followed {
    /// The intervention.
    pub id: Uuid,
    /// Its family.
    pub family: Uuid,
    /// The member it is for.
    pub member: Option<Uuid>,
}

/// An intervention and where it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Follows {
    /// The family.
    pub family: Uuid,
    /// The member it is for.
    pub member: Option<Uuid>,
}

/// Lets the interventions of these families follow as told; `to` names none where one stays. The caller has found and locked
/// the families, which keeps planners away.
pub async fn follow(
    tx: &mut Tx,
    families: &[Uuid],
    mut to: impl FnMut(&Intervention) -> Option<Follows>,
) -> Result<(Vec<Followed>, Vec<Change>)> {
    let homes: Vec<Family> = beneficiaries::table
        .filter(tx.scope().within(beneficiaries::region_code))
        .filter(beneficiaries::id.eq_any(families))
        .select(Family::as_select())
        .load(&mut tx.on())
        .await?;
    let rows: Vec<Intervention> = interventions::table
        .filter(interventions::beneficiary_id.eq_any(homes.iter().map(|home| home.id).collect::<Vec<_>>()))
        .select(Intervention::as_select())
        .order(interventions::id)
        .for_update()
        .load(&mut tx.on())
        .await?;
    let home_of = |id: Uuid| homes.iter().find(|home| home.id == id);
    let (mut followed, mut changes) = (Vec::new(), Vec::new());
    for old in rows {
        let Some(Follows { family, member }) = to(&old) else { continue };
        let new: Intervention = diesel::update(interventions::table.filter(interventions::id.eq(old.id)))
            .set((
                interventions::beneficiary_id.eq(family),
                interventions::member_id.eq(member),
                interventions::version.eq(interventions::version + 1),
                interventions::updated_at.eq(diesel::dsl::now),
            ))
            .returning(Intervention::as_returning())
            .get_result(&mut tx.on())
            .await?;
        if let (Some(from), Some(home)) = (home_of(old.beneficiary_id), home_of(family)) {
            changes.push(Change::turned("followed_family", &old.of(from), &new.of(home)));
        }
        followed.push(Followed { id: old.id, family: old.beneficiary_id, member: old.member_id });
    }
    Ok((followed, changes))
}
