//! Closed vocabularies: one table gives the enum, its words on the wire and in the database, and its schema.

/// A closed vocabulary: variant and word, row by row.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $( $(#[$row:meta])* $variant:ident $word:literal ),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name { $( $(#[$row])* #[serde(rename = $word)] $variant, )+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[ $( $name::$variant, )+ ];

            /// The word on the wire and in the database.
            pub fn name(self) -> &'static str {
                match self { $( $name::$variant => $word, )+ }
            }

            /// The variant of a word.
            pub fn parse(word: &str) -> Option<$name> {
                match word { $( $word => Some($name::$variant), )+ _ => None }
            }
        }

        // Every vocabulary offers all three, whichever its feature uses.
        const _: (&[$name], fn($name) -> &'static str, fn(&str) -> Option<$name>) = ($name::ALL, $name::name, $name::parse);
    };
}
pub(crate) use words;
