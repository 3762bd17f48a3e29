//! Weighing a workbook before it is opened: unpacked once into nothing, its XML measured as a parser would have to hold it.
//!
//! Every size in an archive is a claim, and what little XML says can make a parser ask for any memory: a cell of gigabytes, a
//! count of shared texts to make room for, a million formats. So the same pieces are cut here as the parser will cut them,
//! and a part whose tags do not close as they opened is refused: two readings of it could differ.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

use memchr::{memchr, memchr3, memmem};
use zip::{ZipArchive, result::ZipError};

use super::{Limits, ReadError};

/// How much of a tag is looked at; only its length counts beyond.
const HEAD: usize = 4 * 1_024;
/// How deep tags may lie in each other; a worksheet needs ten.
const DEPTH: usize = 200;
/// How a file's entry in the directory begins.
const ENTRY: &[u8] = b"PK\x01\x02";
/// Encodings in which markup is the same bytes as here.
const ENCODINGS: [&[u8]; 4] = [b"utf-8", b"us-ascii", b"iso-8859-", b"windows-125"];

/// Refuses a workbook that would cost more than the limits. The 0.3 s this takes for a large one are cheaper than a bomb.
pub(super) fn weigh(path: &Path, limits: &Limits) -> Result<(), ReadError> {
    let parts = ReadError::TooLarge { what: "parts", limit: limits.parts as u64 };
    // The directory is held in memory as soon as it is read.
    if entries(path)? > limits.parts.saturating_add(100) {
        return Err(parts);
    }
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(why)?;
    if archive.len() > limits.parts {
        return Err(parts);
    }
    let unpacked = ReadError::TooLarge { what: "unpacked bytes", limit: limits.unpacked_bytes };
    if archive.decompressed_size().is_some_and(|size| size > u128::from(limits.unpacked_bytes)) {
        return Err(unpacked);
    }
    let mut total = 0u64;
    let mut names = HashSet::new();
    for place in 0..archive.len() {
        let part = archive.by_index(place).map_err(why)?;
        let name = part.name().map_err(why)?.to_ascii_lowercase();
        let left = limits.unpacked_bytes.saturating_sub(total);
        let texts = name.ends_with("sharedstrings.xml");
        let sheet = name.contains("worksheets/");
        let bound = match (sheet, texts) {
            (true, _) => left,
            (false, true) => left.min(limits.part_bytes),
            (false, false) => left.min(limits.part_bytes).min(limits.other_bytes),
        };
        let is_xml = name.ends_with(".xml") || name.ends_with(".rels");
        // Readers disagree which of two parts of one name counts, and that is how checks are evaded.
        if !names.insert(name) {
            return Err(ReadError::Unreadable);
        }
        let mut part = part.take(bound.saturating_add(1));
        let size = if is_xml {
            let mut meter = Meter::new(limits, if sheet || texts { u64::MAX } else { limits.tags });
            let size = io::copy(&mut part, &mut meter);
            meter.fault.map_or(size.map_err(|_| ReadError::Unreadable), Err)?
        } else {
            io::copy(&mut part, &mut io::sink()).map_err(|_| ReadError::Unreadable)?
        };
        if size > bound {
            return Err(if bound == left { unpacked } else { ReadError::TooLarge { what: "unpacked bytes in one part", limit: bound } });
        }
        total = total.saturating_add(size);
    }
    Ok(())
}

/// How many entries a directory could have at most, counted without holding any.
fn entries(path: &Path) -> Result<usize, ReadError> {
    let mut file = File::open(path)?;
    let finder = memmem::Finder::new(ENTRY);
    let mut bytes = vec![0; 64 * 1_024];
    let (mut kept, mut count) = (0usize, 0usize);
    loop {
        let read = file.read(bytes.get_mut(kept..).unwrap_or_default())?;
        if read == 0 {
            return Ok(count);
        }
        let filled = kept.saturating_add(read);
        count = count.saturating_add(finder.find_iter(bytes.get(..filled).unwrap_or_default()).count());
        // A signature cut in two is found with the next piece; a whole one is longer than what is kept.
        kept = filled.min(ENTRY.len().saturating_sub(1));
        bytes.copy_within(filled.saturating_sub(kept)..filled, 0);
    }
}

/// What is being read, as the parser cuts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Text,
    /// Behind `<`, nothing of the tag read yet.
    Opening,
    Tag,
    /// An attribute's value, up to this mark.
    Quoted(u8),
    /// Behind `<!`, until it is clear what it is.
    Bang,
    Comment,
    Data,
    Instruction,
}

/// Measures XML that is written into it.
struct Meter<'a> {
    limits: &'a Limits,
    /// The first two bytes, and how many of them have come.
    first: [u8; 2],
    begun: usize,
    tags_left: u64,
    texts: u64,
    piece: Piece,
    /// Bytes of the piece so far.
    length: u64,
    /// The beginning of the tag, without `<`.
    head: Vec<u8>,
    /// The last bytes, by which comments and instructions end.
    tail: [u8; 2],
    /// The names of the elements that are open, one after the other, and where each begins.
    names: Vec<u8>,
    open: Vec<usize>,
    /// Within a cell or a shared text: how deep it lies, and its bytes so far.
    cell: Option<(usize, u64)>,
    fault: Option<ReadError>,
}

impl<'a> Meter<'a> {
    fn new(limits: &'a Limits, tags_left: u64) -> Self {
        Self {
            limits,
            first: [0; 2],
            begun: 0,
            tags_left,
            texts: 0,
            piece: Piece::Text,
            length: 0,
            head: Vec::with_capacity(HEAD),
            tail: [0; 2],
            names: Vec::new(),
            open: Vec::new(),
            cell: None,
            fault: None,
        }
    }

    fn begin(&mut self, piece: Piece) {
        (self.piece, self.length) = (piece, 0);
        self.head.clear();
    }

    /// Counts bytes of the piece; a parser holds a piece, and a cell, whole.
    fn weigh(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let limit = self.limits.piece_bytes;
        let (size, too_large) = (bytes.len() as u64, ReadError::TooLarge { what: "bytes in one cell", limit });
        self.length = self.length.saturating_add(size);
        if let Some((_, cell)) = &mut self.cell {
            *cell = cell.saturating_add(size);
            if *cell > limit {
                return Err(too_large);
            }
        }
        match bytes {
            [] => {}
            [last] => self.tail = [self.tail[1], *last],
            [.., one, other] => self.tail = [*one, *other],
        }
        if self.piece != Piece::Text && self.head.len() < HEAD {
            let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
            self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        if self.length > limit { Err(too_large) } else { Ok(()) }
    }

    fn take(&mut self, mut rest: &[u8]) -> Result<(), ReadError> {
        while let Some(&first) = rest.first() {
            let end = match self.piece {
                Piece::Text => memchr(b'<', rest),
                Piece::Opening | Piece::Bang => Some(0),
                Piece::Tag => memchr3(b'>', b'"', b'\'', rest),
                Piece::Quoted(mark) => memchr(mark, rest),
                Piece::Comment | Piece::Data | Piece::Instruction => memchr(b'>', rest),
            };
            let Some(end) = end else {
                self.weigh(rest)?;
                return Ok(());
            };
            let (before, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.weigh(before)?;
            let mark = behind.first().copied().unwrap_or_default();
            rest = behind.get(1..).unwrap_or_default();
            match self.piece {
                Piece::Text => self.begin(Piece::Opening),
                Piece::Opening => {
                    self.piece = match first {
                        b'!' => Piece::Bang,
                        b'?' => Piece::Instruction,
                        b'>' | b'"' | b'\'' | 0 => return Err(ReadError::Unreadable),
                        _ => Piece::Tag,
                    };
                    self.weigh(&[first])?;
                }
                Piece::Bang => {
                    self.weigh(&[first])?;
                    self.piece = match self.head.as_slice() {
                        b"!--" => Piece::Comment,
                        b"![CDATA[" => Piece::Data,
                        // A document type could define anything; office formats forbid it.
                        head if b"!--".starts_with(head) || b"![CDATA[".starts_with(head) => Piece::Bang,
                        _ => return Err(ReadError::Unreadable),
                    };
                }
                Piece::Tag if mark == b'>' => {
                    self.tag()?;
                    self.begin(Piece::Text);
                }
                Piece::Tag => {
                    self.piece = Piece::Quoted(mark);
                    self.weigh(&[mark])?;
                }
                Piece::Quoted(_) => {
                    self.piece = Piece::Tag;
                    self.weigh(&[mark])?;
                }
                Piece::Comment | Piece::Data | Piece::Instruction => self.closing()?,
            }
        }
        Ok(())
    }

    /// Behind a `>` that may end a comment, a piece of raw text or an instruction.
    fn closing(&mut self) -> Result<(), ReadError> {
        let ends = match self.piece {
            // `<!-->` and `<!--->` are ended here by some readers and not by others.
            Piece::Comment if self.length < 5 => return Err(ReadError::Unreadable),
            Piece::Comment => self.tail == *b"--",
            Piece::Data => self.tail == *b"]]" && self.length >= 10,
            _ => self.tail[1] == b'?' && self.length >= 2,
        };
        if !ends {
            return self.weigh(b">");
        }
        if self.piece == Piece::Instruction {
            let head = self.head.to_ascii_lowercase();
            // A declaration of UTF-16 would make the parser see other markup than is seen here.
            let known = |at: usize| {
                let said = head.get(at..).unwrap_or_default();
                let name = said.splitn(3, |byte| matches!(byte, b'"' | b'\'')).nth(1).unwrap_or_default();
                ENCODINGS.iter().any(|known| name.starts_with(known))
            };
            if self.length > HEAD as u64 || !memmem::find_iter(&head, b"encoding").all(known) {
                return Err(ReadError::Unreadable);
            }
        }
        self.begin(Piece::Text);
        Ok(())
    }

    /// A whole tag stands in the head.
    fn tag(&mut self) -> Result<(), ReadError> {
        let name_of = |tag: &[u8]| tag.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'/').count();
        if let Some(name) = self.head.strip_prefix(b"/") {
            let name = name.trim_ascii_end();
            let from = self.open.pop().ok_or(ReadError::Unreadable)?;
            if self.names.get(from..) != Some(name) {
                return Err(ReadError::Unreadable);
            }
            self.names.truncate(from);
            if self.cell.is_some_and(|(depth, _)| depth == self.open.len()) {
                self.cell = None;
            }
            return Ok(());
        }
        self.tags_left = self.tags_left.checked_sub(1).ok_or(ReadError::TooLarge { what: "tags in one part", limit: self.limits.tags })?;
        let name = self.head.get(..name_of(&self.head)).unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if name.len() > 256 {
            return Err(ReadError::Unreadable);
        }
        let mut claimed_texts = 0;
        match local {
            b"si" => self.texts = self.texts.saturating_add(1),
            // The parser makes room for as many texts as this tag claims.
            b"sst" if self.length > HEAD as u64 => return Err(ReadError::Unreadable),
            b"sst" => claimed_texts = claimed(&self.head),
            _ => {}
        }
        if self.texts.max(claimed_texts) > self.limits.texts {
            return Err(ReadError::TooLarge { what: "shared texts", limit: self.limits.texts });
        }
        if self.tail[1] == b'/' {
            return Ok(());
        }
        if self.cell.is_none() && matches!(local, b"c" | b"si") {
            self.cell = Some((self.open.len(), 0));
        }
        self.open.push(self.names.len());
        self.names.extend_from_slice(name);
        if self.open.len() > DEPTH { Err(ReadError::Unreadable) } else { Ok(()) }
    }
}

/// How many shared texts a tag claims that there are.
fn claimed(tag: &[u8]) -> u64 {
    const NAME: &[u8] = b"uniqueCount";
    let number = |at: usize| {
        let behind = tag.get(at.saturating_add(NAME.len())..).unwrap_or_default();
        let digits = behind.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
        digits.fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))))
    };
    memmem::find_iter(tag, NAME).map(number).max().unwrap_or(0)
}

impl Write for Meter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (first, byte) in self.first.iter_mut().skip(self.begun).zip(bytes) {
            *first = *byte;
            self.begun = self.begun.saturating_add(1);
        }
        // A mark of UTF-16: the parser would see other markup than is seen here.
        let wide = matches!(self.first, [0xff, 0xfe] | [0xfe, 0xff]);
        let taken = if wide { Err(ReadError::Unreadable) } else { self.take(bytes) };
        if let Err(fault) = taken {
            self.fault = Some(fault);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the archive's own reader says.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn why(error: ZipError) -> ReadError {
    match error {
        ZipError::InvalidPassword => ReadError::Encrypted,
        ZipError::UnsupportedArchive(text) if text == ZipError::PASSWORD_REQUIRED => ReadError::Encrypted,
        _ => ReadError::Unreadable,
    }
}
