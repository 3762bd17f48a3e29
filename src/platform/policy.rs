//! The one table *grant → roles*; nothing else in the code compares roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::Level;

macro_rules! roles {
    ($( $variant:ident $name:literal $who:literal $levels:expr, $agency:expr; )*) => {
        /// What somebody is in a region (and, for some roles, in an agency).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Role { $( #[doc = $who] $variant, )* }

        impl Role {
            /// All roles in the order of the roles table.
            pub const ALL: &'static [Role] = &[ $( Role::$variant, )* ];
            /// Its name on the wire and in the database.
            pub fn name(self) -> &'static str { match self { $( Role::$variant => $name, )* } }
            /// Who holds it.
            pub fn who(self) -> &'static str { match self { $( Role::$variant => $who, )* } }
            /// The levels of region at which it is held.
            pub fn levels(self) -> &'static [Level] { match self { $( Role::$variant => $levels, )* } }
            /// Whether an assignment names an agency.
            pub fn agency(self) -> Agency { match self { $( Role::$variant => $agency, )* } }
        }
    };
}

/// Whether an assignment of a role names an agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agency {
    /// It must: the role acts for one agency.
    Required,
    /// It must not.
    Never,
}

use Level::{Country, Province, Regency, Subdistrict, Village};

roles! {
    Administrator      "administrator"       "Diskominfo"                      &[Regency, Province, Country], Agency::Never;
    Coordinator        "coordinator"         "Bappeda, TKPK secretariat"       &[Regency], Agency::Never;
    SocialAffairs      "social_affairs"      "Dinsos"                          &[Regency], Agency::Never;
    CivilRegistry      "civil_registry"      "Disdukcapil"                     &[Regency], Agency::Never;
    AgencyPlanner      "agency_planner"      "staff of a perangkat daerah"     &[Regency], Agency::Required;
    AgencyHead         "agency_head"         "head of a perangkat daerah"      &[Regency], Agency::Required;
    SubdistrictOfficer "subdistrict_officer" "camat"                           &[Subdistrict], Agency::Never;
    VillageOperator    "village_operator"    "operator of a desa or kelurahan" &[Village], Agency::Never;
    VillageHead        "village_head"        "kepala desa, lurah"              &[Village], Agency::Never;
    Leadership         "leadership"          "bupati, sekda, TKPK chair"       &[Regency, Province], Agency::Never;
    Partner            "partner"             "company"                         &[Regency], Agency::Required;
    ProvinceObserver   "province_observer"   "provincial Bappeda, aggregators" &[Province, Country], Agency::Never;
    Auditor            "auditor"             "inspektorat"                     &[Regency, Province, Country], Agency::Never;
}

impl Role {
    /// The role of that name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// A grant: a right to one kind of operation, held through assignments whose role carries it.
pub trait Grant: 'static {
    /// Its name, as GET /me and the OpenAPI document show it.
    const NAME: &'static str;
    /// What it allows, for docs/ROLES.md.
    const WHAT: &'static str;
    /// The roles that carry it; `None` means that every signed-in actor holds it, even without an assignment.
    const ROLES: Option<&'static [Role]>;
}

/// One row of the policy table as data, for `/me`, docs/ROLES.md and the sweeps.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The grant's name.
    pub name: &'static str,
    /// What it allows.
    pub what: &'static str,
    /// The roles that carry it; `None` = every signed-in actor.
    pub roles: Option<&'static [Role]>,
}

impl Row {
    /// Whether a role carries this grant.
    pub fn allows(&self, role: Role) -> bool {
        self.roles.is_none_or(|roles| roles.contains(&role))
    }
}

macro_rules! grants {
    ($( $grant:ident $name:literal $what:literal: $roles:expr; )*) => {
        $( #[doc = $what] #[derive(Debug)] pub struct $grant;
           impl Grant for $grant {
               const NAME: &'static str = $name;
               const WHAT: &'static str = $what;
               const ROLES: Option<&'static [Role]> = $roles;
           } )*
        /// The whole policy.
        pub const POLICY: &[Row] = &[ $( Row { name: $name, what: $what, roles: $roles }, )* ];
    };
}

use Role::*;

grants! {
    OwnAccount           "own_account"            "see and keep one's own account":                              None;
    RegionsRead          "regions_read"           "read the region list":                                        None;
    AgenciesRead         "agencies_read"          "read agencies":                                               Some(Role::ALL);
    AgenciesWrite        "agencies_write"         "register and edit agencies":                                  Some(&[Administrator]);
    UsersRead            "users_read"             "read accounts and assignments":                               Some(&[Administrator, Auditor]);
    UsersWrite           "users_write"            "register accounts, assign roles, lock and unlock":            Some(&[Administrator]);
    BeneficiariesRead    "beneficiaries_read"     "read families and members, numbers masked":                   Some(&[Coordinator, SocialAffairs, CivilRegistry, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    WelfareRead          "welfare_read"           "see decile, needs and living conditions of families":         Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    BeneficiariesWrite   "beneficiaries_write"    "register and edit families and members":                      Some(&[Coordinator, SocialAffairs]);
    BeneficiariesDisclose "beneficiaries_disclose" "see full NIK and KK numbers, recorded for ever":             Some(&[Coordinator, SocialAffairs, CivilRegistry]);
    DatasetsRead         "datasets_read"          "read datasets, releases and rejects":                         Some(&[Coordinator, SocialAffairs, Auditor]);
    DatasetsWrite        "datasets_write"         "register datasets and deliver releases":                      Some(&[Coordinator]);
    MatchingRead         "matching_read"          "read matching runs, pairs and decisions, numbers masked":      Some(&[Coordinator, SocialAffairs, CivilRegistry, Auditor]);
    MatchingWrite        "matching_write"         "begin matching runs":                                         Some(&[Coordinator]);
    MatchesDecide        "matches_decide"         "decide whether two records are one person":                   Some(&[Coordinator, SocialAffairs, CivilRegistry]);
    WorkListsTake        "work_lists_take"        "take home work lists of a matching run, recorded for ever; full numbers only with beneficiaries_disclose": Some(&[Coordinator, SocialAffairs, CivilRegistry]);
    ReleasesDisclose     "releases_disclose"      "take home refused rows with full numbers, recorded for ever": Some(&[Coordinator, SocialAffairs]);
    ProgramsRead         "programs_read"          "read programs":                                               Some(Role::ALL);
    ProgramsWrite        "programs_write"         "register and edit programs":                                  Some(&[Coordinator]);
    ActionPlansRead      "action_plans_read"      "read action plans and activities":                            Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, Leadership, Auditor]);
    ActionPlansWrite     "action_plans_write"     "draft one's agency's action plans and activities":            Some(&[AgencyPlanner, AgencyHead]);
    ActionPlansSubmit    "action_plans_submit"    "submit one's agency's action plans":                          Some(&[AgencyHead]);
    ActionPlansApprove   "action_plans_approve"   "approve or return action plans":                              Some(&[Coordinator, Leadership]);
    ActionPlansLock      "action_plans_lock"      "lock approved action plans":                                  Some(&[Coordinator]);
    InterventionsRead    "interventions_read"     "read the interventions of families":                          Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    InterventionsWrite   "interventions_write"    "plan, deliver and cancel one's agency's interventions":       Some(&[AgencyPlanner]);
    AttachmentsRead      "attachments_read"       "read photos and documents of families and meetings, every reading recorded; evidence of objections only with objections_decide or as its sender": Some(&[Coordinator, SocialAffairs, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    AttachmentsWrite     "attachments_write"      "send photos and documents":                                   Some(&[Coordinator, SocialAffairs, SubdistrictOfficer, VillageOperator, VillageHead, Leadership]);
    CampaignsRead        "campaigns_read"         "read verification campaigns, their criteria and assignments": Some(&[Coordinator, SocialAffairs, SubdistrictOfficer, VillageOperator, VillageHead, Leadership, Auditor]);
    CampaignsWrite       "campaigns_write"        "plan, open and close verification campaigns":                 Some(&[Coordinator, SocialAffairs]);
    VerificationRead     "verification_read"      "read visits, proposals, village results and objections":      Some(&[Coordinator, SocialAffairs, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    PacketsTake          "packets_take"           "take a village's assignments along for work without a network, recorded": Some(&[VillageOperator]);
    VisitsWrite          "visits_write"           "record visits":                                               Some(&[VillageOperator]);
    VisitsSettle         "visits_settle"          "settle visits that contradict each other":                    Some(&[VillageHead, SocialAffairs, Coordinator]);
    ProposalsWrite       "proposals_write"        "propose families that are not on the list":                   Some(&[VillageOperator]);
    ProposalsReview      "proposals_review"       "judge whether a proposed family is on file already":          Some(&[SocialAffairs, Coordinator]);
    MeetingsRecord       "meetings_record"        "record what the village meeting decided":                     Some(&[VillageOperator, VillageHead]);
    ResultsFinalise      "results_finalise"       "finalise a village's result after its meeting, or take that back": Some(&[VillageHead]);
    ResultsForward       "results_forward"        "forward or return the results of one's villages, or take that back": Some(&[SubdistrictOfficer]);
    ResultsAccept        "results_accept"         "accept or send back forwarded results, or reopen accepted ones": Some(&[SocialAffairs, Coordinator]);
    ObjectionsFile       "objections_file"        "file objections (usul, sanggah) for residents":               Some(&[VillageOperator, VillageHead, SubdistrictOfficer, SocialAffairs]);
    ObjectionsWithdraw   "objections_withdraw"    "take back an objection that one filed oneself; the regency, anybody's": Some(&[VillageOperator, SocialAffairs, Coordinator]);
    ObjectionsDecide     "objections_decide"      "decide objections; see who objects and by what evidence":     Some(&[SocialAffairs, Coordinator]);
    TargetListsRead      "target_lists_read"      "read target lists and their figures":                         Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Leadership, ProvinceObserver, Auditor]);
    TargetEntriesRead    "target_entries_read"    "read the families of target lists and why they are on or off": Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Auditor]);
    TargetListsWrite     "target_lists_write"     "draft, submit and discard target lists":                      Some(&[Coordinator]);
    TargetListsDecree    "target_lists_decree"    "decree or return submitted target lists":                     Some(&[Leadership]);
    TargetListsExport    "target_lists_export"    "take home the annex of a target list, recorded for ever; full numbers only with beneficiaries_disclose": Some(&[Coordinator, SocialAffairs]);
    MovesOffer           "moves_offer"            "offer a family that moved to its new village":                Some(&[VillageOperator, Coordinator, SocialAffairs]);
    MovesDecide          "moves_decide"           "accept or decline a family that another village offers":      Some(&[VillageOperator, VillageHead]);
    FamilyEventsReport   "family_events_report"   "record births, deaths and changes of head, take back one's own":                   Some(&[VillageOperator, Coordinator, SocialAffairs]);
    MonitoringRead       "monitoring_read"        "read aggregates and rankings":                                Some(&[Coordinator, SocialAffairs, AgencyPlanner, AgencyHead, SubdistrictOfficer, VillageOperator, VillageHead, Leadership, ProvinceObserver, Auditor]);
    ChangesRead          "changes_read"           "follow the change feed":                                      Some(&[Coordinator, ProvinceObserver, Auditor]);
    AuditRead            "audit_read"             "read the audit log":                                          Some(&[Auditor]);
    JobsRead             "jobs_read"              "see jobs and their progress":                                 Some(&[Coordinator, SocialAffairs, Auditor]);
    JobsCancel           "jobs_cancel"            "cancel jobs":                                                 Some(&[Coordinator]);
}
