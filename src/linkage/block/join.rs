//! Keys of two registers into pairs.

use super::super::crew::{Cancelled, Crew, PIECE};
use super::super::record::Register;
use super::{Plan, RULES, limit, near};

/// Key, row and its wider region, of the keys that begin with the same bits.
type Bucket = Vec<(u64, u32, u32)>;

const BUCKETS: usize = 64;

/// The bits behind those of the bucket by which its keys are laid out.
const DIGIT: u32 = 12;

/// The keys of one bucket in order: laid out by their next bits, of which few share any, then sorted within.
fn ordered(parts: &[Vec<Bucket>], bucket: usize) -> Bucket {
    let lists = || parts.iter().filter_map(|part| part.get(bucket));
    let digit = |key: u64| (key >> (58 - DIGIT)) as usize & ((1 << DIGIT) - 1);
    let mut places = vec![0u32; (1 << DIGIT) + 1];
    for &(key, ..) in lists().flatten() {
        if let Some(place) = places.get_mut(digit(key) + 1) {
            *place += 1;
        }
    }
    let mut sum = 0;
    for place in &mut places {
        sum += *place;
        *place = sum;
    }
    let mut out: Bucket = vec![(0, 0, 0); sum as usize];
    for &entry in lists().flatten() {
        if let Some(place) = places.get_mut(digit(entry.0)) {
            if let Some(space) = out.get_mut(*place as usize) {
                *space = entry;
            }
            *place += 1;
        }
    }
    // By now each place is where the digit's entries end.
    let mut start = 0;
    for &end in &places {
        if let Some(run) = out.get_mut(start..end as usize).filter(|run| run.len() > 1) {
            run.sort_unstable();
        }
        start = end as usize;
    }
    out
}

/// Which keys the smaller register has, with one in about two hundred false alarms.
struct Filter {
    words: Vec<u64>,
    shift: u32,
}

impl Filter {
    fn new(keys: usize) -> Self {
        let bits = (keys / 8).next_power_of_two().max(64).trailing_zeros();
        Self { words: vec![0; 1 << bits], shift: 64 - bits }
    }

    fn place(&self, key: u64) -> (usize, u64) {
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((spread >> self.shift) as usize, 1 << (spread & 63) | 1 << ((spread >> 6) & 63) | 1 << ((spread >> 12) & 63))
    }

    fn add(&mut self, key: u64) {
        let (word, bits) = self.place(key);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits;
        }
    }

    fn has(&self, key: u64) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }
}

fn scatter(register: &Register, plan: &Plan, rows: std::ops::Range<u32>, filter: Option<&Filter>) -> Vec<Bucket> {
    // Room for what one in two rows of the smaller register, and few of the larger one, have in a bucket.
    let room = rows.len() / if filter.is_some() { 16 } else { 4 };
    let mut buckets: Vec<Bucket> = (0..BUCKETS).map(|_| Bucket::with_capacity(room)).collect();
    let mut keys = Vec::new();
    for n in rows {
        plan.keys(register.row(n), &mut keys);
        let area = plan.area(register.row(n));
        for &key in &keys {
            if filter.is_none_or(|filter| filter.has(key))
                && let Some(bucket) = buckets.get_mut((key >> 58) as usize)
            {
                bucket.push((key, n, area));
            }
        }
    }
    buckets
}

/// The candidates of every left record, without repetition, in ascending order of rows: `rights[starts[l]..starts[l + 1]]`.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Where the candidates of each left record begin, and at the end their number.
    pub starts: Vec<usize>,
    /// Rows of the right register.
    pub rights: Vec<u32>,
}

impl Candidates {
    /// The candidates of a left record.
    pub fn of(&self, left: u32) -> &[u32] {
        let start = self.starts.get(left as usize).copied().unwrap_or_default();
        let end = self.starts.get(left as usize + 1).copied().unwrap_or(start);
        self.rights.get(start..end).unwrap_or_default()
    }
}

/// All pairs of rows that share a key. Without a right register, pairs within the left one, each once.
pub fn candidates(plan: &Plan, left: &Register, right: Option<&Register>, crew: &Crew<'_>) -> Result<Candidates, Cancelled> {
    let rows = |register: &Register| u32::try_from(register.len()).unwrap_or(u32::MAX);
    let swapped = right.is_some_and(|right| right.len() < left.len());
    let (small, large) = match right {
        Some(right) if swapped => (right, Some(left)),
        other => (left, other),
    };
    let small_parts = crew.chunks(rows(small), |range| scatter(small, plan, range, None))?;
    let large_parts = match large {
        None => Vec::new(),
        Some(large) => {
            let mut filter = Filter::new(small_parts.iter().flatten().map(Vec::len).sum());
            small_parts.iter().flatten().flatten().for_each(|&(key, ..)| filter.add(key));
            crew.chunks(rows(large), |range| scatter(large, plan, range, Some(&filter)))?
        }
    };
    // Pairs by the piece of left rows they belong to, so that each piece is put in order by itself.
    let lefts = rows(left);
    let pieces = lefts.div_ceil(PIECE) as usize;
    let joined = crew.each(BUCKETS, |bucket| {
        let (small, large) = (ordered(&small_parts, bucket), ordered(&large_parts, bucket));
        let mut pairs: Vec<Vec<(u32, u32)>> = vec![Vec::new(); pieces];
        let mut add = |a: u32, b: u32| {
            if let Some(piece) = pairs.get_mut((a / PIECE) as usize) {
                piece.push((a, b));
            }
        };
        if right.is_none() {
            for block in small.chunk_by(|a, b| a.0 == b.0) {
                let Some(&(key, ..)) = block.first() else { continue };
                let pairs = block.len() * block.len() / 2;
                if pairs as u64 > limit(key & RULES) {
                    continue;
                }
                for (at, a) in block.iter().enumerate() {
                    let others = block.iter().skip(at + 1).filter(|b| b.1 != a.1 && near(key, pairs, a.2, b.2));
                    others.for_each(|b| add(a.1.min(b.1), a.1.max(b.1)));
                }
            }
            return pairs;
        }
        let mut blocks = large.chunk_by(|a, b| a.0 == b.0).peekable();
        for block in small.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(key, ..)) = block.first() else { continue };
            while blocks.next_if(|other| other.first().is_some_and(|first| first.0 < key)).is_some() {}
            let Some(other) = blocks.next_if(|other| other.first().is_some_and(|first| first.0 == key)) else { continue };
            let pairs = block.len() * other.len();
            if pairs as u64 > limit(key & RULES) {
                continue;
            }
            for a in block {
                let others = other.iter().filter(|b| near(key, pairs, a.2, b.2));
                others.for_each(|b| if swapped { add(b.1, a.1) } else { add(a.1, b.1) });
            }
        }
        pairs
    })?;
    drop((small_parts, large_parts));
    let grouped = crew.each(pieces, |piece| {
        let first = u32::try_from(piece).unwrap_or(u32::MAX).saturating_mul(PIECE);
        group(first, (lefts - first).min(PIECE) as usize, joined.iter().filter_map(|lists| lists.get(piece)).flatten().copied())
    })?;
    let mut out = Candidates { starts: Vec::with_capacity(lefts as usize + 1), rights: Vec::new() };
    out.rights.reserve_exact(grouped.iter().map(|(_, rights)| rights.len()).sum());
    out.starts.push(0);
    for (ends, rights) in grouped {
        let before = out.rights.len();
        out.starts.extend(ends.iter().map(|end| before + *end as usize));
        out.rights.extend_from_slice(&rights);
    }
    Ok(out)
}

/// Orders the pairs of some left rows by row, then right row, and drops repetitions: where each row's end, and the right rows.
fn group(first: u32, lefts: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> (Vec<u32>, Vec<u32>) {
    let place = |left: u32| (left - first) as usize;
    let mut ends = vec![0u32; lefts];
    for (left, _) in pairs.clone() {
        if let Some(end) = ends.get_mut(place(left)) {
            *end += 1;
        }
    }
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    let mut rights = vec![0u32; sum as usize];
    for (left, right) in pairs {
        if let Some(at) = ends.get_mut(place(left)) {
            if let Some(place) = rights.get_mut(*at as usize) {
                *place = right;
            }
            *at += 1;
        }
    }
    let (mut kept, mut begin) = (0, 0);
    for end in &mut ends {
        let range = begin..*end as usize;
        begin = range.end;
        rights.get_mut(range.clone()).unwrap_or_default().sort_unstable();
        let mut before = None;
        for at in range {
            let Some(&right) = rights.get(at) else { break };
            if before != Some(right)
                && let Some(space) = rights.get_mut(kept)
            {
                *space = right;
                kept += 1;
            }
            before = Some(right);
        }
        *end = u32::try_from(kept).unwrap_or(u32::MAX);
    }
    rights.truncate(kept);
    (ends, rights)
}
