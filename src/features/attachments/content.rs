//! What a file is, from its content alone. Pure.
//!
//! How far this goes: the whole structure of a JPEG or PNG is walked (a PNG's checksums too), so that what is cut off, damaged
//! or followed by something else is refused; what is not picture data is searched for scripts and other formats. A PDF is read
//! as its viewers find it: `%PDF-` at its very start, an end mark at its very end, and nowhere, not in packed objects either,
//! the names that run scripts, start programs or carry files.
//! How far it does not go: no picture is decoded, no PDF laid out, and this is no virus scanner. A file that fools it is still
//! only ever handed out as a download that browsers may not run.

use std::io::Read;

use flate2::read::ZlibDecoder;
use memchr::memmem;

use super::model::MediaType;
use crate::platform::error::{Code, Error, Result};

/// What no metadata of a photo holds: the beginnings of scripts and of other formats, in lower case.
const ALIEN: &[&[u8]] = &[
    b"<?php",
    b"<script",
    b"<html",
    b"<svg ",
    b"<!doctype",
    b"%pdf-",
    b"pk\x03\x04",
    b"\x7felf",
    b"this program cannot",
    b"ftypmp4",
    b"ftypisom",
    b"ftypqt",
];
/// How a zip archive ends; its readers look for it from the end of the file.
const ZIP_END: &[u8] = b"PK\x05\x06";
/// A zip's last part and the longest comment it may have.
const ZIP_TAIL: usize = 22 + 65_535;
/// More than any camera takes, and less than unpacked makes viewers fall over.
const PIXELS: u64 = 250_000_000;
/// What Samsung's cameras append to a photo: a small directory.
const SAMSUNG: usize = 64 << 10;
/// Names in a PDF that do something, in lower case.
const ACTIVE: &[(&[u8], &str)] = &[
    (b"/javascript", "runs a script"),
    (b"/launch", "starts a program"),
    (b"/embeddedfile", "carries another file"),
    (b"/richmedia", "carries a film or a program"),
    (b"/submitform", "sends data away"),
    (b"/importdata", "fetches data"),
    (b"/encrypt", "is encrypted, so that nobody can look into it"),
];
/// How much of a PDF is unpacked at most, to look into it, and of how many parts.
const UNPACKED: u64 = 64 << 20;
const PARTS: usize = 20_000;

/// What the content is, or why it is not kept.
pub fn examine(content: &[u8]) -> Result<MediaType> {
    let looked = match infer::get(content).map(|kind| kind.mime_type()) {
        Some("image/jpeg") => jpeg(content).map(|()| MediaType::Jpeg),
        Some("image/png") => png(content).map(|()| MediaType::Png),
        Some("application/pdf") => pdf(content).map(|()| MediaType::Pdf),
        Some(other) => Err(format!("Only JPEG, PNG and PDF files are kept; the content of this one is {other}.")),
        None => Err("Only JPEG, PNG and PDF files are kept; the content of this one is none of them.".into()),
    };
    let clean = looked.and_then(|kind| {
        let tail = content.get(content.len().saturating_sub(ZIP_TAIL)..).unwrap_or(content);
        if memmem::find(tail, ZIP_END).is_some() { Err("The file is an archive as well.".into()) } else { Ok(kind) }
    });
    clean.map_err(|why: String| Error::RefusedBecause(Code::AttachmentKind, why))
}

type Looked<T> = std::result::Result<T, String>;

fn cut() -> String {
    "The picture ends too early or is damaged: send it again.".into()
}

fn alien(part: &[u8]) -> Looked<()> {
    let part = part.to_ascii_lowercase();
    if ALIEN.iter().any(|begin| memmem::find(&part, begin).is_some()) {
        return Err(
            "Something else is hidden in the picture or appended to it (a motion photo's film, a script): send it as a plain photo.".into(),
        );
    }
    Ok(())
}

fn size(width: u32, height: u32) -> Looked<()> {
    match u64::from(width) * u64::from(height) {
        0 => Err(cut()),
        pixels if pixels > PIXELS => Err("The picture has more than 250 million pixels.".into()),
        _ => Ok(()),
    }
}

/// Bytes that are read from the front.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Looked<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Looked<u8> {
        self.take(1)?.first().copied().ok_or_else(cut)
    }

    fn short(&mut self) -> Looked<u16> {
        let bytes: [u8; 2] = self.take(2)?.try_into().map_err(|_| cut())?;
        Ok(u16::from_be_bytes(bytes))
    }

    fn long(&mut self) -> Looked<u32> {
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| cut())?;
        Ok(u32::from_be_bytes(bytes))
    }
}

/// ISO/IEC 10918-1. What follows the picture may be padding, smaller pictures of the same photo (CIPA DC-007) and Samsung's
/// directory, for many telephones append them.
fn jpeg(content: &[u8]) -> Looked<()> {
    let mut rest = Rest(content);
    loop {
        one_jpeg(&mut rest)?;
        let padding = rest.0.iter().take_while(|byte| matches!(byte, 0 | 0xff)).count();
        // The next picture's own first byte counts as padding of this one.
        let next = rest.0.get(padding.saturating_sub(1)..).filter(|next| next.starts_with(&[0xff, 0xd8, 0xff]));
        match next {
            Some(next) => rest.0 = next,
            None => {
                let tail = rest.0.get(padding..).unwrap_or_default();
                return if tail.is_empty() || (tail.len() <= SAMSUNG && tail.ends_with(b"SEFT")) {
                    alien(tail)
                } else {
                    Err("Something is appended to the photo (a motion photo's film, for example): send it as a plain photo.".into())
                };
            }
        }
    }
}

fn one_jpeg(rest: &mut Rest<'_>) -> Looked<()> {
    if rest.take(2)? != [0xff, 0xd8] {
        return Err(cut());
    }
    let (mut framed, mut scanned) = (false, false);
    loop {
        if rest.byte()? != 0xff {
            return Err(cut());
        }
        let mut marker = rest.byte()?;
        while marker == 0xff {
            marker = rest.byte()?;
        }
        match marker {
            0xd9 => return if framed && scanned { Ok(()) } else { Err(cut()) },
            0x00 | 0x01 | 0xd0..=0xd8 => return Err(cut()),
            _ => {}
        }
        let length = usize::from(rest.short()?).checked_sub(2).ok_or_else(cut)?;
        let segment = rest.take(length)?;
        match marker {
            // All frames but tables and arithmetic conditioning, which share their range.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let mut frame = Rest(segment.get(1..).unwrap_or_default());
                let (height, width) = (frame.short()?, frame.short()?);
                size(width.into(), height.into())?;
                framed = true;
            }
            0xda => {
                skip_scan(rest);
                scanned = true;
            }
            0xe0..=0xef | 0xfe => alien(segment)?,
            _ => {}
        }
    }
}

/// To the next marker that is neither a stuffed byte nor a restart.
fn skip_scan(rest: &mut Rest<'_>) {
    let mut from = 0;
    while let Some(at) = rest.0.get(from..).and_then(|left| memchr::memchr(0xff, left)) {
        let at = from + at;
        match rest.0.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => from = at + 2,
            _ => {
                rest.0 = rest.0.get(at..).unwrap_or_default();
                return;
            }
        }
    }
    rest.0 = &[];
}

/// ISO/IEC 15948.
fn png(content: &[u8]) -> Looked<()> {
    let mut rest = Rest(content);
    // Line ends and the high bit show what a transfer as text has done to it; `infer` looks at the first half only.
    if rest.take(8)? != b"\x89PNG\r\n\x1a\n" {
        return Err(cut());
    }
    let mut pictured = false;
    for number in 0.. {
        let length = usize::try_from(rest.long()?).map_err(|_| cut())?;
        let body = rest.0;
        let kind = rest.take(4)?;
        let data = rest.take(length)?;
        let mut sum = flate2::Crc::new();
        sum.update(body.get(..length.saturating_add(4)).ok_or_else(cut)?);
        if sum.sum() != rest.long()? {
            return Err(cut());
        }
        match kind {
            b"IHDR" if number == 0 && length == 13 => {
                let mut head = Rest(data);
                let (width, height) = (head.long()?, head.long()?);
                size(width, height)?;
            }
            b"IHDR" => return Err(cut()),
            _ if number == 0 => return Err(cut()),
            b"IDAT" => pictured = true,
            b"IEND" if pictured && rest.0.is_empty() => return Ok(()),
            b"IEND" => return Err("Something is appended to the picture: send it without.".into()),
            _ => alien(data)?,
        }
    }
    Err(cut())
}

/// ISO 32000-2, as far as it lets a document do something.
fn pdf(content: &[u8]) -> Looked<()> {
    let damaged = "The document ends too early or is damaged: send it again.";
    let padded = content.iter().rev().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count();
    let end = content.get(..content.len().saturating_sub(padded)).unwrap_or_default();
    let marked = ["%PDF-1.", "%PDF-2."].iter().any(|mark| content.starts_with(mark.as_bytes())) && end.ends_with(b"%%EOF");
    if !marked || memmem::find(end, b"startxref").is_none() {
        return Err(damaged.into());
    }
    active(content)?;
    let (mut left, mut from) = (UNPACKED, 0);
    for (number, at) in memmem::find_iter(content, b"stream").enumerate() {
        let head = content.get(from..at).unwrap_or_default();
        let body = content.get(at + b"stream".len()..).unwrap_or_default().trim_ascii_start();
        from = at;
        if head.ends_with(b"end") {
            continue;
        }
        let unpacked = if is_zlib(body) { unpack(body, left) } else { Vec::new() };
        let length = u64::try_from(unpacked.len()).unwrap_or(u64::MAX);
        left = left.checked_sub(length).filter(|_| number < 2 * PARTS).ok_or("The document is made of more than anybody reads.")?;
        active(&unpacked)?;
        if hidden(head, length == 0) {
            return Err("The document packs its objects in a way that nobody can look into: print it to a new PDF.".into());
        }
    }
    Ok(())
}

/// RFC 1950, section 2.2.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 15 == 8 && (u16::from(*method) * 256 + u16::from(*flags)) % 31 == 0)
}

/// As much of it as can be unpacked, and one byte more than is allowed where there is more.
fn unpack(body: &[u8], limit: u64) -> Vec<u8> {
    let mut unpacked = Vec::new();
    ZlibDecoder::new(body).take(limit + 1).read_to_end(&mut unpacked).ok();
    unpacked
}

/// Whether a stream's head says that it holds objects, packed otherwise than once by the packing we undo.
fn hidden(head: &[u8], not_unpacked: bool) -> bool {
    let head = plain_names(head.get(head.len().saturating_sub(4096)..).unwrap_or(head));
    let head = memmem::rfind(&head, b" obj").and_then(|begin| head.get(begin..)).unwrap_or(&head);
    let has = |name: &[u8]| memmem::find(head, name).is_some();
    let twice = memmem::find_iter(head, b"decode").filter(|at| !head.get(at + 6..).unwrap_or_default().starts_with(b"parms")).count() > 1;
    has(b"/objstm") && has(b"/filter") && (not_unpacked || twice || has(b"/predictor"))
}

fn active(part: &[u8]) -> Looked<()> {
    let names = plain_names(part);
    for (name, what) in ACTIVE {
        // A whole name: /Encrypt, and not /EncryptMetadata; but any name that begins with /EmbeddedFile.
        let whole = |at: usize| !matches!(names.get(at + name.len()), Some(b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if memmem::find_iter(&names, name).any(|at| whole(at) || *name == b"/embeddedfile") {
            return Err(format!("The document {what}: print it to a new PDF and send that."));
        }
    }
    // Three letters are found by chance in any scan: only beside the form that they belong to, and as they are written there.
    let xfa = |at: usize| matches!(names.get(at + 4), Some(b' ' | b'[' | b'\r' | b'\n'));
    if memmem::find(&names, b"/acroform").is_some() && memmem::find_iter(&names, b"/xfa").any(xfa) {
        return Err("The document is a form with scripts of its own: print it to a new PDF and send that.".into());
    }
    Ok(())
}

/// In lower case, with the names' escapes (`/J#61vaScript`) undone.
fn plain_names(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = memchr::memchr(b'#', rest) {
        let (before, from) = rest.split_at(at);
        out.extend(before.iter().map(u8::to_ascii_lowercase));
        let digit = |at: usize| from.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (byte, used) = match (digit(1), digit(2)) {
            (Some(high), Some(low)) => (high * 16 + low, 3),
            _ => (b'#', 1),
        };
        out.push(byte.to_ascii_lowercase());
        rest = from.get(used..).unwrap_or_default();
    }
    out.extend(rest.iter().map(u8::to_ascii_lowercase));
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, content].concat()
    }

    fn photo(comment: &[u8]) -> Vec<u8> {
        let scan = [0x12, 0xff, 0x00, 0x34, 0xff, 0xd1, 0x56];
        let parts = [
            vec![0xff, 0xd8],
            segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            segment(0xfe, comment),
            segment(0xc0, &[8, 0, 2, 0, 3, 1, 1, 0x11, 0]),
            segment(0xda, &[1, 1, 0, 0, 63, 0]),
            scan.to_vec(),
            vec![0xff, 0xd9],
        ];
        parts.concat()
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let body = [kind, data].concat();
        let mut sum = flate2::Crc::new();
        sum.update(&body);
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &sum.sum().to_be_bytes()].concat()
    }

    fn picture(text: &[u8]) -> Vec<u8> {
        let head = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
        let parts = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &head),
            chunk(b"tEXt", text),
            chunk(b"IDAT", b"\x78\x9c\x63\x00\x00\x00\x02\x00\x01"),
            chunk(b"IEND", b""),
        ];
        parts.concat()
    }

    fn document(objects: &[u8]) -> Vec<u8> {
        [b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /OpenAction [2 0 R /Fit] >>\nendobj\n", objects, b"\nstartxref\n9\n%%EOF\n"].concat()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    fn stream(head: &str, body: &[u8]) -> Vec<u8> {
        [b"3 0 obj\n<< ", head.as_bytes(), b" >>\nstream\n", body, b"\nendstream\nendobj"].concat()
    }

    fn kind(content: &[u8]) -> Option<MediaType> {
        examine(content).map_err(|error| assert_eq!(error.code(), Code::AttachmentKind)).ok()
    }

    #[test]
    fn photos_pictures_and_documents_are_known() {
        assert_eq!(kind(&photo(b"Rumah")), Some(MediaType::Jpeg));
        assert_eq!(kind(&picture(b"Rumah")), Some(MediaType::Png));
        assert_eq!(kind(&document(b"")), Some(MediaType::Pdf));
        // What telephones and scanners append.
        let preview = [photo(b""), vec![0; 40], photo(b"preview")].concat();
        let samsung = [photo(b""), b"Image_UTC_Data1700000000000SEFH\x6b\0\0\0SEFT".to_vec()].concat();
        assert_eq!((kind(&preview), kind(&samsung)), (Some(MediaType::Jpeg), Some(MediaType::Jpeg)));
        assert_eq!(kind(&[document(b""), vec![0; 30]].concat()), Some(MediaType::Pdf));
        // Signed documents are forms; packed objects and pages are looked into.
        let packed = stream("/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode", &zlib(b"4 0 << /AcroForm << /Fields [] /SigFlags 3 >> >>"));
        assert_eq!(kind(&document(&packed)), Some(MediaType::Pdf));
    }

    #[test]
    fn whatever_is_cut_or_flipped_is_noticed() {
        for whole in [photo(b"Rumah"), picture(b"Rumah"), document(b"2 0 obj\n<< >>\nendobj")] {
            for length in 0..whole.trim_ascii_end().len() {
                assert_eq!(kind(&whole[..length]), None, "cut to {length}");
            }
        }
        let whole = picture(b"Rumah");
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kind(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn two_kinds_in_one_file_and_scripts_are_refused() {
        let archive = b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x46\0\0\0\x30\0\0\0\0\0";
        let scripts: [&[u8]; 6] = [
            b"<?php system($_GET[0]); ?>",
            b"<ScRiPt>alert(1)</script>",
            b"<html><body>",
            b"<svg onload=alert(1)>",
            b"%PDF-1.4",
            b"PK\x03\x04",
        ];
        for script in scripts {
            assert_eq!(kind(script), None);
            assert_eq!(kind(&photo(script)), None, "in a comment");
            assert_eq!(kind(&picture(script)), None, "in a text");
            assert_eq!(kind(&[photo(b""), script.to_vec()].concat()), None, "behind a photo");
            assert_eq!(kind(&[photo(b""), script.to_vec(), b"SEFT".to_vec()].concat()), None, "as if a camera had put it there");
            assert_eq!(kind(&[picture(b""), script.to_vec()].concat()), None, "behind a picture");
            assert_eq!(kind(&[document(b""), script.to_vec()].concat()), None, "behind a document");
            // Two beginnings of a document are one document.
            if !script.starts_with(b"%PDF") {
                assert_eq!(kind(&[script, &document(b"")].concat()), None, "before a document");
            }
            assert_eq!(kind(&[script, &photo(b"")].concat()), None, "before a photo");
        }
        for whole in [photo(archive), picture(archive), document(archive)] {
            assert_eq!(kind(&whole), None, "an archive as well");
        }
        let film = [photo(b""), b"\0\0\0\x18ftypmp42".to_vec()].concat();
        assert_eq!(kind(&film), None);
        let mut vast = photo(b"");
        let at = memmem::find(&vast, &[8, 0, 2, 0, 3]).unwrap();
        vast[at + 1..at + 5].fill(0xff);
        assert_eq!(kind(&vast), None, "4 billion pixels");
    }

    #[test]
    fn a_document_that_does_something_is_refused() {
        let actions: [&[u8]; 8] = [
            b"<< /S /JavaScript /JS (app.alert(1)) >>",
            b"<< /S /J#61vaScr#69pt /JS (app.alert(1)) >>",
            b"<< /S /Launch /F (cmd.exe) >>",
            b"<< /Type /EmbeddedFile >>",
            b"<< /Names << /EmbeddedFiles 4 0 R >> >>",
            b"<< /Subtype/RichMedia>>",
            b"trailer << /Encrypt 5 0 R >>",
            b"<< /AcroForm << /XFA [(a) 4 0 R] >> >>",
        ];
        for action in actions {
            let text = String::from_utf8_lossy(action).into_owned();
            assert_eq!(kind(&document(action)), None, "{text}");
            for head in ["/Type /ObjStm /Filter /FlateDecode", "/Filter /FlateDecode", "/Type /Ob#6aStm /Filter [/FlateDecode]"] {
                assert_eq!(kind(&document(&stream(head, &zlib(action)))), None, "{text} under {head}");
            }
            // Packed twice, or in a way that is not undone here.
            for head in
                ["/Type /ObjStm /Filter [/FlateDecode /FlateDecode]", "/Type /ObjStm /Filter /FlateDecode /DecodeParms << /Predictor 12 >>"]
            {
                assert_eq!(kind(&document(&stream(head, &zlib(&zlib(action))))), None, "{text} under {head}");
            }
            assert_eq!(kind(&document(&stream("/Type /ObjStm /Filter /ASCIIHexDecode", b"3C3C>"))), None);
        }
        // A page's words and a scan are no actions.
        let page = stream("/Filter /FlateDecode", &zlib(b"BT (Berita acara: launch, encrypt, JavaScript) Tj ET"));
        assert_eq!(kind(&document(&page)), Some(MediaType::Pdf));
        let scan = stream("/Subtype /Image /Filter /DCTDecode", &photo(b"/XFA "));
        assert_eq!(kind(&document(&scan)), Some(MediaType::Pdf));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = document(&stream("/Filter /FlateDecode", &zlib(&vec![0; (UNPACKED + 2) as usize])));
        assert!(bomb.len() < 1 << 20);
        assert_eq!(kind(&bomb), None);
        let crowd = document(&b"stream\n".repeat(2 * PARTS + 1));
        assert_eq!(kind(&crowd), None);
    }

    proptest! {
        #[test]
        fn nothing_brings_it_down(begin in 0usize..4, noise in proptest::collection::vec(any::<u8>(), 0..600), at in 0usize..200) {
            let whole = [photo(b"x"), picture(b"x"), document(&stream("/Filter /FlateDecode", &zlib(b"x"))), Vec::new()][begin].clone();
            let at = at.min(whole.len());
            let (head, tail) = whole.split_at(at);
            kind(&[head, &noise, tail].concat());
            kind(&[head, &noise].concat());
        }
    }
}
