//! Tables of how words are written.

use foldhash::fast::FixedState;
use serde::Deserialize;
use std::collections::HashMap;

use super::super::profile::ProfileError;
use super::codes;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    nulls: Vec<String>,
    titles: Vec<String>,
    dotted: Vec<String>,
    connectors: Vec<String>,
    weak: Vec<String>,
    noise: Vec<String>,
    folds: Vec<(String, String)>,
    endings: Vec<(String, String)>,
    first: HashMap<String, String>,
    forms: HashMap<String, Vec<String>>,
}

type Set = std::collections::HashSet<Vec<u8>, FixedState>;
type Map = HashMap<Vec<u8>, Vec<u8>, FixedState>;

/// The spelling tables of a profile, ready for use.
#[derive(Debug, Clone)]
pub struct Spelling {
    nulls: Set,
    /// The lengths that a null word may have, as bits, per first letter: nearly every cell is decided by this table.
    null_lengths: Vec<u32>,
    pub(super) titles: Set,
    pub(super) dotted: Set,
    pub(super) connectors: Set,
    pub(super) weak: Set,
    pub(super) noise: Set,
    /// By the letter that they begin with.
    pub(super) folds: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(super) endings: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) first: Map,
    pub(super) forms: Map,
}

impl Spelling {
    /// The shipped tables of that name, or tables given as TOML text.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let text = match name {
            "indonesian" => include_str!("../../../data/linkage/spelling-indonesian.toml"),
            "neutral" => include_str!("../../../data/linkage/spelling-neutral.toml"),
            text if text.contains('=') => text,
            other => return Err(ProfileError(format!("no spelling tables are called {other}; there are: indonesian, neutral"))),
        };
        let tables: Tables = toml::from_str(text).map_err(|error| ProfileError(format!("spelling tables: {}", error.message())))?;
        let set = |list: Vec<String>| list.iter().map(|word| codes(word)).collect::<Set>();
        let rules = |list: Vec<(String, String)>| {
            let mut rules: Vec<_> = list.iter().map(|(from, to)| (codes(from), codes(to))).filter(|(from, _)| !from.is_empty()).collect();
            // The longest rule wins, whatever the order of the table.
            rules.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.cmp(b)));
            rules
        };
        let mut forms = Map::default();
        for (to, from) in &tables.forms {
            for word in from {
                forms.insert(codes(word), codes(to));
            }
        }
        let nulls: Set = tables.nulls.iter().map(|cell| cell.to_uppercase().into_bytes()).collect();
        let mut null_lengths = vec![0u32; 256];
        for word in &nulls {
            let lengths = word.first().and_then(|&first| null_lengths.get_mut(usize::from(first)));
            if let Some(lengths) = lengths {
                *lengths |= 1 << word.len().min(31);
            }
        }
        let mut folds = vec![Vec::new(); 64];
        for rule in rules(tables.folds) {
            if let Some(own) = rule.0.first().and_then(|&letter| folds.get_mut(usize::from(letter))) {
                own.push(rule);
            }
        }
        Ok(Self {
            nulls,
            null_lengths,
            titles: set(tables.titles),
            dotted: set(tables.dotted),
            connectors: set(tables.connectors),
            weak: set(tables.weak),
            noise: set(tables.noise),
            folds,
            endings: rules(tables.endings),
            first: tables.first.iter().map(|(from, to)| (codes(from), codes(to))).collect(),
            forms,
        })
    }

    /// Whether a cell says "unknown", in a word or by being empty.
    pub fn is_null(&self, cell: &str) -> bool {
        // Most cells begin with a byte that neither a null word nor white space begins with.
        let lengths = |byte: u8| self.null_lengths.get(usize::from(byte.to_ascii_uppercase())).copied().unwrap_or_default();
        if let Some(&first) = cell.as_bytes().first()
            && !first.is_ascii_whitespace()
            && lengths(first) == 0
        {
            return false;
        }
        let cell = cell.as_bytes().trim_ascii();
        let Some(&first) = cell.first() else { return true };
        if lengths(first) & (1 << cell.len().min(31)) == 0 {
            return false;
        }
        let mut short = [0u8; 31];
        let Some(space) = short.get_mut(..cell.len()) else { return false };
        for (to, from) in space.iter_mut().zip(cell) {
            *to = from.to_ascii_uppercase();
        }
        self.nulls.contains(&*space)
    }

    /// A word as pronounced: old spellings, transliterations and doubled letters folded together.
    pub fn fold(&self, word: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(word.len());
        let mut rest = word;
        while let Some((&letter, tail)) = rest.split_first() {
            let rule = self.folds.get(usize::from(letter)).and_then(|own| own.iter().find(|(from, _)| rest.starts_with(from)));
            let (piece, next) = match rule {
                Some((from, to)) => (to.as_slice(), rest.get(from.len()..).unwrap_or_default()),
                None => (std::slice::from_ref(&letter), tail),
            };
            for &code in piece {
                // Doubled digits are not a matter of spelling.
                if out.last() != Some(&code) || code > 26 {
                    out.push(code);
                }
            }
            rest = next;
        }
        for (from, to) in &self.endings {
            if out.len() > from.len() + 2 && out.ends_with(from) {
                out.truncate(out.len() - from.len());
                out.extend_from_slice(to);
                break;
            }
        }
        out
    }
}
