//! Uploads: a form whose file streams to the spool while it is hashed; never held in memory.
//!
//! Texts that stand before the file and are wrong refuse it before it is received; consoles that send parts in an order of
//! their own are judged when everything is there.
//! What is cut off, too large or refused leaves no file behind: the spooled file removes itself until it is kept.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::future::{Ready, ready};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;
use validator::Validate;
use zeroize::Zeroizing;

use super::api::{Description, Parameter};
use super::error::{Code, Error, Result};
use super::list::parse_query;
use super::valid::{harmless, told};

/// The longest text part; a column-mapping profile is the longest there is.
const TEXT_LIMIT: usize = 64 << 10;
/// Text parts a form may have.
const PARTS: usize = 32;
/// What boundaries and text parts may add to the file.
const OVERHEAD: usize = 1 << 20;
/// Files that are still being received; a crash leaves them, the next upload after a day removes them.
const PREFIX: &str = "upload-";
const STALE: Duration = Duration::from_secs(24 * 3600);

/// `multipart/form-data` with text parts `F` and one part `file`, best as the last. Nothing is read before [`Upload::receive_if`], so
/// that whoever may not upload is told so before 150 MB have been sent.
pub struct Upload<F> {
    multipart: Multipart,
    rest: Shared,
    declared: Option<usize>,
    form: PhantomData<F>,
}

impl<F> std::fmt::Debug for Upload<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("declared", &self.declared).finish_non_exhaustive()
    }
}

/// The body, read by the multipart parser and to its end by us: only a body read whole is recognised under its
/// Idempotency-Key.
#[derive(Clone)]
struct Shared(Rc<RefCell<Payload>>);

impl Stream for Shared {
    type Item = std::result::Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// A file in the spool; it removes itself unless it is kept.
#[derive(Debug)]
pub struct Spooled {
    path: TempPath,
    /// SHA-256 of its content.
    pub sha256: Vec<u8>,
    /// Its size.
    pub bytes: u64,
}

impl Spooled {
    /// A new empty file in the spool that removes itself, for whoever writes it in place.
    pub fn begin(folder: &Path) -> Result<TempPath> {
        prepare(folder)?;
        Ok(tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?.into_temp_path())
    }

    /// A file that was written in place. Blocking.
    pub fn written(path: TempPath) -> Result<Spooled> {
        let mut file = std::fs::File::open(&path)?;
        file.sync_all()?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut HashWriter(&mut hash))?;
        Ok(Spooled { path, sha256: hash.finalize().to_vec(), bytes })
    }

    /// Its content, for what is small enough to be looked at as a whole. Blocking.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(std::fs::read(&self.path)?))
    }

    /// Gives it its lasting name in the spool. Drop what comes back without [`Kept::stay`] and the file is removed.
    pub fn keep(self, name: &str) -> Result<Kept> {
        let to = self.path.parent().unwrap_or(Path::new(".")).join(name);
        self.path.persist(&to).map_err(|cause| Error::from(cause.error))?;
        Ok(Kept { path: Some(to) })
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A spooled file under its lasting name, until the transaction that mentions it has committed.
#[derive(Debug)]
pub struct Kept {
    path: Option<PathBuf>,
}

impl Kept {
    /// The spool.
    pub fn folder(&self) -> PathBuf {
        self.path.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }

    /// The transaction has committed: the file stays.
    pub fn stay(mut self) {
        self.path = None;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            std::fs::remove_file(path).ok();
        }
    }
}

impl<F: DeserializeOwned + Validate + 'static> FromRequest for Upload<F> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = header(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return ready(Err(Code::MediaType.into()));
        }
        let rest = Shared(Rc::new(RefCell::new(payload.take())));
        let multipart = Multipart::new(request.headers(), rest.clone());
        let declared = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        ready(Ok(Upload { multipart, rest, declared, form: PhantomData }))
    }
}

impl<F: DeserializeOwned + Validate> Upload<F> {
    /// Reads the form and, if `demand` has nothing against it, streams the file of at most `limit` bytes into `folder`.
    pub async fn receive_if(mut self, folder: &Path, limit: usize, demand: impl Fn(&F) -> Result<()>) -> Result<(F, Spooled)> {
        if self.declared.is_some_and(|declared| declared > limit.saturating_add(OVERHEAD)) {
            return Err(Code::BodyTooLarge.into());
        }
        prepare(folder)?;
        let mut texts = Vec::new();
        let mut received = None;
        while let Some(part) = self.multipart.next().await {
            let mut part = part.map_err(broken)?;
            let name = part.name().unwrap_or_default().to_owned();
            match (name.as_str(), &received) {
                ("file", None) => {
                    match read_form::<F>(&texts) {
                        Ok(form) => demand(&form)?,
                        // What is missing may follow the file.
                        Err(Error::Invalid(errors)) if errors.iter().all(|error| error.code == "required") => {}
                        Err(error) => return Err(error),
                    }
                    received = Some(spool(&mut part, folder, limit).await?);
                }
                ("file", Some(_)) => return Err(Error::field("file", "duplicate", "The part is given twice.")),
                _ if texts.len() >= PARTS => return Err(Error::field("", "parts", "The form has too many parts.")),
                _ => {
                    let text = read_text(&mut part, &name).await?;
                    // An input of a web form that was left blank states nothing.
                    if !text.is_empty() {
                        texts.push((name, text));
                    }
                }
            }
        }
        let mut beyond = 0usize;
        while let Some(bytes) = self.rest.next().await {
            beyond = beyond.saturating_add(bytes.map_err(|_| cut())?.len());
            if beyond > OVERHEAD {
                return Err(Code::BodyTooLarge.into());
            }
        }
        let file = received.ok_or_else(|| Error::field("file", "required", "The part `file` is required."))?;
        let form = read_form::<F>(&texts)?;
        demand(&form)?;
        Ok((form, file))
    }
}

fn cut() -> Error {
    Error::field("", "body", "The body ended too early or cannot be read.")
}

fn broken(cause: MultipartError) -> Error {
    match cause {
        MultipartError::Payload(_) | MultipartError::Incomplete => cut(),
        MultipartError::ContentTypeIncompatible => Code::MediaType.into(),
        _ => Error::field("", "multipart", "The body is not multipart/form-data with a boundary and named parts."),
    }
}

fn read_form<F: DeserializeOwned + Validate>(texts: &[(String, String)]) -> Result<F> {
    let form: F = parse_query(texts)?;
    form.validate().map_err(|errors| Error::Invalid(told(&errors)))?;
    Ok(form)
}

async fn read_text(part: &mut Field, name: &str) -> Result<String> {
    let mut text = Vec::new();
    while let Some(bytes) = part.next().await {
        text.extend_from_slice(&bytes.map_err(broken)?);
        if text.len() > TEXT_LIMIT {
            return Err(Error::field(harmless(name), "length", "The text is longer than this part takes."));
        }
    }
    let text = String::from_utf8(text).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| Error::field(harmless(name), "utf8", "The text is not valid UTF-8."))
}

async fn spool(part: &mut Field, folder: &Path, limit: usize) -> Result<Spooled> {
    let (file, path) = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut hash = Sha256::new();
    let mut size = 0usize;
    while let Some(bytes) = part.next().await {
        let bytes = bytes.map_err(broken)?;
        size = size.saturating_add(bytes.len());
        if size > limit {
            return Err(Code::BodyTooLarge.into());
        }
        hash.update(&bytes);
        file.write_all(&bytes).await?;
    }
    if size == 0 {
        return Err(Error::field("file", "empty", "The file is empty."));
    }
    // What is answered as accepted is on the disk.
    file.sync_all().await?;
    Ok(Spooled { path, sha256: hash.finalize().to_vec(), bytes: u64::try_from(size).unwrap_or(u64::MAX) })
}

/// Makes the spool, for our user only, and clears what a crash left in it.
fn prepare(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
    Ok(())
}

impl<F: DeserializeOwned + Validate + ToSchema + 'static> Parameter for Upload<F> {
    fn describe(to: &mut Description<'_>) {
        to.schema::<F>();
        let mut schema = super::api::schema_value::<F>();
        let file = json!({"type": "string", "contentMediaType": "application/octet-stream", "description": "The file itself; best sent as the last part: texts before it that are wrong refuse it before it is received."});
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.insert("file".into(), file);
        }
        if let Value::Object(schema) = &mut schema
            && let Value::Array(required) = schema.entry("required").or_insert_with(|| json!([]))
        {
            required.push(json!("file"));
        }
        to.body(json!({"multipart/form-data": {"schema": schema}}));
        to.refusal(408, "The file did not arrive in time.");
        to.refusal(413, "The file is too large.");
        to.refusal(415, "The body is not multipart/form-data.");
        to.refusal(507, "No space is left for the file; nothing was kept.");
    }
}
