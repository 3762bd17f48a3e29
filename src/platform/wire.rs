//! Closed vocabularies: one table gives the enum, its words on the wire and in the database, and its schema.

/// A closed vocabulary: variant and word, row by row.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $row:literal])* $variant:ident $word:literal ),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $( $(#[doc = $row])* #[serde(rename = $word)] $variant, )+ }

        // Not derived: the derive does not see a word that comes through a macro, and would show the variants' names.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let text = concat!($($doc, "\n",)* $( "\n- `", $word, "`:", $($row, " ",)* )+);
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::SchemaType::new(utoipa::openapi::schema::Type::String))
                    .enum_values(Some([$( $word ),+]))
                    .description(Some(text.trim()))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}

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
