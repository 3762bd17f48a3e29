//! Every refusal has a stable code, one status and one sentence; nothing personal ever stands in any of them.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// What every fallible operation returns.
pub type Result<T> = std::result::Result<T, Error>;

/// *We refuse*, *you sent*, *we failed*.
#[derive(Debug)]
pub enum Error {
    /// A rule says no.
    Refused(Code),
    /// A rule says no, and what stands there now helps to go on.
    RefusedBecause(Code, String),
    /// A rule says no for as many seconds.
    RefusedFor(Code, u64),
    /// What was sent cannot be understood or breaks a limit.
    Invalid(Vec<FieldError>),
    /// Our own failure: the cause goes to the log, never to the answer.
    Internal(anyhow::Error),
}

/// One thing wrong with one field of what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a path such as `members[0].birth_date`, or the name of a query parameter.
    pub path: String,
    /// What, as a stable word.
    #[schema(example = "length")]
    pub code: String,
    /// What to do, as a sentence. Never repeats what was sent.
    pub message: String,
}

impl FieldError {
    /// Builds one from its three parts.
    pub fn new(path: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        FieldError { path: path.into(), code: code.into(), message: message.into() }
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem: its row in the catalogue.
    #[serde(rename = "type")]
    #[schema(example = "/api/v1/errors#not_found")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
    /// The stable code: programs compare this and nothing else.
    #[schema(example = "not_found")]
    pub code: String,
    /// Quote it when asking for help; the log knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The fields at fault, where fields are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// At the token endpoint: the code once more, where RFC 6749 section 5.2 expects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// At the token endpoint: the detail once more, where RFC 6749 section 5.2 expects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

macro_rules! codes {
    ($( $variant:ident $name:literal $status:literal $title:literal $detail:literal; )*) => {
        /// The stable codes. One row a code: name, status, title, what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $( #[doc = $detail] $variant, )* }

        impl Code {
            /// All of them, for the served catalogue.
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];
            /// The name that clients compare.
            pub fn name(self) -> &'static str { match self { $( Code::$variant => $name, )* } }
            /// The HTTP status it is answered with.
            pub fn status(self) -> u16 { match self { $( Code::$variant => $status, )* } }
            /// The kind in a few words.
            pub fn title(self) -> &'static str { match self { $( Code::$variant => $title, )* } }
            /// What to do about it.
            pub fn detail(self) -> &'static str { match self { $( Code::$variant => $detail, )* } }
        }
    };
}

codes! {
    Unauthenticated     "unauthenticated"       401 "Nobody is signed in"        "Send an access token: Authorization: Bearer …, from POST /oauth/token.";
    TokenInvalid        "token_invalid"         401 "The token is not valid"     "The access token is expired, revoked or not ours. Refresh it or sign in again.";
    Forbidden           "forbidden"             403 "Not granted"                "None of your assignments carries the grant that this operation needs. Ask your administrator; GET /api/v1/me lists what you hold.";
    NotFound            "not_found"             404 "Not found"                  "There is no such thing, or it lies outside your regions.";
    RegionNotFound      "region_not_found"      404 "Region not found"           "There is no such region, or it lies outside your regions.";
    MethodNotAllowed    "method_not_allowed"    405 "Method not allowed"         "This address does not serve that method; see the Allow header.";
    NotAcceptable       "not_acceptable"        406 "Not acceptable"             "No content coding that Accept-Encoding allows can be sent; allow identity or gzip.";
    BodyTooSlow         "body_too_slow"         408 "The body did not arrive"    "The rest of the body was waited for in vain; nothing was changed. Send the request again, with the same Idempotency-Key if it had one.";
    VersionStale        "version_stale"         412 "Somebody changed it first"  "The record has changed since you read it. Fetch it again, compare, and send your change with the new ETag.";
    VersionRequired     "version_required"      428 "If-Match is missing"        "Send the ETag that you read as If-Match, so that nobody's change is overwritten unseen.";
    BodyTooLarge        "body_too_large"        413 "Too large"                  "The body is larger than this operation accepts.";
    MediaType           "media_type"            415 "Unsupported media type"     "This operation does not read that content type; see its request body in /docs.";
    Invalid             "invalid"               422 "Invalid"                    "Some of what was sent cannot be accepted; `errors` names each field.";
    TooManyRequests     "too_many_requests"     429 "Too many requests"          "Wait as long as Retry-After says.";
    Unavailable         "unavailable"           503 "Temporarily unavailable"    "The database is away. Nothing was changed; try again after Retry-After seconds.";
    Internal            "internal"              500 "Our failure"                "Something failed on our side and was logged under request_id.";

    KeyReused           "idempotency_key_reused"  422 "Key used for another request" "This Idempotency-Key was sent before with another operation or body. Use a new key for a new request.";
    KeyRunning          "idempotency_key_running" 409 "First request still running"  "The first request with this Idempotency-Key has not finished. Try again in a few seconds.";
    KeyAnswerLost       "idempotency_answer_lost" 409 "Already done"                 "The first request with this Idempotency-Key was carried out, but its answer was not kept. Fetch the record instead of sending again.";

    IdTaken             "id_taken"              409 "Id already used"            "A record with the id that you supplied exists already.";
    AgencyNameTaken     "agency_name_taken"     409 "Agency already registered"  "An agency of this name is on file in this region.";
    UserNameTaken       "user_name_taken"       409 "Name already taken"         "Somebody signs in under this name already; choose another.";
    AssignmentTaken     "assignment_taken"      409 "Already assigned"           "This assignment exists already.";
    RoleLevel           "role_level"            422 "Role does not fit the region" "This role is held at another level of region, or needs (or may not have) an agency; see docs/ROLES.md.";
    FamilyCardTaken     "family_card_taken"     409 "Family card on file"        "A family with this KK number is on file already, here or in another region. Search for it by POST /beneficiaries/search.";
    HeadTaken           "head_taken"            409 "Family has a head"          "The family has a present head already. Change that member's relation first.";
    HeadMissing         "head_missing"          422 "Family without a head"      "A family has exactly one head among its members.";
    MemberElsewhere     "member_elsewhere"      422 "Not a member of this family" "The member named does not belong to the family named.";
    StepNotAllowed      "step_not_allowed"      409 "Step not possible now"      "The record is not in a state from which this step can be taken.";
    PlanNotOpen         "plan_not_open"         409 "Plan is not open"           "The action plan can only be changed while it is a draft or returned.";
    PlanExists          "plan_exists"           409 "Plan exists"                "The agency has a plan for this year already; revise that one.";
    PlanEmpty           "plan_empty"            409 "Plan without activities"    "A plan needs at least one activity before it can be submitted.";
    ActivityInUse       "activity_in_use"       409 "Activity in use"            "Interventions hang on this activity; cancel or deliver them and keep it.";
    PlanNotApproved     "plan_not_approved"     409 "Plan not approved"          "Interventions are planned under an approved or locked plan only.";
    QuarterOutsidePlan  "quarter_outside_plan"  422 "Quarter outside the plan"   "The quarter must lie in the year of the activity's action plan.";
    Overlap             "intervention_overlap"  409 "Overlapping aid"            "The family already has an intervention of the same program in this quarter. If both are right, say why in override_reason.";
    BeneficiaryInactive "beneficiary_inactive"  409 "Family is inactive"         "The family is inactive; reactivate it first.";
    RecordMerged        "record_merged"         409 "Merged into another record" "This record turned out to be another one on file. Fetch it, follow the redirect, and send your change to the record that is kept.";
    PeopleContradict    "people_contradict"     409 "Certainly two people"       "What is on file says that two of the people named as one are two, or that one stands twice afterwards. If the file is wrong, say why in override_reason.";
    LaterEvent          "later_event"           409 "A later event stands"       "One of the families was merged or split again since. Undo the later event first; GET /api/v1/family-events lists them.";
    ProgramNameTaken    "program_name_taken"    409 "Program already registered" "A program of this name is on file in this region.";
    DatasetCodeTaken    "dataset_code_taken"    409 "Dataset already registered" "A dataset of this code is on file in this region.";
    ReleaseTaken        "release_taken"         409 "File already delivered"     "This very file is on file as a release of this dataset.";
    ReleaseNotKept      "release_not_kept"      409 "Release without statements" "Only a release that is imported or kept, and whose statements were kept, can be matched: wait for its job, or deliver the file with mode commit or keep; one that was imported before statements were kept, with mode keep.";
    RunNotDone          "run_not_done"          409 "Run without results"        "The matching run has no results yet; poll its job, or begin another run.";
    DecisionStands      "decision_stands"       409 "Already decided"            "A decision about these two people stands, perhaps from an earlier run. Undo it to decide anew.";
    FourEyes            "four_eyes"             409 "Needs somebody else"        "Whoever took a decision cannot confirm it: a second person has to.";
    ReleasesNotComparable "releases_not_comparable" 422 "Releases not comparable" "Compare two whole releases of one dataset, or two that are keyed by KK number, whose statements were kept (mode `commit` or `keep`).";
    KeysRotating        "keys_rotating"         409 "Keys are being changed"     "The two releases rest under different keys until `entas rotate-keys` has ended. Ask your operator, and try again then.";
    AttachmentKind      "attachment_kind"       422 "Not a photo or document"    "Only JPEG, PNG and PDF files are kept, and the content must be what it says it is.";
    AttachmentUnknown   "attachment_unknown"    422 "Unknown attachment"         "An attachment that is named is not on file in this village. Upload it first by POST /attachments.";
    CampaignNameTaken   "campaign_name_taken"   409 "Campaign already planned"   "A campaign of this name is on file in this regency.";
    CampaignNotOpen     "campaign_not_open"     409 "Campaign is not open"       "Visits, proposals and village results belong to an open campaign.";
    CampaignNotDraft    "campaign_not_draft"    409 "Campaign is not a draft"    "What a campaign checks can only be changed before it is opened.";
    CampaignEmpty       "campaign_empty"        409 "Campaign without families"  "None of the families to check lives in the campaign's subdistricts.";
    CriteriaSetTaken    "criteria_set_taken"    409 "Criteria already registered" "This edition of the criteria is on file; register the next edition.";
    ResultNotOpen       "result_not_open"       409 "The village's result is not open" "The village head has finalised this village's result. Ask for it to be returned, then send the change again.";
    VisitsMissing       "visits_missing"        409 "Families not visited"       "Every assigned family needs a visit that stands before the result is finalised.";
    ConflictsOpen       "conflicts_open"        409 "Contradicting visits"       "Visits that contradict each other have to be settled before the result is finalised.";
    ProposalsOpen       "proposals_open"        409 "Proposals undecided"        "Every open proposal needs a verdict of the meeting, and a review where it resembles a family on file.";
    PostingRunning      "posting_running"       409 "Result still posted"        "The result is posted for objections until the day it states; it moves on after that.";
    PostingOver         "posting_over"          409 "Result not posted"          "Objections are filed while a village's result is posted, from its first to its last day.";
    ObjectionsOpen      "objections_open"       409 "Objections undecided"       "Every objection needs a decision before the result is accepted.";
    ProposalReview      "proposal_review"       409 "May be on file"             "The proposal resembles a family on file. Somebody has to say whether it is that family before it goes on.";
    DraftStands         "target_list_under_way" 409 "A list is under way"        "One target list at a time is drafted in a regency; decree or discard that one first.";
    ListNotReady        "target_list_not_ready" 409 "List not drafted yet"       "The list is still being drafted; poll its job.";
    ListOutdated        "target_list_outdated"  409 "List out of date"           "What the list was drafted from has changed since: draft it anew.";
    DecreeTaken         "decree_number_taken"   409 "Decree number used"         "A target list of this decree number is on file in this regency.";
    MoveStands          "move_stands"           409 "Move already offered"       "A move of this family waits for the receiving village; withdraw it first.";
    FileUnreadable      "file_unreadable"       422 "File cannot be read"        "The upload is neither a readable XLSX workbook nor a CSV text.";
    StorageFull         "storage_full"          507 "No space left"              "The upload could not be stored. Nothing was kept; tell the operator.";
    JobFinished         "job_finished"          409 "Job has ended"              "The job has ended already; there is nothing to cancel.";

    InvalidGrant        "invalid_grant"         400 "Sign-in refused"            "Name or secret, or the refresh token, is not right.";
    InvalidRequest      "invalid_request"       400 "Malformed token request"    "A parameter is missing, repeated or unknown.";
    UnsupportedGrant    "unsupported_grant_type" 400 "Unsupported grant type"    "Use password, refresh_token or client_credentials.";
    InvalidClient       "invalid_client"        401 "Unknown client"             "The service account or its secret is not right.";
    LockedOut           "locked_out"            429 "Too many failed attempts"   "Signing in under this name is suspended. Wait as long as Retry-After says.";
    PasswordWeak        "password_weak"         422 "Password too weak"          "Use at least 12 characters, without your user name.";
    AccountBeyond       "account_beyond"        403 "Account reaches beyond your regions" "This account also holds assignments outside your regions; only an administrator of all of them may change it.";
    OwnAccountKept      "own_account_kept"      409 "Your own account"           "Nobody does this to their own account: ask another administrator, or use POST /api/v1/me/password.";
}

impl Code {
    /// Whether OAuth clients know it: the answer then carries RFC 6749's members too.
    pub fn is_oauth(self) -> bool {
        matches!(self, Code::InvalidGrant | Code::InvalidRequest | Code::UnsupportedGrant | Code::InvalidClient | Code::LockedOut)
    }
}

/// Named constraints and what their breach means. The database decides; nobody checks before inserting.
const CONSTRAINTS: &[(&str, Code)] = &[
    ("agencies_name_taken", Code::AgencyNameTaken),
    ("actors_name_taken", Code::UserNameTaken),
    ("assignments_taken", Code::AssignmentTaken),
    ("beneficiaries_region_known", Code::RegionNotFound),
    ("datasets_region_known", Code::RegionNotFound),
    ("beneficiaries_kk_taken", Code::FamilyCardTaken),
    ("members_one_head", Code::HeadTaken),
    ("action_plans_revision_taken", Code::PlanExists),
    ("interventions_activity_known", Code::ActivityInUse),
    ("programs_name_taken", Code::ProgramNameTaken),
    ("datasets_code_taken", Code::DatasetCodeTaken),
    ("releases_file_taken", Code::ReleaseTaken),
    ("match_decisions_one", Code::DecisionStands),
    ("verification_campaigns_name_taken", Code::CampaignNameTaken),
    ("criteria_sets_edition_taken", Code::CriteriaSetTaken),
    ("target_lists_one_under_way", Code::DraftStands),
    ("target_lists_number_taken", Code::DraftStands),
    ("target_lists_sk_taken", Code::DecreeTaken),
    ("family_moves_one_open", Code::MoveStands),
];

impl Error {
    /// A refusal with one field at fault.
    pub fn field(path: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Invalid(vec![FieldError::new(path, code, message)])
    }

    /// The row of the catalogue that this error is answered with.
    pub fn code(&self) -> Code {
        match self {
            Error::Refused(code) | Error::RefusedBecause(code, _) | Error::RefusedFor(code, _) => *code,
            Error::Invalid(_) => Code::Invalid,
            Error::Internal(_) => Code::Internal,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Internal(cause) => write!(f, "internal: {cause:#}"),
            other => f.write_str(other.code().name()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Error::Refused(code)
    }
}

impl From<anyhow::Error> for Error {
    fn from(cause: anyhow::Error) -> Self {
        match cause.downcast::<Error>() {
            Ok(ours) => ours,
            Err(cause) => Error::Internal(cause),
        }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(cause: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Db};
        match &cause {
            Db::NotFound => Code::NotFound.into(),
            Db::DatabaseError(Kind::ClosedConnection | Kind::ReadOnlyTransaction, _) => Code::Unavailable.into(),
            Db::DatabaseError(kind, info) => {
                let named = info.constraint_name().unwrap_or_default();
                if let Some((_, code)) = CONSTRAINTS.iter().find(|(name, _)| *name == named) {
                    return (*code).into();
                }
                // Inside the scope and yet in no list: the code is well formed and names nothing.
                if matches!(kind, Kind::ForeignKeyViolation) && named.ends_with("_region_known") {
                    return Code::RegionNotFound.into();
                }
                if matches!(kind, Kind::UniqueViolation) && named.ends_with("_pkey") {
                    return Code::IdTaken.into();
                }
                if is_going_away(info.message()) {
                    return Code::Unavailable.into();
                }
                // The database's message may quote a row ("Key (name)=(…)"): only its kind and constraint are kept.
                Error::Internal(anyhow::anyhow!("database: {kind:?} on {named:?} {:?}: {}", info.table_name(), info.message()))
            }
            _ => Error::Internal(anyhow::Error::new(cause).context("database")),
        }
    }
}

fn is_going_away(message: &str) -> bool {
    ["terminating connection", "connection closed", "the database system is", "error communicating with the server"]
        .iter()
        .any(|text| message.contains(text))
}

impl From<super::seal::SealError> for Error {
    fn from(cause: super::seal::SealError) -> Self {
        Error::Internal(anyhow::Error::new(cause).context("sealing"))
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::StorageFull.into(),
            _ => Error::Internal(anyhow::Error::new(cause).context("file")),
        }
    }
}

/// What the log needs to know of a failure that the answer must not tell.
#[derive(Debug, Clone)]
pub struct Cause(pub String);

/// The answer for an error; `request_id` is filled in where the request is known.
pub fn answer(error: &Error, request_id: Option<String>, retry_after: Option<u64>) -> HttpResponse {
    let code = error.code();
    let (detail, errors) = match error {
        Error::RefusedBecause(_, detail) => (detail.clone(), Vec::new()),
        Error::Invalid(errors) => (code.detail().to_owned(), errors.clone()),
        _ => (code.detail().to_owned(), Vec::new()),
    };
    let problem = Problem {
        kind: format!("/api/v1/errors#{}", code.name()),
        title: code.title().to_owned(),
        status: code.status(),
        error: code.is_oauth().then(|| code.name().to_owned()),
        error_description: code.is_oauth().then(|| detail.clone()),
        detail,
        code: code.name().to_owned(),
        request_id,
        errors,
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status).json(problem);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if code.status() == 401 {
        // RFC 6749 section 5.2: the scheme that the client could have used.
        let scheme = match code {
            Code::InvalidClient => "Basic realm=\"entas\"",
            // RFC 6750 section 3.1: a library refreshes its token on this word.
            Code::TokenInvalid => "Bearer realm=\"entas\", error=\"invalid_token\"",
            _ => "Bearer realm=\"entas\"",
        };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    if code.is_oauth() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if matches!(code.status(), 429 | 503) {
        let seconds = if let Error::RefusedFor(_, seconds) = error { Some(*seconds) } else { retry_after };
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.unwrap_or(1)));
    }
    if let Error::Internal(cause) = error {
        response.extensions_mut().insert(Cause(format!("{cause:#}")));
    }
    response
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        answer(self, None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oauth_descriptions_keep_to_the_characters_of_rfc_6749() {
        for code in Code::ALL.iter().filter(|code| code.is_oauth()) {
            let allowed = |c: char| matches!(c, '\u{20}'..='\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}');
            assert!(code.name().chars().all(allowed) && code.detail().chars().all(allowed), "{}", code.name());
        }
    }
}
