//! The encodings tables come in: UTF-8, UTF-16 with its mark (Excel's "Unicode text"), else Windows-1252; decoded while reading.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{ReadError, reopen};

const CHUNK: usize = 64 * 1_024;

/// How a file's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8 { mark: bool },
    Utf16Le,
    Utf16Be,
    Windows1252,
}

/// Decides by looking at the whole file: the first accent may stand in the last row.
pub(super) fn detect(path: &Path) -> Result<Encoding, ReadError> {
    let mut file = reopen(path, 0)?;
    let mut head = Vec::with_capacity(4);
    file.by_ref().take(3).read_to_end(&mut head)?;
    let mark = match head.as_slice() {
        [0xff, 0xfe, ..] => return Ok(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => return Ok(Encoding::Utf16Be),
        head => head == [0xef, 0xbb, 0xbf],
    };
    // UTF-16 without its mark: every other byte of plain text is a NUL.
    if matches!(head.as_slice(), [0, b' '..=b'~', 0] | [b' '..=b'~', 0, b' '..=b'~']) {
        return Err(ReadError::BadEncoding);
    }
    let mut seen = Seen { line: 1, ..Seen::default() };
    let mut pending = head;
    loop {
        let before = pending.len();
        file.by_ref().take(CHUNK as u64).read_to_end(&mut pending)?;
        let ended = pending.len() == before;
        let rest = seen.scan(&pending, ended);
        let from = pending.len().saturating_sub(rest);
        pending.drain(..from);
        if ended {
            break;
        }
    }
    match seen {
        // A picture or a database has NULs at once, a table that a program damaged has them somewhere.
        Seen { nul: true, line, invalid: false, .. } if line > 1 => Err(ReadError::NulByte { line }),
        Seen { nul: true, .. } => Err(ReadError::NotATable),
        Seen { invalid: false, .. } => Ok(Encoding::Utf8 { mark }),
        // Two encodings pasted together, or bytes Windows-1252 does not have: any choice would garble names.
        Seen { multibyte: true, .. } | Seen { unassigned: true, .. } => Err(ReadError::BadEncoding),
        Seen { .. } => Ok(Encoding::Windows1252),
    }
}

#[derive(Default)]
struct Seen {
    nul: bool,
    /// The line of the first NUL.
    line: u32,
    invalid: bool,
    multibyte: bool,
    unassigned: bool,
}

impl Seen {
    /// Looks through a chunk; gives the length of a character cut off at its end, to be seen with the next chunk.
    fn scan(&mut self, bytes: &[u8], ended: bool) -> usize {
        if !self.nul {
            let nul = memchr::memchr(0, bytes);
            self.nul = nul.is_some();
            // A character cut off has no line break, so nothing is counted twice.
            let lines = memchr::memchr_iter(b'\n', bytes.get(..nul.unwrap_or(bytes.len())).unwrap_or_default()).count();
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        }
        let mut cut = 0;
        for chunk in bytes.utf8_chunks() {
            self.multibyte |= !chunk.valid().is_ascii() && !chunk.valid().starts_with('\u{feff}');
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let last = bytes.as_ptr_range().end == invalid.as_ptr_range().end;
            if last && !ended && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                cut = invalid.len();
                continue;
            }
            self.invalid = true;
            self.unassigned |= invalid.iter().any(|byte| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d));
        }
        cut
    }
}

/// A file as UTF-8, without a byte order mark.
pub(super) fn reader(path: &Path, encoding: Encoding) -> Result<Box<dyn Read + Send>, ReadError> {
    Ok(match encoding {
        Encoding::Utf8 { mark } => Box::new(reopen(path, if mark { 3 } else { 0 })?),
        Encoding::Utf16Le => Box::new(Transcoder::new(reopen(path, 2)?, UTF_16LE.new_decoder_without_bom_handling())),
        Encoding::Utf16Be => Box::new(Transcoder::new(reopen(path, 2)?, UTF_16BE.new_decoder_without_bom_handling())),
        Encoding::Windows1252 => Box::new(Transcoder::new(reopen(path, 0)?, WINDOWS_1252.new_decoder_without_bom_handling())),
    })
}

struct Transcoder {
    file: File,
    decoder: Decoder,
    raw: Vec<u8>,
    from: usize,
    ended: bool,
    done: bool,
}

impl Transcoder {
    fn new(file: File, decoder: Decoder) -> Self {
        Self { file, decoder, raw: Vec::with_capacity(CHUNK), from: 0, ended: false, done: false }
    }
}

impl Read for Transcoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.done {
            let source = self.raw.get(self.from..).unwrap_or_default();
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(source, out, self.ended);
            self.from = self.from.saturating_add(read);
            match result {
                DecoderResult::Malformed(..) => return Err(io::ErrorKind::InvalidData.into()),
                DecoderResult::OutputFull if written == 0 => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                DecoderResult::OutputFull => return Ok(written),
                DecoderResult::InputEmpty if self.ended => self.done = true,
                DecoderResult::InputEmpty => {
                    self.raw.clear();
                    self.from = 0;
                    self.ended = self.file.by_ref().take(CHUNK as u64).read_to_end(&mut self.raw)? == 0;
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
