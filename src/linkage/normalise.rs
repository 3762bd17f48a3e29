//! Cells into comparable codes: numbers, dates, sex, words of names, places and addresses.
//!
//! Words are kept as *letter codes* (1–26 letters, 27–36 digits, above that a digest of any other letter), for two reasons: a comparison
//! needs no decoding, and the bit-parallel similarity of `compare` needs a small alphabet. What counts as a title, a variant or an old
//! spelling is data (`data/linkage/spelling-*.toml`).

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use unicode_normalization::UnicodeNormalization;

mod codes;

use super::profile::ProfileError;
pub use codes::{count_code, date_code, digits_of, number_code, plain_code, sex_code};

/// The longest word that is kept, in letters; what follows is cut.
pub const WORD: usize = 21;
/// The most letters and words of a name, place or address that are kept.
pub const LETTERS: usize = 62;
/// The most words of a cell that are kept.
pub const WORDS: usize = 8;

/// The hash that keys, names and words are known by; fixed, so that equal input gives equal results on every machine.
pub fn hash(bytes: &[u8], salt: u64) -> u64 {
    // One state for all salts: making one costs as much as hashing a name.
    static STATE: FixedState = FixedState::with_seed(0x65_6e74_6173);
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.write_u64(salt);
    mix(hasher.finish())
}

/// Spreads a number over all 64 bits (the finaliser of SplitMix64).
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

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

/// The spelling tables of a profile, ready for use.
#[derive(Debug, Clone)]
pub struct Spelling {
    nulls: HashSet<Vec<u8>>,
    /// The lengths that a null word may have, as bits, per first letter: nearly every cell is decided by this table.
    null_lengths: Vec<u32>,
    titles: HashSet<Vec<u8>>,
    dotted: HashSet<Vec<u8>>,
    connectors: HashSet<Vec<u8>>,
    weak: HashSet<Vec<u8>>,
    noise: HashSet<Vec<u8>>,
    folds: Vec<(Vec<u8>, Vec<u8>)>,
    endings: Vec<(Vec<u8>, Vec<u8>)>,
    first: HashMap<Vec<u8>, Vec<u8>>,
    forms: HashMap<Vec<u8>, Vec<u8>>,
}

impl Spelling {
    /// The shipped tables of that name, or tables given as TOML text.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let text = match name {
            "indonesian" => include_str!("../../data/linkage/spelling-indonesian.toml"),
            "neutral" => include_str!("../../data/linkage/spelling-neutral.toml"),
            text if text.contains('=') => text,
            other => return Err(ProfileError(format!("no spelling tables are called {other}; there are: indonesian, neutral"))),
        };
        let tables: Tables = toml::from_str(text).map_err(|error| ProfileError(format!("spelling tables: {}", error.message())))?;
        let set = |list: Vec<String>| list.iter().map(|word| codes(word)).collect::<HashSet<_>>();
        let rules = |list: Vec<(String, String)>| {
            let mut rules: Vec<_> = list.iter().map(|(from, to)| (codes(from), codes(to))).filter(|(from, _)| !from.is_empty()).collect();
            // The longest rule wins, whatever the order of the table.
            rules.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.cmp(b)));
            rules
        };
        let mut forms = HashMap::new();
        for (to, from) in &tables.forms {
            for word in from {
                forms.insert(codes(word), codes(to));
            }
        }
        let nulls: HashSet<Vec<u8>> = tables.nulls.iter().map(|cell| cell.to_uppercase().into_bytes()).collect();
        let mut null_lengths = vec![0u32; 256];
        for word in &nulls {
            let lengths = word.first().and_then(|&first| null_lengths.get_mut(usize::from(first)));
            if let Some(lengths) = lengths {
                *lengths |= 1 << word.len().min(31);
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
            folds: rules(tables.folds),
            endings: rules(tables.endings),
            first: tables.first.iter().map(|(from, to)| (codes(from), codes(to))).collect(),
            forms,
        })
    }

    /// Whether a cell says "unknown", in a word or by being empty.
    pub fn is_null(&self, cell: &str) -> bool {
        let cell = cell.as_bytes().trim_ascii();
        let Some(first) = cell.first().map(u8::to_ascii_uppercase) else { return true };
        if self.null_lengths.get(usize::from(first)).copied().unwrap_or_default() & (1 << cell.len().min(31)) == 0 {
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
            let rule = self.folds.iter().find(|(from, _)| rest.starts_with(from));
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

/// The letter codes of a text, everything that is neither letter nor digit left out.
pub fn codes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if text.is_ascii() {
        out.extend(text.bytes().filter_map(ascii_code));
        return out;
    }
    // Decomposed, so that é is e with an accent, and the accent is left out.
    for letter in text.nfkd().flat_map(char::to_uppercase).flat_map(|c| c.to_string().nfkd().collect::<Vec<_>>()) {
        if letter.is_ascii() {
            out.extend(u8::try_from(letter).ok().and_then(ascii_code));
        } else if letter.is_alphanumeric() {
            out.push(37 + u8::try_from(u32::from(letter) % 27).unwrap_or_default());
        }
    }
    out
}

fn ascii_code(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A' + 1),
        b'a'..=b'z' => Some(byte - b'a' + 1),
        b'0'..=b'9' => Some(byte - b'0' + 27),
        _ => None,
    }
}

/// The letters of a word, in place: looking a word up must not cost a second walk to memory.
#[derive(Debug, Clone, Copy, Default)]
struct Short {
    length: u8,
    letters: [u8; WORD],
}

impl Short {
    fn new(letters: &[u8]) -> Self {
        let mut out = Self::default();
        for (to, from) in out.letters.iter_mut().zip(letters) {
            *to = *from;
            out.length += 1;
        }
        out
    }

    fn letters(&self) -> &[u8] {
        self.letters.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// What is known of one word, kept per worker because the same words come again and again.
#[derive(Debug, Clone, Default)]
struct Word {
    /// The accepted form of the word.
    exact: Short,
    /// The same as pronounced.
    folded: Short,
    /// What it stands for at the head of a name.
    head: Option<(Short, Short)>,
    title: bool,
    dotted: bool,
    connector: bool,
    weak: bool,
    head_weak: bool,
    noise: bool,
}

/// A cell of words in comparable form.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Hash of the accepted forms in order, without spaces; 0 for an empty cell.
    pub exact: u64,
    /// Hash of the letters as pronounced, in whatever order: equal under transposed words, merged or split words and transposed letters.
    pub letters: u64,
    /// The words as pronounced, without those that tell little: count, lengths, codes.
    pub packed: Vec<u8>,
}

/// Normalises the cells of one worker; keeps every word it has met.
#[derive(Debug)]
pub struct Normaliser<'a> {
    spelling: &'a Spelling,
    /// Words by their letters, six bits each.
    words: HashMap<u128, u32, FixedState>,
    known: Vec<Word>,
    buffer: Vec<u8>,
    found: Vec<(u32, bool)>,
    out: Words,
    /// Whole cells met before, by hash: mothers, places and streets come again and again. What they became is kept by the register. One
    /// table per column, so that the small ones stay in the cache.
    pub(super) cells: Vec<HashMap<u64, [u64; 3], FixedState>>,
}

/// Past this many different words (or cells) a worker forgets them all and begins anew: the bound of its memory.
pub(super) const REMEMBERED: usize = 250_000;

impl<'a> Normaliser<'a> {
    /// A worker's normaliser.
    pub fn new(spelling: &'a Spelling) -> Self {
        Self {
            spelling,
            words: HashMap::default(),
            known: Vec::new(),
            buffer: Vec::new(),
            found: Vec::new(),
            out: Words::default(),
            cells: Vec::new(),
        }
    }

    /// Whether a cell says "unknown".
    pub fn is_null(&self, cell: &str) -> bool {
        self.spelling.is_null(cell)
    }

    fn word(&mut self, text: &str) -> Option<u32> {
        self.buffer.clear();
        if text.is_ascii() {
            self.buffer.extend(text.bytes().filter_map(ascii_code));
        } else {
            self.buffer = codes(text);
        }
        self.buffer.truncate(WORD);
        if self.buffer.is_empty() {
            return None;
        }
        let key = self.buffer.iter().fold(0u128, |key, &code| key << 6 | u128::from(code & 63));
        if let Some(&id) = self.words.get(&key) {
            return Some(id);
        }
        if self.known.len() >= REMEMBERED {
            self.words.clear();
            self.known.clear();
            // Numbers handed out before are no longer valid, so the words of the cell at hand are given up too.
            self.found.clear();
        }
        let spelling = self.spelling;
        let exact = spelling.forms.get(&self.buffer).unwrap_or(&self.buffer);
        let head = spelling.first.get(&self.buffer);
        let word = Word {
            title: spelling.titles.contains(&self.buffer),
            dotted: spelling.dotted.contains(&self.buffer),
            connector: spelling.connectors.contains(&self.buffer),
            weak: spelling.weak.contains(exact),
            head_weak: head.is_some_and(|to| spelling.weak.contains(to)),
            noise: spelling.noise.contains(&self.buffer),
            exact: Short::new(exact),
            folded: Short::new(&spelling.fold(exact)),
            head: head.map(|to| (Short::new(to), Short::new(&spelling.fold(to)))),
        };
        let id = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.known.push(word);
        self.words.insert(key, id);
        Some(id)
    }

    /// A name of a person: titles and the father's name after bin/binti left out, accepted forms put in.
    pub fn name(&mut self, cell: &str) -> &Words {
        self.found.clear();
        let mut after_comma = false;
        'cell: for (n, part) in cell.split([',', ';', '(', ')']).enumerate() {
            after_comma |= n > 0;
            for token in part.split(|c: char| c.is_whitespace() || matches!(c, '-' | '/' | '_' | '\u{a0}')) {
                if token.is_empty() || self.found.len() >= WORDS {
                    continue;
                }
                let has_dot = token.contains('.');
                let Some(id) = self.word(token) else { continue };
                let Some(word) = self.known.get(id as usize) else { continue };
                if word.connector && !self.found.is_empty() {
                    break 'cell;
                }
                if (word.title && !word.dotted) || ((word.title || word.dotted) && (has_dot || after_comma) && word.head.is_none()) {
                    continue;
                }
                // Behind a comma two letters and a dot are a degree that the table does not know.
                if after_comma && has_dot {
                    continue;
                }
                if has_dot && token.trim_end_matches('.').contains('.') {
                    // "MOH.ALI", "A.B.C": the dot parts words.
                    for piece in token.split('.') {
                        if self.found.len() < WORDS
                            && let Some(id) = self.word(piece)
                        {
                            self.found.push((id, false));
                        }
                    }
                    continue;
                }
                self.found.push((id, false));
            }
        }
        self.assemble(true)
    }

    /// A place or an address: words of no meaning left out.
    pub fn text(&mut self, cell: &str) -> &Words {
        self.found.clear();
        for token in cell.split(|c: char| !c.is_alphanumeric() && c != '\'') {
            if token.is_empty() || self.found.len() >= WORDS {
                continue;
            }
            let Some(id) = self.word(token) else { continue };
            if self.known.get(id as usize).is_some_and(|word| word.noise) {
                continue;
            }
            self.found.push((id, false));
        }
        self.assemble(false)
    }

    fn assemble(&mut self, name: bool) -> &Words {
        let several = self.found.len() > 1;
        let mut strong = 0;
        for (n, (id, weak)) in self.found.iter_mut().enumerate() {
            let Some(word) = self.known.get(*id as usize) else { continue };
            *weak = name && several && (word.weak || (n == 0 && word.head_weak));
            strong += usize::from(!*weak && word.folded.length > 1);
        }
        let out = &mut self.out;
        out.packed.clear();
        let (mut sum, mut total) = (0u64, 0usize);
        let mut lengths = [0u8; WORDS];
        let mut count = 0usize;
        for (n, &(id, weak)) in self.found.iter().enumerate() {
            let Some(word) = self.known.get(id as usize) else { continue };
            let folded = match &word.head {
                Some((_, folded)) if name && several && n == 0 => folded,
                _ => &word.folded,
            };
            if weak && strong > 0 {
                continue;
            }
            let room = LETTERS.saturating_sub(total).min(usize::from(folded.length));
            if room == 0 {
                continue;
            }
            let kept = folded.letters().get(..room).unwrap_or_default();
            total += room;
            for &code in kept {
                sum = sum.wrapping_add(mix(u64::from(code) + 0x9e37));
            }
            if let Some(length) = lengths.get_mut(count) {
                *length = u8::try_from(room).unwrap_or_default();
            }
            count += 1;
            out.packed.extend_from_slice(kept);
        }
        if count == 0 {
            out.exact = 0;
            out.letters = 0;
            out.packed.clear();
            return out;
        }
        // Weak words belong to the accepted form; it is joined anew because `packed` lacks them.
        let mut joined = [0u8; 8 * (WORD + 8)];
        let mut at = 0;
        for (n, &(id, _)) in self.found.iter().enumerate() {
            let Some(word) = self.known.get(id as usize) else { continue };
            let form = match &word.head {
                Some((form, _)) if name && several && n == 0 => form,
                _ => &word.exact,
            };
            let form = form.letters();
            if let Some(space) = joined.get_mut(at..at + form.len()) {
                space.copy_from_slice(form);
                at += form.len();
            }
        }
        out.exact = hash(joined.get(..at).unwrap_or_default(), 1) | 1;
        out.letters = mix(sum) | 16;
        out.packed.splice(0..0, std::iter::once(u8::try_from(count).unwrap_or_default()).chain(lengths.into_iter().take(count)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(cell: &str) -> Words {
        let spelling = Spelling::load("indonesian").unwrap();
        Normaliser::new(&spelling).name(cell).clone()
    }

    fn text(cell: &str) -> Words {
        let spelling = Spelling::load("indonesian").unwrap();
        Normaliser::new(&spelling).text(cell).clone()
    }

    #[test]
    fn titles_and_the_fathers_name_are_left_out() {
        for written in [
            "H. Ahmad Yani",
            "AHMAD YANI, S.Pd",
            "Drs. Ahmad Yani",
            "ahmad  yani S.Pd.I",
            "Ahmad Yani bin Sahri",
            "ACHMAD YANI",
            "AHMADYANI",
        ] {
            assert_eq!(name(written).exact, name("AHMAD YANI").exact, "{written}");
        }
        // A father's name alone is not a name, an initial no title.
        assert_ne!(name("BIN SAHRI").exact, 0);
        assert_ne!(name("YANI H").exact, name("YANI").exact);
    }

    #[test]
    fn the_forms_of_muhammad_are_one() {
        for written in ["MOH. RIZKY", "Muhamad Rizky", "M. RIZKY", "M RIZKY", "MOCH RIZKY", "MHD. RIZKY", "MUHAMMADRIZKY"] {
            if written != "MUHAMMADRIZKY" {
                assert_eq!(name(written).exact, name("MUHAMMAD RIZKY").exact, "{written}");
            }
        }
        // Where it is dropped the letters still agree; where it is the whole name it counts.
        assert_eq!(name("MUHAMMAD RIZKY").letters, name("RIZKY").letters);
        assert_ne!(name("MUHAMMAD").letters, 0);
        assert_ne!(name("MUHAMMAD").letters, name("SITI").letters);
    }

    #[test]
    fn old_spellings_fold() {
        for (old, new) in [
            ("SOEHARTO", "SUHARTO"),
            ("DJOKO", "JOKO"),
            ("TJIPTO", "CIPTO"),
            ("SYAHRIL", "SAHRIL"),
            ("FAUZI", "PAUJI"),
            ("HASSAN", "HASAN"),
            ("RIDUAN", "RIDWAN"),
            ("AHMAT", "AHMAD"),
            ("NABILAH", "NABILA"),
        ] {
            assert_eq!(name(old).letters, name(new).letters, "{old} {new}");
        }
        assert_ne!(name("BUDI").letters, name("DEWI").letters);
    }

    #[test]
    fn transposed_words_have_the_same_letters() {
        assert_eq!(name("SARI DEWI").letters, name("DEWI SARI").letters);
        assert_ne!(name("SARI DEWI").exact, name("DEWI SARI").exact);
    }

    #[test]
    fn addresses_lose_their_trimmings() {
        assert_eq!(text("JL. KARET NO. 5").letters, text("Jalan Karet 5").letters);
        assert_eq!(text("JL"), Words::default());
    }

    impl PartialEq for Words {
        fn eq(&self, other: &Self) -> bool {
            (self.exact, self.letters, &self.packed) == (other.exact, other.letters, &other.packed)
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let plain = number_code("6202014406130001", true);
        assert_eq!(digits_of(plain), 16);
        for written in ["'6202014406130001", " 6202014406130001", "620201 440613 0001", "620201.440613.0001"] {
            assert_eq!(number_code(written, true), plain, "{written}");
        }
        for nothing in ["0", "-", "", "9999999999999999", "6,20201E+15", "6202010000000000", "TIDAK ADA"] {
            assert_eq!(number_code(nothing, true), 0, "{nothing}");
        }
    }

    #[test]
    fn dates_in_all_their_forms() {
        let day = date_code("1984-06-09");
        for written in
            ["09/06/1984", "9/6/1984", "19840609", "09-06-1984", "1984-06-09T00:00:00", "09/06/1984 00:00", "1984-06-09 12:30:00"]
        {
            assert_eq!(date_code(written), day, "{written}");
        }
        for nothing in ["", "0000-00-00", "09/06", "kemarin", "1984", "99999999999"] {
            assert_eq!(date_code(nothing), 0, "{nothing}");
        }
    }

    #[test]
    fn sexes_codes_and_counts() {
        assert_eq!([sex_code("L"), sex_code("Laki-laki"), sex_code("1"), sex_code("M"), sex_code("PRIA")], [1; 5]);
        assert_eq!([sex_code("P"), sex_code("perempuan"), sex_code("2"), sex_code("F"), sex_code("Wanita")], [2; 5]);
        assert_eq!([sex_code(""), sex_code("x")], [0; 2]);
        assert_eq!(count_code("005"), count_code("5"));
        assert_eq!(count_code("000"), 0);
        assert_eq!(plain_code("62.02.01.2005"), plain_code("6202012005"));
        assert_eq!(plain_code("Anak"), plain_code("ANAK"));
    }

    #[test]
    fn words_for_unknown() {
        let spelling = Spelling::load("indonesian").unwrap();
        assert!(spelling.is_null("-") && spelling.is_null(" tidak tahu ") && spelling.is_null(""));
        assert!(!spelling.is_null("NANI") && !spelling.is_null("TIDAR"));
    }
}
