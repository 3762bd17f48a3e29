//! A file into blocks of whole records, and these into cells.

use std::borrow::Cow;
use std::io::Read;

/// The longest record in bytes; with it the memory of the reader is bounded, also when a quote is never closed.
pub const LONGEST: usize = 1 << 20;
/// The most columns of a file.
pub const COLUMNS: usize = 4_096;

/// Bytes that are read, and then taken apart, at a time.
pub(super) const BLOCK: usize = 1 << 20;
/// What is wrong with a file, and in which line.
pub(super) type Fault = (Option<u64>, String);

/// Whole records of a file, and where they stand.
#[derive(Default)]
pub(super) struct Block {
    pub number: usize,
    pub line: u64,
    pub bytes: Vec<u8>,
}

/// Cuts a file into blocks.
pub(super) struct Blocks<R> {
    source: R,
    /// What was read beyond the last block.
    pub rest: Vec<u8>,
    ended: bool,
    /// The number and the line of the next block.
    pub number: usize,
    line: u64,
    pub delimiter: u8,
}

/// The cells of a record: where they lie in the buffer, and whether quotes must be undone.
pub(super) type Cells = Vec<(usize, usize, bool)>;

enum Parsed {
    Record(usize, u64),
    NeedMore,
    Bad(u64, String),
}

impl<R: Read> Blocks<R> {
    /// Of a file.
    pub fn new(source: R) -> Self {
        Self { source, rest: Vec::new(), ended: false, number: 0, line: 1, delimiter: b',' }
    }

    /// Reads on until `rest` has so many bytes or the file ends.
    pub fn fill(&mut self, wanted: usize) -> std::io::Result<()> {
        let missing = wanted.saturating_sub(self.rest.len());
        self.rest.reserve(missing);
        let read = self.source.by_ref().take(missing as u64).read_to_end(&mut self.rest)?;
        self.ended |= read < missing;
        Ok(())
    }

    /// The next records; `None` at the end. `used` gives its memory for them.
    pub fn next(&mut self, used: Vec<u8>) -> Result<Option<Block>, Fault> {
        let mut wanted = BLOCK;
        loop {
            self.fill(wanted).map_err(|error| (None, error.to_string()))?;
            let whole = self.whole();
            if whole == 0 && !self.ended {
                // Not one record is whole.
                if self.rest.len() > LONGEST {
                    let hint = if self.rest.contains(&b'"') { "; a quote is probably not closed" } else { "" };
                    return Err((Some(self.line), format!("a record is longer than {LONGEST} bytes{hint}")));
                }
                wanted = LONGEST + 1;
                continue;
            }
            if whole == 0 {
                return Ok(None);
            }
            let mut bytes = used;
            bytes.clear();
            bytes.extend_from_slice(self.rest.get(whole..).unwrap_or_default());
            std::mem::swap(&mut bytes, &mut self.rest);
            bytes.truncate(whole);
            let block = Block { number: self.number, line: self.line, bytes };
            self.number += 1;
            self.line += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
            return Ok(Some(block));
        }
    }

    /// How much of `rest` is whole records. What cannot be parsed is left to who takes the block apart.
    fn whole(&self) -> usize {
        if self.ended {
            return self.rest.len();
        }
        if memchr::memchr(b'"', &self.rest).is_none() {
            return memchr::memrchr(b'\n', &self.rest).map_or(0, |last| last + 1);
        }
        let mut cells = Cells::new();
        let mut at = 0;
        loop {
            let rest = self.rest.get(at..).unwrap_or_default();
            match rest.first() {
                Some(b'\n' | b'\r') => at += 1,
                _ => match parse(rest, self.delimiter, false, &mut cells) {
                    Parsed::Record(length, _) => at += length,
                    Parsed::NeedMore => return at,
                    Parsed::Bad(..) => return self.rest.len(),
                },
            }
        }
    }
}

/// Takes a block apart.
pub(super) struct Records<'b> {
    pub rest: &'b [u8],
    pub line: u64,
    pub delimiter: u8,
}

impl<'b> Records<'b> {
    /// The next record's line, text and cells; `None` at the end. Empty lines are passed over.
    pub fn next(&mut self, cells: &mut Cells) -> Result<Option<(u64, &'b [u8])>, Fault> {
        while let Some(blank) = self.rest.first().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line += u64::from(*blank == b'\n');
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        match parse(self.rest, self.delimiter, true, cells) {
            Parsed::Record(length, lines) => {
                let (record, line) = (self.rest, self.line);
                self.rest = self.rest.get(length..).unwrap_or_default();
                self.line += lines;
                Ok(Some((line, record)))
            }
            Parsed::NeedMore => Err((Some(self.line), "the record is cut short".to_owned())),
            Parsed::Bad(lines, message) => Err((Some(self.line + lines), message)),
        }
    }
}

/// A cell as bytes, doubled quotes undone.
pub(super) fn unquoted(record: &[u8], (start, end, doubled): (usize, usize, bool)) -> Cow<'_, [u8]> {
    let bytes = record.get(start..end).unwrap_or_default();
    if !doubled {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut skip = false;
    for &byte in bytes {
        if byte == b'"' && !skip {
            skip = true;
            continue;
        }
        skip = false;
        out.push(byte);
    }
    Cow::Owned(out)
}

/// Reads one record without quotes at the beginning of `rest`: its length. `None` where there are quotes, or where the record reaches into
/// the last bytes. Cells are short, so eight bytes are looked at in one word, in place of a call for each cell.
fn plain(rest: &[u8], delimiter: u8, cells: &mut Cells) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = ONES * 0x7f;
    let (delimiters, feeds) = (ONES * u64::from(delimiter), ONES * u64::from(b'\n'));
    // The highest bit of every byte that is not zero.
    let filled = |word: u64| (word & LOW).wrapping_add(LOW) | word;
    let mut start = 0;
    for (n, word) in rest.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let mut ends = !(filled(word ^ delimiters) & filled(word ^ feeds)) & !LOW;
        while ends != 0 {
            let end = 8 * n + ends.trailing_zeros() as usize / 8;
            ends &= ends - 1;
            if rest.get(start) == Some(&b'"') || cells.len() > COLUMNS {
                return None;
            }
            if rest.get(end) == Some(&b'\n') {
                let cut = if end > start && rest.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
                cells.push((start, cut, false));
                return Some(end + 1);
            }
            cells.push((start, end, false));
            start = end + 1;
        }
    }
    None
}

/// Reads one record at the beginning of `rest`: its length and the number of lines it covers.
fn parse(rest: &[u8], delimiter: u8, ended: bool, cells: &mut Cells) -> Parsed {
    cells.clear();
    match plain(rest, delimiter, cells) {
        Some(length) => Parsed::Record(length, 1),
        None => any(rest, delimiter, ended, cells),
    }
}

/// The same for any record.
fn any(rest: &[u8], delimiter: u8, ended: bool, cells: &mut Cells) -> Parsed {
    cells.clear();
    let mut at = 0;
    let mut lines = 0;
    loop {
        if cells.len() > COLUMNS {
            return Parsed::Bad(lines, format!("more than {COLUMNS} columns"));
        }
        let here = rest.get(at..).unwrap_or_default();
        if here.first() == Some(&b'"') {
            let opened = lines;
            let start = at + 1;
            let mut doubled = false;
            let mut end = start;
            loop {
                let Some(next) = memchr::memchr2(b'"', b'\n', rest.get(end..).unwrap_or_default()) else {
                    return if ended {
                        Parsed::Bad(opened, "a quote is opened here and never closed".to_owned())
                    } else {
                        Parsed::NeedMore
                    };
                };
                end += next;
                if rest.get(end) == Some(&b'\n') {
                    lines += 1;
                    end += 1;
                    continue;
                }
                match rest.get(end + 1) {
                    Some(b'"') => {
                        doubled = true;
                        end += 2;
                    }
                    None if !ended => return Parsed::NeedMore,
                    _ => break,
                }
            }
            cells.push((start, end, doubled));
            at = end + 1;
            match rest.get(at) {
                Some(&byte) if byte == delimiter => at += 1,
                Some(b'\n') => return Parsed::Record(at + 1, lines + 1),
                Some(b'\r') => match rest.get(at + 1) {
                    Some(b'\n') => return Parsed::Record(at + 2, lines + 1),
                    None if ended => return Parsed::Record(at + 1, lines),
                    None => return Parsed::NeedMore,
                    Some(_) => return Parsed::Bad(lines, "text behind a closing quote".to_owned()),
                },
                None if ended => return Parsed::Record(at, lines),
                None => return Parsed::NeedMore,
                Some(_) => return Parsed::Bad(lines, format!("text behind a closing quote; the quote was opened on line +{opened}")),
            }
            continue;
        }
        match memchr::memchr2(delimiter, b'\n', here) {
            Some(length) if rest.get(at + length) == Some(&b'\n') => {
                let end = at + length;
                let cut = if end > at && rest.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
                cells.push((at, cut, false));
                return Parsed::Record(end + 1, lines + 1);
            }
            Some(length) => {
                cells.push((at, at + length, false));
                at += length + 1;
            }
            None if ended => {
                let end = rest.len();
                let cut = if end > at && rest.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
                cells.push((at, cut, false));
                return Parsed::Record(end, lines);
            }
            None => return Parsed::NeedMore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// What is read eight bytes at a time is what is read cell by cell.
        #[test]
        fn plain_records_are_read_as_any(
            text in "([a-c,;\r\"\u{b}:\u{80}-]{0,24}\n?){0,3}[a-c]{0,9}",
            delimiter in proptest::sample::select(vec![b',', b';']),
        ) {
            let (mut fast, mut slow) = (Cells::new(), Cells::new());
            let found = plain(text.as_bytes(), delimiter, &mut fast);
            let parsed = any(text.as_bytes(), delimiter, true, &mut slow);
            if let Some(length) = found {
                proptest::prop_assert!(matches!(parsed, Parsed::Record(all, 1) if all == length), "{text:?}: {length}");
                proptest::prop_assert_eq!(fast, slow);
            } else {
                // Left to the other where a cell begins with a quote, or where the record ends in the last bytes or not at all.
                let first = text.split_inclusive('\n').next().unwrap_or_default();
                let quoted = first.split(char::from(delimiter)).any(|cell| cell.starts_with('"'));
                proptest::prop_assert!(quoted || !first.ends_with('\n') || first.len() > text.len() / 8 * 8, "{text:?}");
            }
        }
    }
}
