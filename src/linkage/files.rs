//! Registers from CSV files, pairs into them: the only part that touches files.
//!
//! The reader streams: each thread holds one block of whole records, the longest of which is bounded ([`LONGEST`]), and the packed rows of the
//! blocks it took. It takes `,`, `;` or tab, UTF-8
//! with or without BOM or Windows-1252, quotes with line breaks inside. It is strict where a register would otherwise be read wrongly:
//! a quote that is not closed, text behind a closing quote, a row with more or fewer cells than the header, all with their line.

mod blocks;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use self::blocks::{BLOCK, Block, Blocks, Cells, Fault, Records, unquoted};
pub use self::blocks::{COLUMNS, LONGEST};
use super::normalise::{Normaliser, hash};
use super::profile::{Field, Kind};
use super::record::{MOST_ROWS, Register};
use super::run::{Engine, Outcome};

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

/// Text as UTF-8, or, where it is not, as Windows-1252.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// What one thread made of the blocks it took.
struct Part<'e> {
    engine: &'e Engine,
    register: Register,
    normaliser: Normaliser<'e>,
    /// The blocks and their rows, in the order in which they were taken.
    blocks: Vec<(usize, u32)>,
    /// Which columns have any content.
    filled: Vec<bool>,
    /// How many more blocks the part may have to take.
    due: usize,
}

impl<'e> Part<'e> {
    fn new(engine: &'e Engine, width: usize, due: usize) -> Self {
        let register = Register::new(&engine.layout);
        let normaliser = Normaliser::new(&engine.layout.spelling);
        Self { engine, register, normaliser, blocks: Vec::new(), filled: vec![false; width], due }
    }

    fn take(&mut self, block: &Block, delimiter: u8, columns: &[Option<usize>], headers: usize) -> Result<(), Fault> {
        let before = self.register.len();
        // Nearly always a whole block is UTF-8, and then no cell need be looked at again.
        let all = std::str::from_utf8(&block.bytes).unwrap_or_default();
        let plain = all.len() == block.bytes.len();
        let mut records = Records { rest: &block.bytes, line: block.line, delimiter };
        let mut cells = Cells::new();
        let mut values: Vec<&str> = Vec::with_capacity(columns.len());
        while let Some((line, record)) = records.next(&mut cells)? {
            let at = block.bytes.len() - record.len();
            if cells.len() != headers {
                return Err((Some(line), format!("{} cells, but the header has {headers}", cells.len())));
            }
            let wanted = columns.iter().map(|place| place.and_then(|place| cells.get(place)).copied().unwrap_or_default());
            if plain && !cells.iter().any(|cell| cell.2) {
                values.clear();
                values.extend(wanted.map(|(start, end, _)| all.get(at + start..at + end).unwrap_or_default()));
                self.push(line, &values)?;
            } else {
                let cells: Vec<Cow<'_, [u8]>> = wanted.map(|cell| unquoted(record, cell)).collect();
                let cells: Vec<Cow<'_, str>> = cells.iter().map(|cell| text(cell)).collect();
                let values: Vec<&str> = cells.iter().map(Cow::as_ref).collect();
                self.push(line, &values)?;
            }
        }
        self.blocks.push((block.number, u32::try_from(self.register.len() - before).unwrap_or(u32::MAX)));
        // One block tells how many rows the others have: lists that grow in steps would be moved at each.
        self.register.foresee(std::mem::take(&mut self.due));
        Ok(())
    }

    fn push(&mut self, line: u64, values: &[&str]) -> Result<(), Fault> {
        for (filled, value) in self.filled.iter_mut().zip(values) {
            *filled |= !value.is_empty();
        }
        let Some((id, rest)) = values.split_first() else { return Ok(()) };
        let id = id.trim();
        if id.is_empty() {
            return Err((Some(line), "the id is empty".to_owned()));
        }
        if self.register.len() >= MOST_ROWS {
            return Err((Some(line), format!("more than {MOST_ROWS} rows")));
        }
        self.register.push(&self.engine.layout, &mut self.normaliser, id, rest);
        Ok(())
    }
}

/// Reads a register. `threads` share the parsing and normalising; the result does not depend on them.
pub fn read(engine: &Engine, path: &Path, side: Side, threads: usize) -> Result<Loaded, FileError> {
    let fail = |(line, message): Fault| FileError { path: path.to_owned(), line, message };
    let told = |message: &str| fail((None, message.to_owned()));
    let file = File::open(path).map_err(|error| fail((None, error.to_string())))?;
    let size = file.metadata().map_or(0, |about| about.len());
    let mut blocks = Blocks::new(file);
    blocks.fill(BLOCK).map_err(|error| fail((None, error.to_string())))?;
    if blocks.rest.is_empty() {
        return Err(told("the file is empty"));
    }
    if blocks.rest.starts_with(b"PK\x03\x04") || blocks.rest.iter().take(4_096).any(|&byte| byte == 0) {
        return Err(told("this is not a CSV text; save a workbook as CSV (UTF-8) first"));
    }
    if blocks.rest.starts_with(b"\xef\xbb\xbf") {
        blocks.rest.drain(..3);
    }
    let first = blocks.rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let often = |wanted: u8| first.iter().filter(|&&byte| byte == wanted).count();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|&byte| (often(byte), byte == b',')).unwrap_or(b',');
    blocks.delimiter = delimiter;

    let mut block = blocks.next(Vec::new()).map_err(fail)?.unwrap_or_default();
    let mut records = Records { rest: &block.bytes, line: 1, delimiter };
    let mut cells = Cells::new();
    let Some((header_line, record)) = records.next(&mut cells).map_err(fail)? else { return Err(told("the file is empty")) };
    let headers: Vec<String> = cells.iter().map(|&cell| text(&unquoted(record, cell)).trim().to_lowercase()).collect();
    for (n, header) in headers.iter().enumerate() {
        if !header.is_empty() && headers.iter().take(n).any(|other| other == header) {
            return Err(fail((Some(header_line), format!("the header {header} stands twice"))));
        }
    }
    let mut notes = Vec::new();
    let columns = places(engine, side, &headers, &mut notes).map_err(|message| fail((Some(header_line), message)))?;
    let read = block.bytes.len() - records.rest.len();
    block.line = records.line;
    block.bytes.drain(..read);

    // Each thread takes the next block as soon as it is done with one. Blocks are handed out in order, so of several faults the first one in
    // the file is known, whoever finds it.
    let source = Mutex::new((blocks, Some(block)));
    let fault: Mutex<Option<(usize, Fault)>> = Mutex::new(None);
    let labour = || -> Part<'_> {
        let mut part = Part::new(engine, columns.len(), usize::try_from(size / BLOCK as u64).unwrap_or_default().div_ceil(threads.max(1)));
        let mut used = Vec::new();
        while fault.lock().is_ok_and(|fault| fault.is_none()) {
            let Ok(mut source) = source.lock() else { break };
            let (blocks, first) = &mut *source;
            let number = blocks.number;
            let next = first.take().map_or_else(|| blocks.next(std::mem::take(&mut used)), |block| Ok(Some(block)));
            drop(source);
            let result = match next {
                Ok(None) => break,
                Ok(Some(block)) => {
                    let number = block.number;
                    let result = part.take(&block, delimiter, &columns, headers.len()).map_err(|fault| (number, fault));
                    used = block.bytes;
                    result
                }
                Err(fault) => Err((number, fault)),
            };
            if let (Err(new), Ok(mut fault)) = (result, fault.lock())
                && fault.as_ref().is_none_or(|known| new.0 < known.0)
            {
                *fault = Some(new);
            }
        }
        part
    };
    let mut parts = Vec::new();
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(labour)).collect();
        parts.push(labour());
        parts.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
    });
    if let Some((_, fault)) = fault.into_inner().ok().flatten() {
        return Err(fail(fault));
    }
    let mut filled = vec![false; columns.len()];
    for part in &parts {
        filled.iter_mut().zip(&part.filled).for_each(|(all, own)| *all |= own);
    }
    let register = Register::joined(&engine.layout, parts.into_iter().map(|part| (part.register, part.blocks)).collect());
    if register.len() > MOST_ROWS {
        return Err(fail((None, format!("more than {MOST_ROWS} rows"))));
    }
    if register.is_empty() {
        return Err(told("there is a header, but no row under it"));
    }
    for ((field, filled), place) in engine.profile.compared().zip(filled.iter().skip(1)).zip(columns.iter().skip(1)) {
        if place.is_some() && !filled {
            notes.push(format!("the column of {} is empty throughout", field.key));
        }
    }
    if !engine.profile.compared().zip(filled.iter().skip(1)).any(|(field, &filled)| filled && field.kind != Kind::FamilyGroup) {
        return Err(told("all columns that could be compared are empty throughout"));
    }
    if let Some(id) = repeated(&register) {
        return Err(fail((None, format!("the id {id} stands on several rows; an id names one row"))));
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
            if field.kind != Kind::FamilyGroup {
                lacking.push(field.key.clone());
            }
        }
        out.push(place);
    }
    let compared = |(field, place): (&Field, &Option<usize>)| field.kind != Kind::FamilyGroup && place.is_some();
    if !engine.profile.compared().zip(out.iter().skip(1)).any(compared) {
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
    let hashes: Vec<u64> = (0..rows).map(|row| hash(register.id(row).as_bytes(), 5)).collect();
    // A row whose bit is taken may be a repetition; of the few that are, the hashes are looked for.
    let width = (register.len() * 16).next_power_of_two().max(64);
    let mut taken = vec![0u64; width / 64];
    let mut suspects: Vec<u64> = Vec::new();
    for &hash in &hashes {
        let at = hash as usize & (width - 1);
        if let Some(word) = taken.get_mut(at / 64) {
            if *word >> (at % 64) & 1 == 1 {
                suspects.push(hash);
            }
            *word |= 1 << (at % 64);
        }
    }
    suspects.sort_unstable();
    taken.fill(0);
    for hash in &suspects {
        let at = *hash as usize & (width - 1);
        if let Some(word) = taken.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
    let mut alike: Vec<(u64, u32)> = Vec::new();
    for (&hash, row) in hashes.iter().zip(0..) {
        let at = hash as usize & (width - 1);
        if taken.get(at / 64).is_some_and(|word| *word >> (at % 64) & 1 == 1) && suspects.binary_search(&hash).is_ok() {
            alike.push((hash, row));
        }
    }
    alike.sort_unstable();
    let twice = alike.windows(2).find_map(|pair| match pair {
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
        let book = explain.then(|| engine.codebook(&outcome.model));
        for pair in &outcome.pairs {
            let (l, r) = (quoted(left.id(pair.left)), quoted(right.id(pair.right)));
            write!(out, "{l},{r},{:.6},{:.9},{}", pair.weight, pair.probability, pair.zone.name()).map_err(fail)?;
            if let Some(book) = &book {
                let terms: Vec<String> = book.explain(pair.pattern, pair.own()).iter().map(ToString::to_string).collect();
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

    /// Some blocks of rows, quotes and line breaks among them.
    fn many(rows: usize) -> Vec<u8> {
        let mut text = b"id,nik,nama,alamat,id keluarga p3ke\n".to_vec();
        for n in 0..rows {
            let street = if n % 7 == 0 { "\"JL \"\"X\"\",\nNO 5\"".to_owned() } else { format!("JALAN KARET NOMOR {}", n % 40) };
            text.extend(format!("P{n:07},62020144061{:05},SITI {} NURHALIZA,{street},K{}\n", n % 99_991, n % 977, n / 4).into_bytes());
        }
        text
    }

    #[test]
    fn threads_change_nothing_that_is_read() {
        let text = many(40_000);
        assert!(text.len() > 2 * BLOCK);
        let engine = engine();
        let one = read_bytes(&text, 1).unwrap();
        for threads in [2, 3] {
            let other = read_bytes(&text, threads).unwrap();
            assert_eq!((other.register.len(), &other.notes), (40_000, &one.notes));
            for row in (0..40_000).step_by(61) {
                assert_eq!(other.register.id(row), one.register.id(row));
                assert_eq!(
                    engine.pattern(&other.register, row, &one.register, row),
                    engine.pattern(&one.register, row, &one.register, row)
                );
                let (a, b) = (other.register.family(&engine.layout, row), one.register.family(&engine.layout, row));
                assert!(a == b && a != 0);
            }
        }
    }

    #[test]
    fn the_first_fault_is_told_whoever_finds_it() {
        let mut text = many(60_000);
        let lines = text.iter().filter(|&&byte| byte == b'\n').count() as u64;
        text.extend_from_slice(b"P,1\n");
        text.extend(many(30_000).split_off(45));
        text.extend_from_slice(b"Q,\"1");
        for threads in [1, 2, 4] {
            assert_eq!(read_bytes(&text, threads).unwrap_err().line, Some(lines + 1));
        }
        let twice = [many(30_000), b"P0000007,,A,,\n".to_vec()].concat();
        assert!(read_bytes(&twice, 2).unwrap_err().to_string().contains("the id P0000007 stands on several rows"));
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
