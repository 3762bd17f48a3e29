//! The profiles that come with the program, each a file of `data/profiles`. A delivered file is read again by its profile's
//! name, so a shipped profile never changes but by further aliases: another layout is another name.

use std::sync::OnceLock;

use super::Profile;

/// A shipped profile and its name.
#[derive(Debug)]
pub struct Shipped {
    /// What a delivery calls it by.
    pub name: &'static str,
    /// What it says.
    pub profile: Profile,
}

const TEXTS: [(&str, &str); 6] = [
    ("p3ke", include_str!("../../../../data/profiles/p3ke.json")),
    ("verval", include_str!("../../../../data/profiles/verval.json")),
    ("dtks", include_str!("../../../../data/profiles/dtks.json")),
    ("dtsen_family", include_str!("../../../../data/profiles/dtsen_family.json")),
    ("dtsen_person", include_str!("../../../../data/profiles/dtsen_person.json")),
    ("dukcapil", include_str!("../../../../data/profiles/dukcapil.json")),
];

/// All of them, in their order; a test reads each.
pub fn all() -> &'static [Shipped] {
    static READ: OnceLock<Vec<Shipped>> = OnceLock::new();
    READ.get_or_init(|| {
        let read = TEXTS.iter().map(|(name, text)| Some(Shipped { name, profile: serde_json::from_str(text).ok()? }));
        read.flatten().collect()
    })
}

/// The shipped profile of a name.
pub fn shipped(name: &str) -> Option<&'static Profile> {
    all().iter().find(|shipped| shipped.name == name).map(|shipped| &shipped.profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_profile() {
        for (name, text) in TEXTS {
            let profile: Profile = serde_json::from_str(text).unwrap_or_else(|cause| panic!("{name}: {cause}"));
            assert_eq!(profile.check(), Ok(()), "{name}");
        }
        assert_eq!(all().len(), TEXTS.len());
        let read = std::fs::read_dir("data/profiles").unwrap();
        let files = read.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "json")).count();
        assert_eq!(files, TEXTS.len(), "a file is not embedded");
    }
}
