//! Which columns a register has and what they mean. A profile is TOML; two are shipped (see `data/linkage/`).

use serde::Deserialize;

/// What a column holds. The kind decides how it is normalised, compared and used for blocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The row's own key; opaque, never compared.
    Id,
    /// A number that belongs to one person for life.
    NationalId,
    /// A number that the members of one family share.
    FamilyId,
    /// The source's own key of the family. It says which rows of its register belong together, and is compared with nothing: the other
    /// register's keys are others.
    FamilyGroup,
    /// A whole name. The first such field is the person's, further ones are relatives' (mother, father).
    PersonName,
    /// A given name, where the surname stands in a column of its own.
    GivenName,
    /// A surname, where the given name stands in a column of its own.
    Surname,
    /// A date; the first one is taken for the birth date.
    Date,
    /// Sex.
    Sex,
    /// A place name, such as the birth place.
    Place,
    /// Free text, such as an address line.
    Text,
    /// A code: of a region (with `hierarchy`), a postcode, a relation to the head of the family.
    Code,
    /// A number, such as a street number or RT.
    Number,
}

/// The most fields a profile may have beside the id.
pub const MOST_FIELDS: usize = 32;

/// One column of the profile.
#[derive(Debug, Clone)]
pub struct Field {
    /// The stable name by which explanations refer to the column.
    pub key: String,
    /// What the column holds.
    pub kind: Kind,
    /// The headers it may have in the left file; letter case does not matter.
    pub left: Vec<String>,
    /// The headers it may have in the right file.
    pub right: Vec<String>,
    /// Fields with one word here are compared jointly, because they depend on one another.
    pub joint: Option<String>,
    /// For numbers built like a NIK: six digits region, six digits date, four digits serial.
    pub structured: bool,
    /// For codes: the prefix lengths at which two codes share a wider region, in ascending order.
    pub hierarchy: Vec<u8>,
    /// Whether a file without the column is an error.
    pub required: bool,
}

/// A list of columns, the spelling tables to use, and the limits between the zones.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name, for reports.
    pub name: String,
    /// The spelling tables: `indonesian`, `neutral`, or TOML text given by the caller.
    pub spelling: String,
    /// The columns, the id among them.
    pub fields: Vec<Field>,
    /// From this probability on a pair is a match.
    pub match_from: f64,
    /// From this probability on a pair is worth a clerk's look.
    pub review_from: f64,
}

/// A profile that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("profile: {0}")]
pub struct ProfileError(pub String);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    key: Option<String>,
    kind: Kind,
    header: Option<OneOrMany>,
    left: Option<OneOrMany>,
    right: Option<OneOrMany>,
    joint: Option<String>,
    structured: Option<bool>,
    hierarchy: Option<Vec<u8>>,
    required: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileText {
    name: Option<String>,
    spelling: Option<String>,
    match_from: Option<f64>,
    review_from: Option<f64>,
    #[serde(default)]
    field: Vec<FieldText>,
}

/// The shipped profile for Indonesian registers.
pub const INDONESIAN: &str = include_str!("../../data/linkage/indonesian.toml");
/// The shipped profile for registers with given names and surnames.
pub const NEUTRAL: &str = include_str!("../../data/linkage/neutral.toml");

impl Profile {
    /// The shipped profile of that name.
    pub fn shipped(name: &str) -> Option<Result<Self, ProfileError>> {
        match name {
            "indonesian" => Some(Self::parse(INDONESIAN)),
            "neutral" => Some(Self::parse(NEUTRAL)),
            _ => None,
        }
    }

    /// Reads a profile from TOML.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let raw: ProfileText = toml::from_str(text).map_err(|error| ProfileError(error.to_string().trim_end().replace('\n', " ")))?;
        let mut fields = Vec::new();
        for field in raw.field {
            fields.push(read_field(field)?);
        }
        let profile = Self {
            name: raw.name.unwrap_or_else(|| "own".to_owned()),
            spelling: raw.spelling.unwrap_or_else(|| "neutral".to_owned()),
            fields,
            match_from: raw.match_from.unwrap_or(0.95),
            review_from: raw.review_from.unwrap_or(0.05),
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let fail = |text: String| Err(ProfileError(text));
        let ids = self.fields.iter().filter(|field| field.kind == Kind::Id).count();
        if ids != 1 {
            return fail(format!("exactly one field has kind = \"id\"; there are {ids}"));
        }
        if self.fields.len() < 2 {
            return fail("there is nothing to compare but the id".to_owned());
        }
        if self.fields.len() > MOST_FIELDS + 1 {
            return fail(format!("at most {MOST_FIELDS} fields can be compared"));
        }
        for (n, field) in self.fields.iter().enumerate() {
            if self.fields.iter().take(n).any(|other| other.key == field.key) {
                return fail(format!("two fields have the key {}", field.key));
            }
            if field.hierarchy.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) || field.hierarchy.len() > 3 {
                return fail(format!("{}: the hierarchy has at most three lengths in ascending order", field.key));
            }
        }
        if !(0.0 < self.review_from && self.review_from <= self.match_from && self.match_from < 1.0) {
            return fail("0 < review_from <= match_from < 1 is needed".to_owned());
        }
        Ok(())
    }

    /// The fields that are compared: all but the id, in the order of the profile. Values are given in this order.
    pub fn compared(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.kind != Kind::Id)
    }

    /// The field that names the rows.
    pub fn id(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.kind == Kind::Id)
    }
}

fn read_field(raw: FieldText) -> Result<Field, ProfileError> {
    let both = raw.header.map(OneOrMany::list).unwrap_or_default();
    let left = raw.left.map_or_else(|| both.clone(), OneOrMany::list);
    let right = raw.right.map_or(both, OneOrMany::list);
    let key = match (raw.key, left.first().or(right.first())) {
        (Some(key), _) => key,
        (None, Some(header)) => header.clone(),
        (None, None) => return Err(ProfileError("a field has neither key nor header".to_owned())),
    };
    let own = |list: Vec<String>| if list.is_empty() { vec![key.clone()] } else { list };
    let (left, right) = (own(left), own(right));
    Ok(Field {
        kind: raw.kind,
        joint: raw.joint,
        structured: raw.structured.unwrap_or(false),
        hierarchy: raw.hierarchy.unwrap_or_default(),
        required: raw.required.unwrap_or(false),
        left,
        right,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_profiles_are_sound() {
        for name in ["indonesian", "neutral"] {
            let profile = Profile::shipped(name).unwrap().unwrap();
            assert_eq!(profile.name, name);
            crate::linkage::run::Engine::new(profile).unwrap();
        }
        assert!(Profile::shipped("martian").is_none());
    }

    #[test]
    fn a_profile_that_cannot_work_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "exactly one field has kind"),
            ("[[field]]\nkey = \"id\"\nkind = \"id\"\n", "nothing to compare"),
            ("[[field]]\nkind = \"id\"\n", "neither key nor header"),
            ("[[field]]\nkey = \"id\"\nkind = \"ID\"\n", "unknown variant"),
            ("match_from = 0.01\n[[field]]\nkey = \"id\"\nkind = \"id\"\n[[field]]\nkey = \"n\"\nkind = \"text\"\n", "review_from"),
            ("colour = 1\n", "unknown field"),
        ] {
            let error = Profile::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let own = "[[field]]\nkind = \"id\"\nleft = \"a\"\nright = \"b\"\n[[field]]\nkind = \"text\"\nheader = \"t\"\nspelling = 1\n";
        assert!(Profile::parse(own).is_err());
    }
}
