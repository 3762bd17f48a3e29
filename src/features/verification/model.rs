//! The vocabularies of verification, its state machines and rules; pure.

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
