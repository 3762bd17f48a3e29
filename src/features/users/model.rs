//! Rules of accounts: names, passwords, lock-out, and which role fits where. Pure.

use chrono::Datelike;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema, openapi::RefOr};

use crate::platform::error::{Code, Result};
use crate::platform::ids::RegionCode;
use crate::platform::policy::{Agency, Role};
use crate::platform::valid::numberless;
use crate::platform::wire::words;

words! {
    /// What kind of account.
    Kind {
        /// Somebody who signs in with a password.
        Person "person",
        /// A partner system that signs in with a client secret.
        Service "service",
    }
}

words! {
    /// Whether an account may sign in.
    AccountStatus {
        /// It may.
        Active "active",
        /// It may not, and its sessions have ended.
        Disabled "disabled",
    }
}

const NAME: std::ops::RangeInclusive<usize> = 3..=60;
const PASSWORD_MIN: usize = 12;
/// Longer ones would only cost time to hash.
const SECRET_MAX: usize = 200;

/// Whether a name can be an account's: lower-case ASCII, so that no two names look alike.
pub fn is_name(text: &str) -> bool {
    NAME.contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// For validator: [`is_name`], and no NIK or KK number.
pub fn account_name(text: &str) -> std::result::Result<(), validator::ValidationError> {
    if is_name(text) {
        // Who signs in by a NIK would have it in every list and log of accounts.
        numberless(text)
    } else {
        let what = "A name has 3 to 60 characters out of a-z, 0-9, dot, underscore and hyphen.";
        Err(validator::ValidationError::new("account_name").with_message(what.into()))
    }
}

/// A password or client secret as it was sent; shows itself to nobody.
pub struct Secret(String);

impl Secret {
    /// As typed at a prompt or made here.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text, for hashing and for the one answer that tells it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The text to give away.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Refuses one that is guessed too easily.
    pub fn demand_strong(&self, name: &str) -> Result<()> {
        let long = self.0.chars().count() >= PASSWORD_MIN;
        let holds_name = self.0.to_lowercase().contains(&name.to_lowercase());
        if long && !holds_name { Ok(()) } else { Err(Code::PasswordWeak.into()) }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.chars().count() > SECRET_MAX { Err(serde::de::Error::custom("secret_length")) } else { Ok(Secret(text)) }
    }
}

impl PartialSchema for Secret {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .min_length(Some(PASSWORD_MIN))
            .max_length(Some(SECRET_MAX))
            .description(Some("At least 12 characters, without the user name. Never answered, never logged."))
            .into()
    }
}

impl ToSchema for Secret {}

/// For validator: a day that somebody can have meant.
pub fn calendar_day(day: &chrono::NaiveDate) -> std::result::Result<(), validator::ValidationError> {
    if (1900..2200).contains(&day.year()) {
        Ok(())
    } else {
        Err(validator::ValidationError::new("calendar_day").with_message("A day between 1900 and 2199.".into()))
    }
}

/// Failures before an account is suspended.
pub const FAILURES: i32 = 5;
const FIRST_SECONDS: i64 = 30;
const LONGEST_SECONDS: i64 = 900;

/// How long the `failed`th failure in a row suspends signing in: 30 s at the fifth, doubled by each further one, 15 min at most.
pub fn suspension(failed: i32) -> Option<i64> {
    let doublings = u32::try_from(failed.checked_sub(FAILURES)?).ok()?;
    Some(FIRST_SECONDS.checked_shl(doublings.min(16)).map_or(LONGEST_SECONDS, |seconds| seconds.min(LONGEST_SECONDS)))
}

/// Refuses a role at a level where nobody holds it, without the agency it acts for, or with one it does not.
pub fn demand_fit(role: Role, region: &RegionCode, with_agency: bool) -> Result<()> {
    let agency_fits = match role.agency() {
        Agency::Required => with_agency,
        Agency::Never => !with_agency,
    };
    if role.levels().contains(&region.level()) && agency_fits { Ok(()) } else { Err(Code::RoleLevel.into()) }
}

/// Whether an agency of one region has business in another: the one contains the other.
pub fn is_related(agency: &RegionCode, region: &RegionCode) -> bool {
    agency.contains(region) || region.contains(agency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain() {
        for good in ["abc", "village_head-2", "demo.aggregator", "0-0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "ab", "Abc", "a b", "aé-", "a\0b", &"a".repeat(61)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn passwords_are_long_and_do_not_hold_the_name() {
        assert!(Secret::new("sebelas-dua-belas".into()).demand_strong("camat").is_ok());
        assert!(Secret::new("elf zeichen".into()).demand_strong("camat").is_err());
        assert!(Secret::new("xx-CAMAT-xx-1234".into()).demand_strong("camat").is_err());
        assert!(!format!("{:?}", Secret::new("sebelas-dua-belas".into())).contains("sebelas"));
    }

    #[test]
    fn the_first_suspensions() {
        let seconds: Vec<_> = (3..=12).map(suspension).collect();
        assert_eq!(seconds, [None, None, Some(30), Some(60), Some(120), Some(240), Some(480), Some(900), Some(900), Some(900)]);
    }

    proptest! {
        #[test]
        fn suspensions_grow_and_stay_below_a_quarter_of_an_hour(failed in i32::MIN..i32::MAX) {
            let (now, next) = (suspension(failed), suspension(failed + 1));
            prop_assert!(now <= next && next.is_none_or(|seconds| (30..=900).contains(&seconds)));
            prop_assert_eq!(now.is_some(), failed >= FAILURES);
        }
    }

    #[test]
    fn every_role_fits_exactly_at_its_levels_and_with_its_agency() {
        let regions = ["00", "62", "62.02", "62.02.09", "62.02.09.2001"].map(|code| RegionCode::parse(code).unwrap());
        for role in Role::ALL {
            for region in &regions {
                for agency in [false, true] {
                    let fits = role.levels().contains(&region.level()) && agency == (role.agency() == Agency::Required);
                    assert_eq!(demand_fit(*role, region, agency).is_ok(), fits, "{} {region} {agency}", role.name());
                }
            }
        }
    }

    #[test]
    fn agencies_work_above_and_below_but_not_beside() {
        let [regency, village, other] = ["62.02", "62.02.09.2001", "62.05"].map(|code| RegionCode::parse(code).unwrap());
        assert!(is_related(&regency, &village) && is_related(&village, &regency) && !is_related(&regency, &other));
    }
}
