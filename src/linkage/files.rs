//! Registers from CSV files, pairs into them: the only part that touches files.
//!
//! The reader streams: it holds one buffer, in which one record must fit ([`LONGEST`]), and the packed rows. It takes `,`, `;` or tab, UTF-8
//! with or without BOM or Windows-1252, quotes with line breaks inside. It is strict where a register would otherwise be read wrongly:
//! a quote that is not closed, text behind a closing quote, a row with more or fewer cells than the header, all with their line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc;

use super::normalise::{Normaliser, hash};
use super::profile::{Field, Kind};
use super::record::{MOST_ROWS, Register};
use super::run::{Engine, Outcome};

/// The longest record in bytes; with it the memory of the reader is bounded, also when a quote is never closed.
pub const LONGEST: usize = 1 << 20;
/// The most columns of a file.
pub const COLUMNS: usize = 4_096;

/// A file that cannot be used: where and why.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The line, the header being line 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

/// Which file of a run is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

/// A register that was read, and what was noticed.
#[derive(Debug)]
pub struct Loaded {
    /// The records.
    pub register: Register,
    /// Remarks for the user: columns the file lacks, columns without content.
    pub notes: Vec<String>,
}

/// Cells of some rows, on their way to a worker.
struct Batch {
    number: usize,
    text: Vec<u8>,
    /// Where each cell ends; the id and the compared fields, row after row.
    ends: Vec<u32>,
}

/// Bytes that a worker normalises at a time.
const BATCH_BYTES: usize = 4 << 20;
/// The id and the most fields a profile may compare.
const WIDEST: usize = 40;

struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is not yet read.
    from: usize,
    filled: usize,
    ended: bool,
    line: u64,
    delimiter: u8,
}

/// The cells of a record: where they lie in the buffer, and whether quotes must be undone.
type Cells = Vec<(usize, usize, bool)>;

enum Parsed {
    Record(usize, u64),
    NeedMore,
    Bad(u64, String),
}

impl<R: Read> Reader<R> {
    fn new(source: R) -> Self {
        Self { source, buffer: vec![0; 256 << 10], from: 0, filled: 0, ended: false, line: 1, delimiter: b',' }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.filled, 0);
            self.filled -= self.from;
            self.from = 0;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let space = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = loop {
            match self.source.read(space) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        Ok(())
    }

    /// The next record's cells, `None` at the end. Empty lines are passed over.
    fn next(&mut self, cells: &mut Cells) -> Result<Option<u64>, (Option<u64>, String)> {
        loop {
            let rest = self.buffer.get(self.from..self.filled).unwrap_or_default();
            if let Some(blank) = rest.first().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                self.line += u64::from(*blank == b'\n');
                self.from += 1;
                continue;
            }
            if rest.is_empty() && self.ended {
                return Ok(None);
            }
            match parse(rest, self.delimiter, self.ended, cells) {
                Parsed::Record(length, lines) => {
                    let start = self.from;
                    for cell in cells.iter_mut() {
                        cell.0 += start;
                        cell.1 += start;
                    }
                    let line = self.line;
                    self.from += length;
                    self.line += lines;
                    return Ok(Some(line));
                }
                Parsed::NeedMore if rest.len() > LONGEST => {
                    let quoted = rest.contains(&b'"');
                    let hint = if quoted { "; a quote is probably not closed" } else { "" };
                    return Err((Some(self.line), format!("a record is longer than {LONGEST} bytes{hint}")));
                }
                Parsed::NeedMore => self.fill().map_err(|error| (None, error.to_string()))?,
                Parsed::Bad(lines, message) => return Err((Some(self.line + lines), message)),
            }
        }
    }

    fn cell(&self, cell: (usize, usize, bool)) -> Cow<'_, [u8]> {
        let bytes = self.buffer.get(cell.0..cell.1).unwrap_or_default();
        if !cell.2 {
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
}

/// Reads one record at the beginning of `rest`: its length and the number of lines it covers.
fn parse(rest: &[u8], delimiter: u8, ended: bool, cells: &mut Cells) -> Parsed {
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

/// Text as UTF-8, or, where it is not, as Windows-1252.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Reads a register. `threads` share the normalising; the result does not depend on them.
pub fn read(engine: &Engine, path: &Path, side: Side, threads: usize) -> Result<Loaded, FileError> {
    let fail = |line: Option<u64>, message: String| FileError { path: path.to_owned(), line, message };
    let file = File::open(path).map_err(|error| fail(None, error.to_string()))?;
    let mut reader = Reader::new(file);
    while !reader.ended && reader.filled < 4_096 {
        reader.fill().map_err(|error| fail(None, error.to_string()))?;
    }
    let head = reader.buffer.get(..reader.filled).unwrap_or_default();
    if head.is_empty() {
        return Err(fail(None, "the file is empty".to_owned()));
    }
    if head.starts_with(b"PK\x03\x04") || head.iter().take(4_096).any(|&byte| byte == 0) {
        return Err(fail(None, "this is not a CSV text; save a workbook as CSV (UTF-8) first".to_owned()));
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        reader.from = 3;
    }
    let first = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let often = |wanted: u8| first.iter().filter(|&&byte| byte == wanted).count();
    reader.delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|&byte| (often(byte), byte == b',')).unwrap_or(b',');

    let mut cells = Cells::new();
    let header_line = reader.next(&mut cells).map_err(|(line, message)| fail(line, message))?;
    let Some(header_line) = header_line else { return Err(fail(None, "the file is empty".to_owned())) };
    let headers: Vec<String> = cells.iter().map(|&cell| text(&reader.cell(cell)).trim().to_lowercase()).collect();
    for (n, header) in headers.iter().enumerate() {
        if !header.is_empty() && headers.iter().take(n).any(|other| other == header) {
            return Err(fail(Some(header_line), format!("the header {header} stands twice")));
        }
    }
    let mut notes = Vec::new();
    let columns = places(engine, side, &headers, &mut notes).map_err(|message| fail(Some(header_line), message))?;

    let width = columns.len();
    let mut rows = 0usize;
    let mut filled = vec![false; width];
    let crew = threads.max(1);
    let (send, receive) = mpsc::sync_channel::<Batch>(1);
    let receive = Mutex::new(receive);
    let done: Mutex<Vec<(usize, Register)>> = Mutex::new(Vec::new());
    let work = |batch: &Batch, register: &mut Register, normaliser: &mut Normaliser<'_>| {
        let mut start = 0usize;
        let mut ends = batch.ends.chunks_exact(width);
        // Nearly always the whole batch is UTF-8, and then no cell need be looked at again.
        match std::str::from_utf8(&batch.text) {
            Ok(all) => {
                let mut values = [""; WIDEST];
                for row in &mut ends {
                    for (value, &end) in values.iter_mut().zip(row) {
                        *value = all.get(start..end as usize).unwrap_or_default();
                        start = end as usize;
                    }
                    if let Some((id, rest)) = values.get(..width).and_then(<[&str]>::split_first) {
                        register.push(&engine.layout, normaliser, id.trim(), rest);
                    }
                }
            }
            Err(_) => {
                for row in &mut ends {
                    let cells: Vec<Cow<'_, str>> = row
                        .iter()
                        .map(|&end| {
                            let cell = text(batch.text.get(start..end as usize).unwrap_or_default());
                            start = end as usize;
                            cell
                        })
                        .collect();
                    let values: Vec<&str> = cells.iter().map(Cow::as_ref).collect();
                    if let Some((id, rest)) = values.split_first() {
                        register.push(&engine.layout, normaliser, id.trim(), rest);
                    }
                }
            }
        }
    };
    let mut produce = |hand: &mut dyn FnMut(Batch)| -> Result<(), FileError> {
        let mut number = 0;
        let fresh = |number| Batch { number, text: Vec::with_capacity(BATCH_BYTES + 4096), ends: Vec::new() };
        let mut batch = fresh(number);
        while let Some(line) = reader.next(&mut cells).map_err(|(line, message)| fail(line, message))? {
            if cells.len() != headers.len() {
                return Err(fail(Some(line), format!("{} cells, but the header has {}", cells.len(), headers.len())));
            }
            for (n, (place, filled)) in columns.iter().zip(&mut filled).enumerate() {
                if let Some(&cell) = place.and_then(|place| cells.get(place)) {
                    let content = reader.cell(cell);
                    *filled |= !content.is_empty();
                    if n == 0 && content.trim_ascii().is_empty() {
                        return Err(fail(Some(line), "the id is empty".to_owned()));
                    }
                    batch.text.extend_from_slice(&content);
                }
                batch.ends.push(u32::try_from(batch.text.len()).unwrap_or(u32::MAX));
            }
            rows += 1;
            if rows > MOST_ROWS {
                return Err(fail(Some(line), format!("more than {MOST_ROWS} rows")));
            }
            if batch.text.len() >= BATCH_BYTES {
                number += 1;
                hand(std::mem::replace(&mut batch, fresh(number)));
            }
        }
        hand(batch);
        Ok(())
    };
    if crew == 1 {
        let mut normaliser = Normaliser::new(&engine.layout.spelling);
        let mut register = Register::new(&engine.layout);
        produce(&mut |batch| work(&batch, &mut register, &mut normaliser))?;
        if let Ok(mut done) = done.lock() {
            done.push((0, register));
        }
    } else {
        std::thread::scope(|scope| {
            for _ in 0..crew {
                scope.spawn(|| {
                    loop {
                        let next = receive.lock().ok().and_then(|receive| receive.recv().ok());
                        let Some(batch) = next else { break };
                        let mut normaliser = Normaliser::new(&engine.layout.spelling);
                        let mut register = Register::new(&engine.layout);
                        work(&batch, &mut register, &mut normaliser);
                        if let Ok(mut done) = done.lock() {
                            done.push((batch.number, register));
                        }
                    }
                });
            }
            let result = produce(&mut |batch| drop(send.send(batch)));
            drop(send);
            result
        })?;
    }
    let mut parts = done.into_inner().unwrap_or_default();
    parts.sort_by_key(|part| part.0);
    let mut parts = parts.into_iter().map(|part| part.1);
    let mut register = parts.next().unwrap_or_else(|| Register::new(&engine.layout));
    for part in parts {
        register.append(&engine.layout, &part);
    }
    if rows == 0 {
        return Err(fail(None, "there is a header, but no row under it".to_owned()));
    }
    for ((field, filled), place) in engine.profile.compared().zip(filled.iter().skip(1)).zip(columns.iter().skip(1)) {
        if place.is_some() && !filled {
            notes.push(format!("the column of {} is empty throughout", field.key));
        }
    }
    if !filled.iter().skip(1).any(|&filled| filled) {
        return Err(fail(None, "all columns that could be compared are empty throughout".to_owned()));
    }
    if let Some(id) = repeated(&register) {
        return Err(fail(None, format!("the id {id} stands on several rows; an id names one row")));
    }
    Ok(Loaded { register, notes })
}

/// The column of the id and of each compared field.
fn places(engine: &Engine, side: Side, headers: &[String], notes: &mut Vec<String>) -> Result<Vec<Option<usize>>, String> {
    let wanted = |field: &Field| if side == Side::Left { field.left.clone() } else { field.right.clone() };
    let find =
        |field: &Field| wanted(field).iter().find_map(|name| headers.iter().position(|header| *header == name.trim().to_lowercase()));
    let mut out = Vec::new();
    let mut lacking = Vec::new();
    if let Some(id) = engine.profile.id() {
        match find(id) {
            Some(place) => out.push(Some(place)),
            None => return Err(format!("no id column: none of the headers is {}", wanted(id).join(", "))),
        }
    }
    for field in engine.profile.compared() {
        let place = find(field);
        if place.is_none() {
            if field.required {
                return Err(format!("no column for {}: none of the headers is {}", field.key, wanted(field).join(", ")));
            }
            lacking.push(field.key.clone());
        }
        out.push(place);
    }
    if out.iter().skip(1).all(Option::is_none) {
        return Err(format!("none of the profile's columns is there; the headers are {}", headers.join(", ")));
    }
    if !lacking.is_empty() {
        notes.push(format!("no column for {}: missing evidence", lacking.join(", ")));
    }
    debug_assert!(engine.profile.compared().all(|field| field.kind != Kind::Id));
    Ok(out)
}

/// An id that more than one row has.
fn repeated(register: &Register) -> Option<&str> {
    let rows = u32::try_from(register.len()).unwrap_or(u32::MAX);
    let mut seen: Vec<(u64, u32)> = (0..rows).map(|row| (hash(register.id(row).as_bytes(), 5), row)).collect();
    seen.sort_unstable();
    let twice = seen.windows(2).find_map(|pair| match pair {
        [a, b] if a.0 == b.0 && register.id(a.1) == register.id(b.1) => Some(a.1),
        _ => None,
    })?;
    Some(register.id(twice))
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\n', '\r']) { Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\""))) } else { Cow::Borrowed(cell) }
}

/// Writes the pairs beside the goal first and renames, so that nobody ever sees half a file. With `explain` one more column holds the
/// terms of each weight.
pub fn write(path: &Path, engine: &Engine, outcome: &Outcome, left: &Register, right: &Register, explain: bool) -> Result<(), FileError> {
    let fail = |error: std::io::Error| FileError { path: path.to_owned(), line: None, message: error.to_string() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    {
        let mut out = BufWriter::new(file.as_file_mut());
        let last = if explain { ",explanation" } else { "" };
        writeln!(out, "left_id,right_id,weight,probability,zone{last}").map_err(fail)?;
        for pair in &outcome.pairs {
            let (l, r) = (quoted(left.id(pair.left)), quoted(right.id(pair.right)));
            write!(out, "{l},{r},{:.6},{:.9},{}", pair.weight, pair.probability, pair.zone.name()).map_err(fail)?;
            if explain {
                let terms: Vec<String> = engine.explain(&outcome.model, pair).iter().map(ToString::to_string).collect();
                write!(out, ",{}", quoted(&terms.join("; "))).map_err(fail)?;
            }
            writeln!(out).map_err(fail)?;
        }
        out.flush().map_err(fail)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private; the result is as readable as any other output.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(fail)?;
    }
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linkage::profile::Profile;
    use crate::linkage::run::Options;

    fn engine() -> Engine {
        Engine::new(Profile::shipped("indonesian").unwrap().unwrap()).unwrap()
    }

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn read_bytes(content: &[u8], threads: usize) -> Result<Loaded, FileError> {
        read(&engine(), file(content).path(), Side::Left, threads)
    }

    #[test]
    fn one_register_in_many_dresses() {
        let plain = read_bytes(b"id,nik,nama,tgl_lahir\n1,6202014406130001,SITI A\xc3\x89NAH,2013-06-04\n", 1).unwrap();
        for other in [
            &b"\xef\xbb\xbfID;NIK;Nama;TGL_LAHIR\r\n1;'6202014406130001;\"SITI A\xc3\x89NAH\";04/06/2013\r\n"[..],
            b"id;nik;nama;tgl_lahir\n1;6202014406130001;SITI A\xc9NAH;04/06/2013 00:00",
            b"id\tnik\tnama\ttgl_lahir\n\n1\t6202014406130001\tSITI  A\xc3\x89NAH\t2013-06-04\n\n",
        ] {
            let read = read_bytes(other, 2).unwrap();
            assert_eq!(read.register.len(), 1);
            let pattern = engine().pattern(&plain.register, 0, &read.register, 0);
            assert_eq!(pattern, engine().pattern(&plain.register, 0, &plain.register, 0), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn quotes_may_hold_delimiters_breaks_and_quotes() {
        let read = read_bytes(b"id,nama,alamat\n1,\"SITI, S.Pd\",\"JL \"\"A\"\"\nRT 3\"\n2,BUDI,X\n", 1).unwrap();
        assert_eq!(read.register.len(), 2);
        assert_eq!(read.register.id(1), "2");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let long = [b"id,nama\n1,\"A\n".to_vec(), b"2,B\n".repeat(400_000)].concat();
        for (content, line, word) in [
            (&b""[..], None, "empty"),
            (b"\n\n", None, "empty"),
            (b"id,nama\n", None, "no row"),
            (b"id,nama,NAMA\n1,A,B\n", Some(1), "twice"),
            (b"nama\nA\n", Some(1), "no id column"),
            (b"id,warna\n1,A\n", Some(1), "none of the profile's columns"),
            (b"id,nama\n1,A\n2\n", Some(3), "1 cells"),
            (b"id,nama\n1,\"A\n2,B\n", Some(2), "never closed"),
            (b"id,nama\n1,\"A\"B\n", Some(2), "behind a closing quote"),
            (b"id,nama\n1,\n2,-\n", None, ""),
            (b"id,nama\n1,A\n1,B\n", None, "several rows"),
            (b"id,nama\n,A\n", Some(2), "id is empty"),
            (b"PK\x03\x04xxxx", None, "not a CSV"),
            (&long, Some(2), "longer than"),
        ] {
            match read_bytes(content, 1) {
                Err(error) => {
                    assert_eq!(error.line, line, "{error}");
                    assert!(error.to_string().contains(word), "{error}");
                }
                Ok(_) => assert!(word.is_empty(), "{word}"),
            }
        }
        assert!(read_bytes(b"id,nama,nik\n1,,\n2,,\n", 1).unwrap_err().to_string().contains("empty throughout"));
    }

    #[test]
    fn pairs_are_written_whole_or_not_at_all() {
        let engine = engine();
        let row = b"id,nik,nama,tgl_lahir\n\"a,1\",6202014406130001,SITI AMINAH,2013-06-04\n";
        let (mut left, mut right) = (read_bytes(row, 1).unwrap().register, read_bytes(row, 1).unwrap().register);
        let outcome = engine.link(&mut left, &mut right, &Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let goal = folder.path().join("pairs.csv");
        write(&goal, &engine, &outcome, &left, &right, true).unwrap();
        let text = std::fs::read_to_string(&goal).unwrap();
        assert!(text.starts_with("left_id,right_id,weight,probability,zone,explanation\n"), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("\"a,1\",\"a,1\",")), "{text}");
        assert!(write(&folder.path().join("no/such/folder.csv"), &engine, &outcome, &left, &right, false).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_damage_is_told_too() {
        let wide: Vec<u8> = [0xfeff].into_iter().chain("id,nama\n1,A\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert!(read_bytes(&wide, 1).unwrap_err().to_string().contains("not a CSV"));
        assert!(read_bytes(b"id,nama,alamat\n1,A,B\n2,A", 1).unwrap_err().to_string().contains("line 3: 2 cells"), "cut short");
        let late = [b"id,nama\n".to_vec(), b"1,A\n".repeat(3), b"9,\"A".to_vec()].concat();
        assert_eq!(read_bytes(&late, 1).unwrap_err().line, Some(5), "opened in the last row");
        let columns = format!("id,nama,{}\n", (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        assert!(read_bytes(columns.as_bytes(), 1).unwrap_err().to_string().contains("more than 4096 columns"));
        assert_eq!(read_bytes("id,nama\n1,S\n2,\u{1f469}\u{200d}\u{1f469}\n".as_bytes(), 1).unwrap().register.len(), 2);
    }

    fn fuzz(few: u32) -> proptest::test_runner::Config {
        let more = std::env::var("ENTAS_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
        proptest::test_runner::Config { failure_persistence: None, ..proptest::test_runner::Config::with_cases(more.unwrap_or(few)) }
    }

    proptest::proptest! {
        #![proptest_config(fuzz(80))]

        /// A sound register, mutated: read or refused with a line that the file has, the same way every time and with any
        /// number of threads; and what is read is linked without a panic.
        #[test]
        fn mutated_registers(
            delimiter in proptest::sample::select(vec![",", ";", "\t"]),
            cells in proptest::collection::vec((0usize..12, 0usize..6, "(\\PC{0,20}|[0-9/-]{0,16}|.{0,5}|\"[a-z,;\n]{0,6}\")"), 0..8),
            bytes in proptest::collection::vec((proptest::prelude::any::<u16>(), proptest::prelude::any::<u8>()), 0..4),
            cut in proptest::option::of(proptest::prelude::any::<u16>()),
        ) {
            let mut table: Vec<Vec<String>> = vec![["id", "nik", "nama", "tgl_lahir", "alamat", "no_kk"].map(str::to_owned).to_vec()];
            table.extend((1..12).map(|n| {
                let day = n + 10;
                vec![n.to_string(), format!("620209{day}0785{n:04}"), format!("SITI NO {n}"), format!("{day}/07/1985"), "\"JL, A\"".into(), format!("62020901012000{:02}", n / 3)]
            }));
            for (row, column, cell) in cells {
                table[row][column] = cell;
            }
            let text = table.iter().map(|row| row.join(delimiter)).collect::<Vec<_>>().join("\n");
            let mut text = text.into_bytes();
            for (at, byte) in bytes {
                let at = text.len() * usize::from(at) / 65_536;
                text[at] ^= byte;
            }
            text.truncate(cut.map_or(text.len(), |part| text.len() * usize::from(part) / 65_536));
            let ids = |read: &Loaded| (0..u32::try_from(read.register.len()).unwrap()).map(|row| read.register.id(row).to_owned()).collect::<Vec<_>>();
            let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count() as u64;
            match (read_bytes(&text, 1), read_bytes(&text, 2)) {
                (Ok(mut one), Ok(mut two)) => {
                    proptest::prop_assert_eq!(ids(&one), ids(&two));
                    proptest::prop_assert!(one.register.len() as u64 <= lines);
                    let outcome = engine().link(&mut one.register, &mut two.register, &Options::default()).unwrap();
                    proptest::prop_assert!(outcome.pairs.iter().all(|pair| pair.weight.is_finite() && (0.0..=1.0).contains(&pair.probability)));
                }
                (Err(one), Err(two)) => {
                    proptest::prop_assert_eq!((one.line, &one.message), (two.line, &two.message));
                    proptest::prop_assert!(one.line.is_none_or(|line| line >= 1 && line <= lines), "line {:?} of {}: {}", one.line, lines, one.message);
                }
                (one, two) => proptest::prop_assert!(false, "one thread {one:?}, two {two:?}"),
            }
        }
    }
}
