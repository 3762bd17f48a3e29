//! Sealing: personal numbers rest encrypted and tied to their row and column, and are found again by a keyed index.

use std::fmt;

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// The first byte of everything sealed, so that a later format can stand beside this one.
const FORMAT: u8 = 1;
const HEADER: usize = 2;
const NONCE: usize = 12;
const TAG: usize = 16;

/// How much of the HMAC an index keeps. Among 300 million people the chance that any two collide in 128 bits is about
/// 1 in 10^22; longer entries would only make the database's index larger.
const INDEX: usize = 16;

/// Why a key file was not understood, or a sealed value not opened. No variant carries key or data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A line of the key file is not `seal|index <id> <base64>`.
    #[error("line {0} of the key file is not `seal|index <id 1..255> <base64 of 32 bytes>`")]
    KeyLine(usize),
    /// The same kind and id stand in the key file twice.
    #[error("line {0} of the key file repeats the id of another key of its kind")]
    KeyRepeated(usize),
    /// The key file lacks a key of one kind.
    #[error("the key file has no `{0}` key")]
    KeyMissing(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The value could not be encrypted.
    #[error("the value could not be sealed")]
    NotSealed,
    /// The sealed bytes are too short or of an unknown format.
    #[error("the sealed value is truncated or of an unknown format")]
    Malformed,
    /// The value was sealed under a key that is no longer on the ring.
    #[error("the value was sealed with key {0}, which the key file does not have")]
    UnknownKey(u8),
    /// The value was changed, or belongs to another row or column.
    #[error("the sealed value was altered or moved to another row or column")]
    Altered,
}

#[derive(Clone)]
struct Key {
    id: u8,
    bytes: [u8; 32],
}

impl Drop for Key {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The keys of an installation; the first of each kind is current, the others only read what is older.
#[derive(Clone)]
pub struct KeyRing {
    seal: Vec<Key>,
    index: Vec<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = |keys: &[Key]| keys.iter().map(|key| key.id).collect::<Vec<_>>();
        f.debug_struct("KeyRing").field("seal", &ids(&self.seal)).field("index", &ids(&self.index)).finish()
    }
}

impl KeyRing {
    /// Reads a key file: lines `seal <id> <base64>` and `index <id> <base64>`, comments begin with `#`.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut ring = Self { seal: Vec::new(), index: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(kind), Some(id), Some(secret), None) = (words.next(), words.next(), words.next(), words.next()) else {
                return Err(SealError::KeyLine(number));
            };
            let keys = match kind {
                "seal" => &mut ring.seal,
                "index" => &mut ring.index,
                _ => return Err(SealError::KeyLine(number)),
            };
            let key = read_key(id, secret).ok_or(SealError::KeyLine(number))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(SealError::KeyRepeated(number));
            }
            keys.push(key);
        }
        ring.current_seal()?;
        ring.current_index()?;
        Ok(ring)
    }

    /// The text of a new key file with one key of each kind.
    pub fn generate() -> Result<Zeroizing<String>, SealError> {
        let secret = || -> Result<Zeroizing<String>, SealError> {
            let mut bytes = Zeroizing::new([0u8; 32]);
            getrandom::fill(bytes.as_mut_slice()).map_err(|_| SealError::Random)?;
            Ok(Zeroizing::new(STANDARD.encode(bytes.as_slice())))
        };
        let (seal, index) = (secret()?, secret()?);
        Ok(Zeroizing::new(format!(
            "# Keys of this Entas installation. Without this file no NIK or KK number can be read again:\n\
             # keep a copy in a safe, never beside the database's backups, never in a repository.\n\
             # seal <id> <key> encrypts; index <id> <key> finds numbers. The first of each kind is used for new values.\n\
             # To rotate: put a new line with a new id ABOVE the old one, reseal, then remove the old line.\n\
             seal 1 {}\n\
             index 1 {}\n",
            *seal, *index
        )))
    }

    /// Encrypts a value for one row of one column (`purpose` names the column, as in `members.nik`). AES-256-GCM-SIV,
    /// because an accidentally repeated nonce then reveals only that two values are equal.
    pub fn seal(&self, purpose: &str, row: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.current_seal()?;
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let header = [FORMAT, key.id];
        let aad = bound_to(header, purpose, row);
        let cipher = Aes256GcmSiv::new_from_slice(&key.bytes).map_err(|_| SealError::NotSealed)?;
        let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &aad }).map_err(|_| SealError::NotSealed)?;
        let mut out = Vec::with_capacity(HEADER.saturating_add(NONCE).saturating_add(sealed.len()));
        out.extend_from_slice(&header);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Decrypts what [`KeyRing::seal`] made for the same purpose and row.
    pub fn open(&self, purpose: &str, row: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&[format, id], rest) = sealed.split_first_chunk::<HEADER>().ok_or(SealError::Malformed)?;
        let (&nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Malformed)?;
        if format != FORMAT || text.len() < TAG {
            return Err(SealError::Malformed);
        }
        let key = self.seal.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey(id))?;
        let aad = bound_to([format, id], purpose, row);
        let cipher = Aes256GcmSiv::new_from_slice(&key.bytes).map_err(|_| SealError::Altered)?;
        let plain = cipher.decrypt(&Nonce::from(nonce), Payload { msg: text, aad: &aad }).map_err(|_| SealError::Altered)?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether a sealed value already uses the current format and key; if not, a rotation has it to do.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let current = self.seal.first().map(|key| [FORMAT, key.id]);
        current.is_some() && current.as_ref() == sealed.first_chunk::<HEADER>()
    }

    /// Whether an index entry was made under the current index key.
    pub fn index_is_current(&self, entry: &[u8]) -> bool {
        self.index.first().is_some_and(|key| entry.first() == Some(&key.id))
    }

    /// The entry under which a value is stored for lookup. Values meet only within one `purpose`: use one for the kind
    /// of number (`nik`) where different tables must find each other's.
    pub fn index(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        entry(self.current_index()?, purpose, plain)
    }

    /// The entries of a value under every index key, the current one first: what to look for while a rotation runs.
    pub fn indexes(&self, purpose: &str, plain: &[u8]) -> Result<Vec<Vec<u8>>, SealError> {
        self.index.iter().map(|key| entry(key, purpose, plain)).collect()
    }

    fn current_seal(&self) -> Result<&Key, SealError> {
        self.seal.first().ok_or(SealError::KeyMissing("seal"))
    }

    fn current_index(&self) -> Result<&Key, SealError> {
        self.index.first().ok_or(SealError::KeyMissing("index"))
    }
}

fn read_key(id: &str, secret: &str) -> Option<Key> {
    let id = id.parse::<u8>().ok().filter(|id| *id != 0)?;
    let decoded = Zeroizing::new(STANDARD.decode(secret).ok()?);
    let bytes = <[u8; 32]>::try_from(decoded.as_slice()).ok()?;
    // A placeholder somebody forgot to replace.
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(Key { id, bytes })
}

/// The associated data: the header is bound too, and the row id has a fixed length, so no two columns can be confused.
fn bound_to(header: [u8; HEADER], purpose: &str, row: Uuid) -> Vec<u8> {
    [&header, purpose.as_bytes(), row.as_bytes()].concat()
}

fn entry(key: &Key, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key.bytes).map_err(|_| SealError::NotSealed)?;
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(plain);
    let digest = mac.finalize().into_bytes();
    let mut out = Vec::with_capacity(INDEX.saturating_add(1));
    out.push(key.id);
    out.extend(digest.iter().take(INDEX));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIK: &[u8] = b"6202094107850001";
    const ROW: Uuid = Uuid::from_u128(7);

    fn line(kind: &str, id: u8, byte: u8) -> String {
        format!("{kind} {id} {}\n", STANDARD.encode([byte; 32]))
    }

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text).unwrap()
    }

    fn old() -> String {
        line("seal", 1, 11) + &line("index", 1, 12)
    }

    #[test]
    fn seals_and_opens() {
        let ring = ring(&old());
        let sealed = ring.seal("members.nik", ROW, NIK).unwrap();
        assert_eq!(sealed.len(), HEADER + NONCE + NIK.len() + TAG);
        assert_eq!(sealed[..2], [1, 1]);
        assert_eq!(ring.open("members.nik", ROW, &sealed).unwrap().as_slice(), NIK);
        assert_ne!(sealed, ring.seal("members.nik", ROW, NIK).unwrap(), "a fresh nonce each time");
        assert!(ring.is_current(&sealed));
    }

    #[test]
    fn a_moved_value_does_not_open() {
        let ring = ring(&old());
        let sealed = ring.seal("members.nik", ROW, NIK).unwrap();
        assert_eq!(ring.open("members.nik", Uuid::from_u128(8), &sealed), Err(SealError::Altered));
        assert_eq!(ring.open("families.kk", ROW, &sealed), Err(SealError::Altered));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let ring = ring(&old());
        let sealed = ring.seal("members.nik", ROW, NIK).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.open("members.nik", ROW, &bad).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(ring.open("members.nik", ROW, &sealed[..length]).is_err(), "length {length}");
        }
        assert_eq!(ring.open("members.nik", ROW, &[]), Err(SealError::Malformed));
        assert!(!ring.is_current(&[]) && !ring.is_current(&[1]));
    }

    #[test]
    fn rotation_reads_old_and_writes_new() {
        let before = ring(&old());
        let after = ring(&(line("seal", 2, 21) + &line("index", 9, 22) + &old()));
        let sealed = before.seal("members.nik", ROW, NIK).unwrap();
        assert_eq!(after.open("members.nik", ROW, &sealed).unwrap().as_slice(), NIK);
        assert!(!after.is_current(&sealed));
        let resealed = after.seal("members.nik", ROW, NIK).unwrap();
        assert!(after.is_current(&resealed));
        assert_eq!(before.open("members.nik", ROW, &resealed), Err(SealError::UnknownKey(2)));

        let stored = before.index("nik", NIK).unwrap();
        assert_eq!(stored.len(), 17);
        assert_eq!(after.indexes("nik", NIK).unwrap(), [after.index("nik", NIK).unwrap(), stored.clone()]);
        assert!(before.index_is_current(&stored) && !after.index_is_current(&stored));
        assert_ne!(before.index("kk", NIK).unwrap(), stored, "purposes do not meet");
        // The separator keeps "nik" + "1…" apart from "nik1" + "…".
        assert_ne!(before.index("nik1", b"2").unwrap(), before.index("nik", b"12").unwrap());
    }

    #[test]
    fn the_index_is_hmac_sha256() {
        // Computed with: printf 'nik\0006202094107850001' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0c…0c
        let entry = ring(&old()).index("nik", NIK).unwrap();
        let hex: String = entry.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0133cfad628c146acb2ac3e9f9a1f79c71");
    }

    #[test]
    fn generated_files_are_read() {
        let text = KeyRing::generate().unwrap();
        let ring = ring(&text);
        assert_eq!(format!("{ring:?}"), "KeyRing { seal: [1], index: [1] }");
        assert_ne!(*text, *KeyRing::generate().unwrap());
    }

    #[test]
    fn bad_key_files_are_refused_without_quoting_them() {
        let short = format!("seal 1 {}", STANDARD.encode([7; 31]));
        for (text, error) in [
            (short.as_str(), SealError::KeyLine(1)),
            ("# x\n\nseal 0 AAAA", SealError::KeyLine(3)),
            ("seal 256 AAAA", SealError::KeyLine(1)),
            ("seel 1 AAAA", SealError::KeyLine(1)),
            ("seal 1", SealError::KeyLine(1)),
            (line("seal", 1, 0).as_str(), SealError::KeyLine(1)),
            ("", SealError::KeyMissing("seal")),
            (line("seal", 1, 1).as_str(), SealError::KeyMissing("index")),
            ((old() + &old()).as_str(), SealError::KeyRepeated(3)),
        ] {
            assert_eq!(KeyRing::parse(text).map(|_| ()), Err(error));
        }
    }
}
