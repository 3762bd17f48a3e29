//! Objects: what is too large for the database rests sealed in a folder or an S3-compatible store.
//!
//! Only what was sealed can be put; it is written whole or not at all, for our user only, and it is on the disk when `put`
//! returns. An object's name is a fresh id, so nothing that is stored is ever overwritten but by its own renewed sealing.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as Folder, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::web::Bytes;
use anyhow::Context;
use chrono::Utc;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::{Code, Error, Result};
use super::seal::KeyRing;

/// How many objects are held in memory at once by one process: each takes up to three times its size while it is sealed.
const AT_ONCE: usize = 8;
/// How a location in a bucket begins.
const BUCKET: &str = "s3://";

/// Sealed bytes, the only ones that are put.
pub struct Sealed(Vec<u8>);

enum Place {
    Folder(PathBuf),
    Bucket(Arc<dyn ObjectStore>),
}

/// The store of this installation.
pub struct Objects {
    place: Place,
    keys: KeyRing,
    turns: Semaphore,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => f.debug_tuple("Objects").field(folder).finish(),
            Place::Bucket(store) => f.debug_tuple("Objects").field(&store.to_string()).finish(),
        }
    }
}

impl Objects {
    /// A store at a folder's path, or at `s3://bucket/prefix` as the `AWS_*` variables of the environment tell. Touches nothing yet.
    pub fn open(setting: &str, environment: impl IntoIterator<Item = (String, String)>, keys: KeyRing) -> anyhow::Result<Objects> {
        let place = if setting.starts_with(BUCKET) {
            Place::Bucket(bucket(setting, environment).with_context(|| format!("ENTAS_ATTACHMENT_STORE {setting}"))?)
        } else {
            anyhow::ensure!(!setting.is_empty() && !setting.contains("://"), "ENTAS_ATTACHMENT_STORE is a folder or s3://bucket/prefix");
            Place::Folder(setting.into())
        };
        Ok(Objects { place, keys, turns: Semaphore::new(AT_ONCE) })
    }

    /// Whether a folder can be written to; of a bucket only the first request tells.
    pub fn check(&self) -> Result<()> {
        match &self.place {
            Place::Folder(folder) => {
                private(folder)?;
                Ok(tempfile::tempfile_in(folder).map(drop)?)
            }
            Place::Bucket(_) => Ok(()),
        }
    }

    /// One's turn to hold an object in memory, for as long as what comes back lives.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.turns.acquire().await.map_err(|cause| Error::Internal(cause.into()))
    }

    /// Seals content for one row, as [`KeyRing::seal`] does, on a thread that may take its time.
    pub async fn seal(&self, purpose: &'static str, row: Uuid, plain: Zeroizing<Vec<u8>>) -> Result<Sealed> {
        let keys = self.keys.clone();
        let sealed = tokio::task::spawn_blocking(move || keys.seal(purpose, row, &plain)).await.context("sealing")?;
        Ok(Sealed(sealed?))
    }

    /// Stores an object under a fresh name.
    pub async fn put(&self, object: Uuid, content: Sealed) -> Result<()> {
        let (store, path) = (self.store()?, path_of(object));
        if let Place::Folder(folder) = &self.place {
            private(&folder.join(shard(object)))?;
        }
        store.put(&path, content.0.into()).await.map_err(failed)?;
        if let Place::Folder(folder) = &self.place {
            // The folders above keep everybody else out already; a copy made with its modes stays private too.
            std::fs::set_permissions(folder.join(path.as_ref()), std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Fetches and opens an object.
    pub async fn get(&self, purpose: &'static str, row: Uuid, object: Uuid) -> Result<Zeroizing<Vec<u8>>> {
        let sealed = self.fetch(object).await?;
        let keys = self.keys.clone();
        let opened = tokio::task::spawn_blocking(move || keys.open(purpose, row, &sealed)).await.context("opening")?;
        opened.with_context(|| format!("object {object}")).map_err(Error::from)
    }

    /// Brings an object under the first sealing key; false when it was already.
    pub async fn reseal(&self, purpose: &'static str, row: Uuid, object: Uuid) -> Result<bool> {
        // The first bytes tell the key; the rest may be megabytes.
        let head = self.store()?.get_range(&path_of(object), 0..2).await.map_err(failed)?;
        if self.keys.is_current(&head) {
            return Ok(false);
        }
        let plain = self.get(purpose, row, object).await?;
        self.put(object, self.seal(purpose, row, plain).await?).await?;
        Ok(true)
    }

    /// Removes an object; one that is gone is no failure.
    pub async fn remove(&self, object: Uuid) -> Result<()> {
        match self.store()?.delete(&path_of(object)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// The objects that were written longer ago than this. What a crash left half-written is removed on the way.
    pub async fn older_than(&self, age: Duration) -> Result<HashSet<Uuid>> {
        if let Place::Folder(folder) = &self.place {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || remove_half_written(&folder, age)).await.context("object store")?;
        }
        let before = Utc::now() - age;
        let mut found = HashSet::new();
        let mut list = self.store()?.list(None);
        while let Some(object) = list.try_next().await.map_err(failed)? {
            // What is not named as ours is not ours to judge.
            let ours = object.location.filename().and_then(|name| name.parse().ok()).filter(|id| path_of(*id) == object.location);
            found.extend(ours.filter(|_| object.last_modified < before));
        }
        Ok(found)
    }

    async fn fetch(&self, object: Uuid) -> Result<Bytes> {
        let found = self.store()?.get(&path_of(object)).await.map_err(failed)?;
        found.bytes().await.map_err(failed)
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>> {
        match &self.place {
            // Opened anew each time: a folder that was away and came back needs no restart.
            Place::Folder(folder) => {
                private(folder)?;
                Ok(Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(failed)?.with_fsync(true)))
            }
            Place::Bucket(store) => Ok(store.clone()),
        }
    }
}

/// 256 folders, by the random end of the name: no folder grows too large to list.
fn shard(object: Uuid) -> String {
    let [.., last] = *object.as_bytes();
    format!("{last:02x}")
}

fn path_of(object: Uuid) -> Path {
    Path::from_iter([shard(object), object.to_string()])
}

/// Makes a folder for our user only.
fn private(folder: &Folder) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The store writes `name#1` and renames it; a crash between the two leaves a file that no list shows.
fn remove_half_written(folder: &Folder, age: Duration) {
    let entries = |folder: &Folder| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries(folder).flat_map(|shard| entries(&shard.path())) {
        let half = entry.file_name().to_string_lossy().contains('#');
        let written = entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::now());
        if half && written.elapsed().is_ok_and(|old| old > age) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

/// What a failure of the store means to whoever asked. Its text names objects and nothing personal, and goes to the log only.
fn failed(cause: object_store::Error) -> Error {
    let mut links = std::iter::successors(Some(&cause as &(dyn std::error::Error + 'static)), |link| link.source());
    let full = links.any(|link| {
        let kind = link.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    });
    if full {
        tracing::warn!(%cause, "the object store is full");
        return Code::StorageFull.into();
    }
    match cause {
        object_store::Error::Generic { store: "S3", .. } => {
            let told = format!("{:#}", anyhow::Error::new(cause));
            tracing::warn!(error = %told, "the object store does not serve");
            // As MinIO and Ceph call it; the one in whose cloud it is has no end.
            if ["StorageFull", "QuotaExceeded"].iter().any(|word| told.contains(word)) {
                return Code::StorageFull.into();
            }
            Error::RefusedBecause(Code::Unavailable, "The store of photos and documents is away. Nothing was changed; try again.".into())
        }
        cause => Error::Internal(anyhow::Error::new(cause).context("object store")),
    }
}

#[cfg(feature = "s3")]
fn bucket(setting: &str, environment: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Arc<dyn ObjectStore>> {
    use object_store::aws::AmazonS3Builder;
    use object_store::prefix::PrefixStore;
    use object_store::{ClientOptions, RetryConfig};
    // reqwest's TLS takes the process's provider; the database's connections name their own, the same.
    rustls::crypto::ring::default_provider().install_default().ok();
    let waits = ClientOptions::new().with_connect_timeout(Duration::from_secs(3)).with_timeout(Duration::from_secs(30));
    let tries = RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new().with_client_options(waits).with_retry(tries);
    for (name, value) in environment {
        if let Some(Ok(key)) = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse()) {
            builder = builder.with_config(key, value);
        }
    }
    let (bucket, prefix) = setting.strip_prefix(BUCKET).and_then(|rest| rest.split_once('/').or(Some((rest, "")))).unwrap_or_default();
    anyhow::ensure!(!bucket.is_empty(), "no bucket is named");
    let store = builder.with_bucket_name(bucket).build()?;
    let prefix = Path::parse(prefix)?;
    Ok(if prefix.as_ref().is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, prefix)) })
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &str, _: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Arc<dyn ObjectStore>> {
    anyhow::bail!("this build knows folders only: build with `--features s3`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(folder: &Folder) -> Objects {
        let keys = KeyRing::parse(&KeyRing::generate().unwrap()).unwrap();
        Objects::open(folder.to_str().unwrap(), [], keys).unwrap()
    }

    #[test]
    fn a_full_disk_is_told_as_one_however_deep_it_is_wrapped() {
        #[derive(Debug, thiserror::Error)]
        #[error("copying")]
        struct Copying(#[source] std::io::Error);
        for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded] {
            let source = Box::new(Copying(std::io::Error::from(kind)));
            assert_eq!(failed(object_store::Error::Generic { store: "LocalFileSystem", source }).code(), Code::StorageFull);
        }
        let source = Box::new(Copying(std::io::Error::from(std::io::ErrorKind::PermissionDenied)));
        assert_eq!(failed(object_store::Error::Generic { store: "LocalFileSystem", source }).code(), Code::Internal);
        for (told, code) in [("<Code>XMinioStorageFull</Code>", Code::StorageFull), ("connection refused", Code::Unavailable)] {
            assert_eq!(failed(object_store::Error::Generic { store: "S3", source: told.into() }).code(), code);
        }
    }

    #[test]
    fn settings_that_name_no_store_are_refused() {
        let keys = KeyRing::parse(&KeyRing::generate().unwrap()).unwrap();
        for setting in ["", "gs://bucket", "https://host/bucket", "s3://", "s3:///photos"] {
            assert!(Objects::open(setting, [], keys.clone()).is_err(), "{setting}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_made_when_it_is_needed_and_found_again_when_it_was_away() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a b/café");
        let objects = objects(&place);
        let (row, object) = (Uuid::now_v7(), Uuid::now_v7());
        assert!(!place.exists());
        objects.check().unwrap();
        let sealed = objects.seal("x", row, Zeroizing::new(b"proof".to_vec())).await.unwrap();
        objects.put(object, sealed).await.unwrap();
        assert_eq!(objects.get("x", row, object).await.unwrap().as_slice(), b"proof");
        assert!(objects.get("y", row, object).await.is_err() && objects.get("x", Uuid::now_v7(), object).await.is_err());
        assert_eq!(objects.older_than(Duration::ZERO).await.unwrap(), HashSet::from([object]));
        assert_eq!(objects.older_than(Duration::from_secs(60)).await.unwrap(), HashSet::new());
        std::fs::rename(&place, folder.path().join("away")).unwrap();
        assert_eq!(objects.get("x", row, object).await.unwrap_err().code(), Code::Internal);
        std::fs::remove_dir(&place).unwrap();
        std::fs::rename(folder.path().join("away"), &place).unwrap();
        assert_eq!(objects.get("x", row, object).await.unwrap().as_slice(), b"proof");
        objects.remove(object).await.unwrap();
        objects.remove(object).await.unwrap();
        assert_eq!(objects.older_than(Duration::ZERO).await.unwrap(), HashSet::new());
    }
}
