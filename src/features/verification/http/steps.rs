//! The hand-overs of a village's result: from the village to the camat, to the regency, and back.

use anyhow::Context;
use chrono::{NaiveDate, TimeDelta, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::super::acceptance::{self, NotApplied};
use super::super::model::{MeetingKind, ResultStep, posted_until};
use super::super::store::objections;
use super::super::store::results::{self, VillageResult};
use super::results::{VillageResultOut, shown};
use crate::features::attachments;
use crate::mount;
use crate::platform::access::Access;
use crate::platform::answers::Found;
use crate::platform::api::Api;
use crate::platform::changes::Change;
use crate::platform::db::Tx;
use crate::platform::edit::IfGiven;
use crate::platform::error::{Code, Error, Result};
use crate::platform::list::Path;
use crate::platform::policy::{Grant, ResultsAccept, ResultsFinalise, ResultsForward};
use crate::platform::valid::{Optional, Valid, numberless, printable, unnumbered};

/// Mounts the steps.
pub fn operations(api: &mut Api) {
    mount!(api, finalise, withdraw, forward, give_back, recall, send_back, accept, reopen);
}

/// How the village confirmed its result.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeetingHeld {
    /// Meeting, or a letter instead of one.
    kind: MeetingKind,
    /// Number of the minutes (berita acara) or of the letter.
    #[validate(length(min = 1, max = 100), custom(function = printable))]
    #[schema(min_length = 1, max_length = 100, example = "140/07/BA-MD/2026")]
    number: String,
    /// Its day; not in the future.
    held_on: NaiveDate,
    /// How many came; required of a meeting.
    #[validate(range(min = 1, max = 100_000))]
    #[schema(minimum = 1, maximum = 100000)]
    attendants: Option<i32>,
    /// Who chaired it; required of a meeting.
    #[validate(length(min = 1, max = 200), custom(function = numberless))]
    #[schema(min_length = 1, max_length = 200)]
    chair: Option<String>,
    /// The minutes, or the letter: an attachment of this village.
    minutes_id: Uuid,
    /// The list of those who came: an attachment of this village.
    attendance_id: Option<Uuid>,
}

/// The village head's signature under a result.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultFinalise {
    /// How it was confirmed.
    #[validate(nested)]
    meeting: MeetingHeld,
    /// First day of the posting; today where absent. Not before the meeting and at most 30 days from now.
    posted_from: Option<NaiveDate>,
    /// Last day of the posting, at most 60 days after the first; instead of `posting_days`.
    posted_until: Option<NaiveDate>,
    /// For how many days residents can object; 7 where absent, 0 where nothing is posted.
    #[validate(range(max = 60))]
    #[schema(minimum = 0, maximum = 60, default = 7)]
    posting_days: Option<u16>,
}

impl ResultFinalise {
    /// The days of the posting, or what is wrong with them.
    fn posting(&self, today: NaiveDate) -> Result<Option<(NaiveDate, NaiveDate)>> {
        let meeting = &self.meeting;
        if meeting.held_on > today {
            return Err(Error::field("meeting.held_on", "range", "The meeting has been held: its day lies not in the future."));
        }
        if meeting.kind != MeetingKind::Sptjm {
            for (field, missing) in [("attendants", meeting.attendants.is_none()), ("chair", meeting.chair.is_none())] {
                if missing {
                    return Err(Error::field(
                        format!("meeting.{field}"),
                        "required",
                        "A meeting has attendants and a chair; only a letter (sptjm) has none.",
                    ));
                }
            }
        }
        let from = self.posted_from.unwrap_or(today);
        let until = match (self.posted_until, self.posting_days) {
            (Some(_), Some(_)) => return Err(Error::field("posting_days", "one_of", "Send `posted_until` or `posting_days`, not both.")),
            (Some(until), None) => Some(until),
            (None, days) => posted_until(from, days.unwrap_or(7)),
        };
        if from < meeting.held_on || from > today + TimeDelta::days(30) {
            return Err(Error::field("posted_from", "range", "A result is posted after its meeting, and within the next 30 days."));
        }
        if until.is_some_and(|until| until < from || until > from + TimeDelta::days(60)) {
            return Err(Error::field("posted_until", "range", "The last day of a posting lies at most 60 days after its first."));
        }
        Ok(until.map(|until| (from, until)))
    }
}

/// Why a step is taken back, or what to mend.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultNote {
    /// For the other side to read; kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000, example = "Lampiran daftar hadir belum ada")]
    note: String,
}

/// A word with a step.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultWord {
    /// For others to read; kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000)]
    note: Option<String>,
}

/// The camat's covering letter.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultForward {
    /// Number of the letter (surat pengantar).
    #[validate(length(min = 1, max = 100), custom(function = printable))]
    #[schema(min_length = 1, max_length = 100, example = "400/112/Kec-PH/2026")]
    letter_number: String,
    /// For the regency to read; kept for ever, without NIK or KK numbers.
    #[validate(length(min = 3, max = 1000), custom(function = unnumbered))]
    #[schema(min_length = 3, max_length = 1000)]
    note: Option<String>,
}

/// The row after a step, not yet stored.
fn stepped(old: &VillageResult, step: ResultStep, by: Uuid, note: Option<String>) -> Result<VillageResult> {
    let state = old.standing()?.after(step).ok_or(Code::StepNotAllowed)?;
    let now = Some(Utc::now());
    let mut new = old.clone();
    new.state = state.name().into();
    new.note = note;
    match step {
        ResultStep::Finalise => (new.finalised_at, new.finalised_by) = (now, Some(by)),
        ResultStep::Forward => (new.forwarded_at, new.forwarded_by) = (now, Some(by)),
        ResultStep::Accept => (new.accepted_at, new.accepted_by) = (now, Some(by)),
        ResultStep::Recall => (new.forwarded_at, new.forwarded_by, new.forward_letter) = (None, None, None),
        ResultStep::Withdraw | ResultStep::Return | ResultStep::SendBack | ResultStep::Reopen => {
            (new.returned_at, new.returned_by) = (now, Some(by));
        }
    }
    Ok(new)
}

/// Stores a step and tells it.
async fn store_step(mut tx: Tx, old: VillageResult, new: VillageResult, action: &'static str) -> Result<Found<VillageResultOut>> {
    let new = results::update(&mut tx, &new).await?;
    let out = shown(&tx, new.id).await?;
    tx.commit([Change::turned(action, &old, &new).because(new.note.clone())]).await?;
    Ok(Found(out))
}

/// A step that needs nothing but its state and a reason. What goes back to the village needs an open campaign: there is no way on in
/// one that is over.
async fn simple<G: Grant>(
    access: Access<G>,
    id: Uuid,
    read: IfGiven,
    (step, action): (ResultStep, &'static str),
    note: Option<String>,
) -> Result<Found<VillageResultOut>> {
    let tx = access.write().await?;
    let old = results::find_to_change(&tx, id, read).await?;
    let new = stepped(&old, step, access.actor().id, note)?;
    if new.standing()?.is_open() {
        results::demand_campaign_open(&tx, &old).await?;
    }
    store_step(tx, old, new, action).await
}

/// Finalise a village result
///
/// By the village head, after the meeting; from `open` or `returned`. Refused with `visits_missing`, `conflicts_open` or
/// `proposals_open` while something is undone; the detail says how much. From then on nothing of it changes until it goes back. While
/// it is posted residents object (`POST /objections`).
#[utoipa::path(post, path = "/village-results/{id}/finalise")]
async fn finalise(
    access: Access<ResultsFinalise>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultFinalise>,
) -> Result<Found<VillageResultOut>> {
    let posting = body.posting(Utc::now().date_naive())?;
    let tx = access.write().await?;
    let old = results::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, ResultStep::Finalise, access.actor().id, None)?;
    results::demand_campaign_open(&tx, &old).await?;
    demand_done(&tx, id).await?;
    let MeetingHeld { kind, number, held_on, attendants, chair, minutes_id, attendance_id } = body.meeting;
    let files: Vec<Uuid> = [Some(minutes_id), attendance_id].into_iter().flatten().collect();
    attachments::demand(&tx, &old.village(), &files).await?;
    new.meeting_kind = Some(kind.name().into());
    new.meeting_number = Some(number);
    new.meeting_on = Some(held_on);
    new.meeting_attendants = attendants;
    new.meeting_chair = chair;
    new.minutes_id = Some(minutes_id);
    new.attendance_id = attendance_id;
    // Signed anew, it stays posted as long as it was before: what residents were promised is not taken back.
    let promised = old.posted_until.filter(|until| *until >= Utc::now().date_naive());
    (new.posted_from, new.posted_until) = match (posting, promised) {
        (Some((from, until)), Some(promised)) => (Some(old.posted_from.unwrap_or(from).min(from)), Some(until.max(promised))),
        (None, Some(promised)) => (old.posted_from, Some(promised)),
        (posting, None) => posting.unzip(),
    };
    store_step(tx, old, new, "finalised").await
}

/// Refuses while something is undone in a village, and says how much.
async fn demand_done(tx: &Tx, id: Uuid) -> Result<()> {
    let work = results::open_work(tx, id).await?;
    if work.missing > 0 {
        let told =
            format!("{} of the assigned families have no visit that stands yet: visit them before the result is finalised.", work.missing);
        return Err(Error::RefusedBecause(Code::VisitsMissing, told));
    }
    if work.conflicts > 0 {
        let told = format!("{} visits contradict the one that stands: settle which one counts.", work.conflicts);
        return Err(Error::RefusedBecause(Code::ConflictsOpen, told));
    }
    let stale = results::stale_verdicts(tx, id).await?;
    if stale > 0 {
        let told = format!(
            "{stale} verdicts of the meeting are older than the visit that counts and say otherwise: record the meeting's verdict on these families anew."
        );
        return Err(Error::RefusedBecause(Code::ConflictsOpen, told));
    }
    if work.unreviewed > 0 || work.undecided > 0 {
        let told = format!(
            "{} open proposals resemble a family on file or another proposal and wait for a review; {} open proposals have no verdict of the meeting.",
            work.unreviewed, work.undecided
        );
        return Err(Error::RefusedBecause(Code::ProposalsOpen, told));
    }
    Ok(())
}

/// Take a finalised result back
///
/// By the village head, before the camat acted; it is `returned` and the village works on.
#[utoipa::path(post, path = "/village-results/{id}/withdraw")]
async fn withdraw(
    access: Access<ResultsFinalise>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultNote>,
) -> Result<Found<VillageResultOut>> {
    simple(access, id, read, (ResultStep::Withdraw, "withdrawn"), Some(body.note)).await
}

/// Forward a finalised result
///
/// By the camat, to the regency, with a letter. Refused with `posting_running` while residents can still object.
#[utoipa::path(post, path = "/village-results/{id}/forward")]
async fn forward(
    access: Access<ResultsForward>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultForward>,
) -> Result<Found<VillageResultOut>> {
    let ResultForward { letter_number, note } = body;
    let tx = access.write().await?;
    let old = results::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, ResultStep::Forward, access.actor().id, note)?;
    if let Some(until) = old.posted_until.filter(|until| Utc::now().date_naive() <= *until) {
        return Err(Error::RefusedBecause(
            Code::PostingRunning,
            format!("The result is posted for objections until {until}; forward it after that day."),
        ));
    }
    new.forward_letter = Some(letter_number);
    store_step(tx, old, new, "forwarded").await
}

/// Return a finalised result
///
/// By the camat, to the village, which mends it and finalises it again.
#[utoipa::path(post, path = "/village-results/{id}/return")]
async fn give_back(
    access: Access<ResultsForward>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultNote>,
) -> Result<Found<VillageResultOut>> {
    simple(access, id, read, (ResultStep::Return, "returned"), Some(body.note)).await
}

/// Take a forwarding back
///
/// By the camat, before the regency acted; the result is `finalised` again.
#[utoipa::path(post, path = "/village-results/{id}/recall")]
async fn recall(
    access: Access<ResultsForward>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultNote>,
) -> Result<Found<VillageResultOut>> {
    simple(access, id, read, (ResultStep::Recall, "recalled"), Some(body.note)).await
}

/// Send a forwarded result back
///
/// By the regency, to the village; from there it comes again by way of the camat.
#[utoipa::path(post, path = "/village-results/{id}/send-back")]
async fn send_back(
    access: Access<ResultsAccept>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultNote>,
) -> Result<Found<VillageResultOut>> {
    simple(access, id, read, (ResultStep::SendBack, "sent_back"), Some(body.note)).await
}

/// Accept a forwarded result
///
/// By the regency (Dinsos or Bappeda); target lists are drafted from it. In the same transaction what the visits found is carried into
/// the families' records with `verified` as its origin: corrected identifiers, housing and means, who died or left. A family of which
/// nobody lives, or that left the regency, becomes inactive; one that was not found, stands twice or moved within the regency keeps
/// its record, for that needs a person, a merge or a move. Confirmed proposals are registered, the others become `rejected`. What
/// cannot be carried over (a KK number that another family has, a member who left) stops nothing: `not_applied` names it. Refused
/// with `objections_open` while an objection waits in time for its decision, or one was upheld and nothing about its subject
/// (visit, verdict or proposal) came since; with `proposal_review` when a proposed family's number came on file meanwhile.
#[utoipa::path(post, path = "/village-results/{id}/accept")]
async fn accept(
    access: Access<ResultsAccept>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Optional(body): Optional<ResultWord>,
) -> Result<Found<VillageResultOut>> {
    let mut tx = access.write().await?;
    let old = results::find_to_change(&tx, id, read).await?;
    let mut new = stepped(&old, ResultStep::Accept, access.actor().id, body.note)?;
    let (open, unmended) = (objections::open(&tx, id).await?, objections::unmended(&tx, id).await?);
    if open > 0 || unmended > 0 {
        let told = format!(
            "{open} objections wait for a decision; {unmended} were upheld and nothing about their subject has changed since: send the result back so that the village mends it."
        );
        return Err(Error::RefusedBecause(Code::ObjectionsOpen, told));
    }
    let (not_applied, carried) = acceptance::carry(&mut tx, &access.platform().keys, &old).await?;
    // What a former acceptance could not carry over is still to be seen to, as long as the visit stands that said it.
    let mut left: Vec<NotApplied> = serde_json::from_value(old.not_applied.clone()).context("what was not applied before")?;
    let standing = results::standing_ids(&tx, id).await?;
    left.retain(|one| one.visit_id.is_some_and(|visit| standing.contains(&visit)));
    left.extend(not_applied);
    new.not_applied = serde_json::to_value(left).context("what was not applied")?;
    let new = results::update(&mut tx, &new).await?;
    let out = shown(&tx, id).await?;
    let mut changes = vec![Change::turned("accepted", &old, &new).because(new.note.clone())];
    changes.extend(carried);
    tx.commit_all(changes).await?;
    Ok(Found(out))
}

/// Reopen an accepted result
///
/// By the regency; the village mends it and it comes again. What the acceptance carried into the families' records stays there, as
/// their history tells; target lists that were decreed stay as they are.
#[utoipa::path(post, path = "/village-results/{id}/reopen")]
async fn reopen(
    access: Access<ResultsAccept>,
    Path(id): Path<Uuid>,
    read: IfGiven,
    Valid(body): Valid<ResultNote>,
) -> Result<Found<VillageResultOut>> {
    simple(access, id, read, (ResultStep::Reopen, "reopened"), Some(body.note)).await
}
