//! Registers in memory: one row of 64-bit slots per record, row after row, and the words of names and places in one arena.
//!
//! A pair is compared by reading two rows that each lie in two or three cache lines; that, not arithmetic, is what a register of half a
//! million rows costs. A record takes 8 bytes per slot (17 slots with the Indonesian profile), its words about 60, its id about 20.

use super::crew::Crew;
use super::frequencies::Frequencies;
use super::normalise::{self, LETTERS, Normaliser, Spelling, WORDS, Words};
use super::profile::{Field, Kind, MOST_FIELDS, Profile, ProfileError};

/// The most rows of one register; rows are counted in 32 bits.
pub const MOST_ROWS: usize = u32::MAX as usize - 1;

/// Where a field lies in a row.
#[derive(Debug, Clone)]
pub struct Column {
    /// The field's key.
    pub key: String,
    /// The field's kind.
    pub kind: Kind,
    /// The first of its slots.
    pub slot: usize,
    /// Whether the number is built like a NIK.
    pub structured: bool,
    /// For codes, the prefix lengths that mean wider regions.
    pub hierarchy: Vec<u8>,
    /// For names: of a relative, not of the person.
    pub kin: bool,
    /// The fields it is compared jointly with.
    pub joint: Option<String>,
}

/// The shape of the rows of a profile.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The compared fields, in the order in which values are given.
    pub columns: Vec<Column>,
    /// Slots per row.
    pub stride: usize,
    /// The column of the family's number, if any.
    pub family: Option<usize>,
    /// Whether rows can tell their family at all.
    pub families: bool,
    /// The spelling tables.
    pub spelling: Spelling,
}

impl Layout {
    /// The shape of a profile's rows.
    pub fn new(profile: &Profile) -> Result<Self, ProfileError> {
        let mut columns: Vec<Column> = Vec::new();
        let mut stride = 0;
        for field in profile.compared() {
            let Field { key, kind, joint, structured, hierarchy, .. } = field;
            let kin = *kind == Kind::PersonName
                && columns.iter().any(|column| matches!(column.kind, Kind::PersonName | Kind::GivenName | Kind::Surname) && !column.kin);
            let slot = stride;
            stride += match kind {
                Kind::PersonName | Kind::GivenName | Kind::Surname => 3,
                Kind::Place | Kind::Text => 2,
                Kind::FamilyGroup => 0,
                _ => 1,
            };
            let hierarchy = hierarchy.clone();
            columns.push(Column { key: key.clone(), kind: *kind, slot, structured: *structured, hierarchy, kin, joint: joint.clone() });
        }
        let family = columns.iter().find(|column| column.kind == Kind::FamilyId).map(|column| column.slot);
        let families = columns.iter().any(|column| matches!(column.kind, Kind::FamilyId | Kind::FamilyGroup));
        Ok(Self { columns, stride, family, families, spelling: Spelling::load(&profile.spelling)? })
    }

    fn first(&self, wanted: impl Fn(&Column) -> bool) -> Option<&Column> {
        self.columns.iter().find(|column| wanted(column))
    }

    /// The first column of a kind that describes the person.
    pub fn own(&self, kind: Kind) -> Option<&Column> {
        self.first(|column| column.kind == kind && !column.kin)
    }
}

/// The words of a cell, read from the arena.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cell<'a> {
    lengths: &'a [u8],
    /// All letters, joined.
    pub letters: &'a [u8],
}

impl<'a> Cell<'a> {
    fn read(packed: &'a [u8]) -> Self {
        let Some((&count, rest)) = packed.split_first() else { return Self::default() };
        match rest.split_at_checked(usize::from(count)) {
            Some((lengths, letters)) => Self { lengths, letters },
            None => Self::default(),
        }
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether the cell is empty.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The words one by one.
    pub fn words(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let letters = self.letters;
        self.lengths.iter().scan(0usize, move |at, &length| {
            let start = *at;
            *at += usize::from(length);
            letters.get(start..*at)
        })
    }
}

/// One record as the comparison sees it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    slots: &'a [u64],
    arena: &'a [u8],
}

impl<'a> Row<'a> {
    /// The content of a slot; 0 means that nothing is known.
    pub fn slot(&self, slot: usize) -> u64 {
        self.slots.get(slot).copied().unwrap_or_default()
    }

    /// The first byte of the words to which a slot points.
    pub fn first_byte(&self, slot: usize) -> u64 {
        self.arena.get((self.slot(slot) >> 8) as usize).copied().map_or(0, u64::from)
    }

    /// The words to which a slot points.
    pub fn cell(&self, slot: usize) -> Cell<'a> {
        let at = self.slot(slot);
        let (start, length) = ((at >> 8) as usize, (at & 0xff) as usize);
        Cell::read(self.arena.get(start..start + length).unwrap_or_default())
    }
}

/// The low bits of a letters-hash that give way to how frequent it is.
pub const BUCKET: u64 = 15;
/// The bit of a date slot that says that many people are entered with this day and month.
pub const COMMON_DAY: u64 = 1 << 40;

/// Records of one register in comparable form. Filled by [`Register::push`], the ids being opaque.
#[derive(Debug, Clone, Default)]
pub struct Register {
    stride: usize,
    slots: Vec<u64>,
    arena: Vec<u8>,
    ids: Vec<u8>,
    id_ends: Vec<u64>,
    /// The source's own families; empty until a row names one.
    groups: Vec<u64>,
}

impl Register {
    /// An empty register of that shape.
    pub fn new(layout: &Layout) -> Self {
        Self { stride: layout.stride, ..Self::default() }
    }

    /// Asks for room for so many times what is there already; nothing happens where there is none. Room that nobody fills costs nothing.
    pub fn foresee(&mut self, times: usize) {
        /// A gigabyte of each list is asked for at most: what is beyond comes little by little, as it is filled.
        const MOST: usize = 1 << 30;
        fn more<T>(list: &mut Vec<T>, times: usize) -> Result<(), std::collections::TryReserveError> {
            list.try_reserve_exact(list.len().saturating_mul(times).min(MOST / size_of::<T>()))
        }
        let asked = more(&mut self.slots, times).and_then(|()| more(&mut self.id_ends, times));
        let asked = asked.and_then(|()| more(&mut self.ids, times)).and_then(|()| more(&mut self.arena, times));
        // Who has no room for all at once may yet have it little by little.
        drop(asked);
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.id_ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.id_ends.is_empty()
    }

    /// A record's row.
    pub fn row(&self, n: u32) -> Row<'_> {
        let start = n as usize * self.stride;
        Row { slots: self.slots.get(start..start + self.stride).unwrap_or_default(), arena: &self.arena }
    }

    /// One slot of a record, without making a row.
    pub fn slot(&self, n: u32, slot: usize) -> u64 {
        self.slots.get(n as usize * self.stride + slot).copied().unwrap_or_default()
    }

    /// The rows one after another, as slots.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.slots.chunks_exact(self.stride.max(1))
    }

    /// What the members of a record's family have in common, a number that means nothing in another register; 0 where it is not known.
    pub fn family(&self, layout: &Layout, n: u32) -> u64 {
        match self.groups.get(n as usize) {
            Some(&group) if group != 0 => group,
            _ => layout.family.map_or(0, |slot| self.slot(n, slot)),
        }
    }

    /// Whether the source itself names two records as members of one family.
    pub fn are_family(&self, a: u32, b: u32) -> bool {
        let group = |n: u32| self.groups.get(n as usize).copied().filter(|&group| group != 0);
        group(a).is_some_and(|family| group(b) == Some(family))
    }

    /// A record's id.
    pub fn id(&self, n: u32) -> &str {
        let n = n as usize;
        let start = n.checked_sub(1).and_then(|before| self.id_ends.get(before)).copied().unwrap_or_default() as usize;
        let end = self.id_ends.get(n).copied().unwrap_or_default() as usize;
        self.ids.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// The place of each row in the order of the ids.
    pub fn ranks(&self) -> Vec<u32> {
        // The first letters decide nearly always, and lie beside the row's number.
        let head = |id: &str| id.bytes().chain(std::iter::repeat(0)).take(16).fold(0u128, |head, byte| head << 8 | u128::from(byte));
        let rows = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        let mut order: Vec<(u128, u32)> = rows.clone().map(|row| (head(self.id(row)), row)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.id(a.1).cmp(self.id(b.1))));
        let mut out = vec![0; order.len()];
        for ((_, row), rank) in order.into_iter().zip(rows) {
            if let Some(place) = out.get_mut(row as usize) {
                *place = rank;
            }
        }
        out
    }

    /// Adds a record. A normaliser serves one register: it knows where in its arena the words of a cell stand. `values` come in the order of [`Profile::compared`], an empty one where nothing is known, missing ones at the end likewise.
    pub fn push(&mut self, layout: &Layout, normaliser: &mut Normaliser<'_>, id: &str, values: &[&str]) {
        self.ids.extend_from_slice(id.as_bytes());
        self.id_ends.push(self.ids.len() as u64);
        let start = self.slots.len();
        self.slots.resize(start + self.stride, 0);
        // The tables of cells met before are larger than the nearest cache, so all are asked before any is waited for.
        let mut keys = [0u64; MOST_FIELDS];
        let mut early = 0;
        for (place, ((column, cell), key)) in layout.columns.iter().zip(values).zip(&mut keys).enumerate() {
            if column.reference().is_some() {
                *key = normalise::hash(cell.as_bytes(), 6);
                early ^= normaliser.foresee(place, *key);
            }
        }
        std::hint::black_box(early);
        for (place, ((column, cell), key)) in layout.columns.iter().zip(values).zip(keys).enumerate() {
            if cell.is_empty() || normaliser.is_null(cell) {
                continue;
            }
            let content: [u64; 3];
            let used = match column.kind {
                Kind::PersonName | Kind::GivenName | Kind::Surname => {
                    content = self.words(normaliser, place, key, cell, true);
                    3
                }
                Kind::Place | Kind::Text => {
                    content = self.words(normaliser, place, key, cell, false);
                    2
                }
                Kind::FamilyGroup => {
                    self.groups.resize(self.len() - 1, 0);
                    // Marked as no number of a family card can be.
                    self.groups.push(normalise::hash(cell.trim().as_bytes(), 8) | 15 << 60);
                    continue;
                }
                kind => {
                    let code = match kind {
                        Kind::NationalId | Kind::FamilyId => normalise::number_code(cell, column.structured),
                        Kind::Date => normalise::date_code(cell),
                        Kind::Sex => normalise::sex_code(cell),
                        Kind::Number => normalise::count_code(cell),
                        _ => normalise::plain_code(cell),
                    };
                    content = [code, 0, 0];
                    1
                }
            };
            let at = start + column.slot;
            if let Some(space) = self.slots.get_mut(at..at + used) {
                for (to, from) in space.iter_mut().zip(content) {
                    *to = from;
                }
            }
        }
        if !self.groups.is_empty() {
            self.groups.resize(self.len(), 0);
        }
    }

    /// The slots of a cell of words; of a cell met before, those it had, so that its words stand in the arena once.
    fn words(&mut self, normaliser: &mut Normaliser<'_>, place: usize, key: u64, cell: &str, name: bool) -> [u64; 3] {
        if let Some(known) = normaliser.recall(place, key) {
            return known;
        }
        let words = if name { normaliser.name(cell) } else { normaliser.text(cell) };
        let at = keep(&mut self.arena, words);
        let content = if name { [words.exact, words.letters, at] } else { [words.letters, at, 0] };
        normaliser.remember(place, name, key, content);
        content
    }

    /// Appends another register of the same shape, its rows behind ours.
    pub fn append(&mut self, layout: &Layout, other: &Self) {
        let (arena, ids, start) = (self.arena.len() as u64, self.ids.len() as u64, self.slots.len());
        if !(self.groups.is_empty() && other.groups.is_empty()) {
            self.groups.resize(self.len(), 0);
            self.groups.extend_from_slice(&other.groups);
            self.groups.resize(self.len() + other.len(), 0);
        }
        self.arena.extend_from_slice(&other.arena);
        self.ids.extend_from_slice(&other.ids);
        self.id_ends.extend(other.id_ends.iter().map(|end| end + ids));
        self.slots.extend_from_slice(&other.slots);
        let references: Vec<usize> = layout.columns.iter().filter_map(Column::reference).collect();
        for row in self.slots.get_mut(start..).unwrap_or_default().chunks_exact_mut(self.stride.max(1)) {
            for &slot in &references {
                if let Some(at) = row.get_mut(slot).filter(|at| **at != 0) {
                    *at += arena << 8;
                }
            }
        }
    }

    /// One register of the parts that several threads read: `blocks` are the numbers of the blocks that a part consists of and their rows,
    /// in the part's order; the rows of the result are in the order of these numbers.
    pub fn joined(layout: &Layout, parts: Vec<(Self, Vec<(usize, u32)>)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().filter(|part| !part.0.is_empty()).collect();
        if parts.len() <= 1 {
            return parts.pop().map_or_else(|| Self::new(layout), |part| part.0);
        }
        let mut order: Vec<(usize, &Self, u64, std::ops::Range<usize>)> = Vec::new();
        let mut arena = 0;
        for (part, blocks) in &parts {
            let mut row = 0;
            for &(number, rows) in blocks {
                order.push((number, part, arena << 8, row..row + rows as usize));
                row += rows as usize;
            }
            arena += part.arena.len() as u64;
        }
        order.sort_unstable_by_key(|entry| entry.0);
        let mut out = Self::new(layout);
        out.id_ends.reserve(parts.iter().map(|part| part.0.len()).sum());
        out.ids.reserve(parts.iter().map(|part| part.0.ids.len()).sum());
        out.slots = vec![0; parts.iter().map(|part| part.0.slots.len()).sum()];
        let references: Vec<usize> = layout.columns.iter().filter_map(Column::reference).collect();
        let stride = out.stride;
        let move_rows = |space: &mut [u64], from: &[u64], moved: u64| {
            space.copy_from_slice(from);
            for row in space.chunks_exact_mut(stride.max(1)) {
                for &slot in &references {
                    if let Some(at) = row.get_mut(slot).filter(|at| **at != 0) {
                        *at += moved;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            // Memory that is touched for the first time is slow, so the threads share it out.
            let mut shares: Vec<Vec<Moved<'_>>> = parts.iter().map(|_| Vec::new()).collect();
            let mut space = out.slots.as_mut_slice();
            let total = space.len();
            for (_, part, moved, rows) in &order {
                let from = part.slots.get(rows.start * stride..rows.end * stride).unwrap_or_default();
                let share = (total - space.len()) * shares.len() / total.max(1);
                let (own, tail) = std::mem::take(&mut space).split_at_mut(from.len());
                space = tail;
                if let Some(share) = shares.get_mut(share) {
                    share.push((own, from, *moved));
                }
            }
            for share in shares {
                scope.spawn(|| share.into_iter().for_each(|(space, from, moved)| move_rows(space, from, moved)));
            }
            for (_, part, _, rows) in &order {
                let bound = |row: usize| row.checked_sub(1).and_then(|row| part.id_ends.get(row)).copied().unwrap_or_default();
                let (start, end, before) = (bound(rows.start), bound(rows.end), out.ids.len() as u64);
                out.ids.extend_from_slice(part.ids.get(start as usize..end as usize).unwrap_or_default());
                let ends = part.id_ends.get(rows.clone()).unwrap_or_default();
                out.id_ends.extend(ends.iter().map(|end| end - start + before));
                if parts.iter().any(|part| !part.0.groups.is_empty()) {
                    out.groups.extend(part.groups.get(rows.clone()).unwrap_or_default());
                    out.groups.resize(out.id_ends.len(), 0);
                }
            }
        });
        out.arena.reserve(arena as usize);
        for (part, _) in parts.drain(..) {
            out.arena.extend_from_slice(&part.arena);
        }
        out
    }

    /// Writes what is known of frequencies into the rows: how frequent a name is, and whether a birth date is one of the usual stand-ins.
    pub fn annotate(&mut self, layout: &Layout, frequencies: &Frequencies, crew: &Crew<'_>) {
        let marks: Vec<(usize, Kind)> = layout.columns.iter().filter_map(Column::counted).collect();
        let stride = self.stride.max(1);
        crew.slices(&mut self.slots, stride, |_, rows| {
            for row in rows.chunks_exact_mut(stride) {
                for &(slot, kind) in &marks {
                    let Some(content) = row.get_mut(slot).filter(|content| **content != 0) else { continue };
                    if kind == Kind::Date {
                        let common = frequencies.is_common_day(*content);
                        *content = (*content & !COMMON_DAY) | if common { COMMON_DAY } else { 0 };
                    } else {
                        *content = (*content & !BUCKET) | frequencies.bucket(slot, *content);
                    }
                }
            }
        });
    }
}

/// Room for rows, the rows that go there, and how far the place of their words moves.
type Moved<'a> = (&'a mut [u64], &'a [u64], u64);

impl Column {
    /// The slot that points into the arena.
    pub fn reference(&self) -> Option<usize> {
        match self.kind {
            Kind::PersonName | Kind::GivenName | Kind::Surname => Some(self.slot + 2),
            Kind::Place | Kind::Text => Some(self.slot + 1),
            _ => None,
        }
    }

    /// The slot whose values are counted.
    pub fn counted(&self) -> Option<(usize, Kind)> {
        match self.kind {
            Kind::PersonName | Kind::GivenName | Kind::Surname => Some((self.slot + 1, self.kind)),
            Kind::Place | Kind::Text | Kind::Date => Some((self.slot, self.kind)),
            _ => None,
        }
    }
}

fn keep(arena: &mut Vec<u8>, words: &Words) -> u64 {
    const { assert!(LETTERS + WORDS < 255) };
    if words.packed.is_empty() {
        return 0;
    }
    let at = arena.len() as u64;
    arena.extend_from_slice(&words.packed);
    (at << 8) | words.packed.len() as u64
}
