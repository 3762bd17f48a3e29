//! A database per test, cloned from a template that is named by the migrations and built once under a lock.

use std::hash::{Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use entas::platform::Services;
use tokio_postgres::NoTls;
use uuid::Uuid;

use super::world::config;

/// A database that is dropped with it.
pub struct Database {
    pub url: String,
    name: String,
    admin: String,
}

/// The cluster to test on; `make test` starts one and sets this.
fn admin_url() -> String {
    std::env::var("ENTAS_TEST_DATABASE_URL")
        .expect("ENTAS_TEST_DATABASE_URL names a cluster where databases may be created; `make test` sets it")
}

fn with_name(url: &str, name: &str) -> String {
    let cut = url.rfind('/').unwrap();
    format!("{}/{name}", &url[..cut])
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A connection of a test's own, to look at what really stands in the tables.
pub async fn look(url: &str) -> tokio_postgres::Client {
    connect(url).await
}

fn fingerprint() -> String {
    let mut hash = std::collections::hash_map::DefaultHasher::new();
    let mut folders = vec![Path::new("migrations").to_owned(), Path::new("replaceable").to_owned(), Path::new("data").to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
        }
    }
    files.sort();
    for file in files {
        file.hash(&mut hash);
        std::fs::read(&file).unwrap().hash(&mut hash);
    }
    format!("{:016x}", hash.finish())
}

impl Database {
    /// A fresh clone of the migrated template.
    pub async fn new() -> Database {
        let admin = admin_url();
        let client = connect(&admin).await;
        let template = format!("entas_template_{}", fingerprint());
        // Many test processes start at once; one of them builds.
        client.execute("SELECT pg_advisory_lock(7305)", &[]).await.unwrap();
        let known = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&template]).await.unwrap();
        if known.is_none() {
            let half_built = format!("{template}_building");
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {half_built} WITH (FORCE)")).await.unwrap();
            client.batch_execute(&format!("CREATE DATABASE {half_built}")).await.unwrap();
            let services = Services::new(config(&with_name(&admin, &half_built)), super::world::keys()).unwrap();
            services.db.migrate().await.unwrap();
            entas::features::regions::load(&services).await.unwrap();
            drop(services);
            for _ in 0..50 {
                // Its connections close when their tasks notice; until then it cannot be renamed.
                if client.batch_execute(&format!("ALTER DATABASE {half_built} RENAME TO {template}")).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        client.execute("SELECT pg_advisory_unlock(7305)", &[]).await.unwrap();
        let name = format!("entas_test_{}", Uuid::now_v7().simple());
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await.unwrap();
        Database { url: with_name(&admin, &name), name, admin }
    }

    /// An empty database, not migrated.
    pub async fn empty() -> Database {
        let admin = admin_url();
        let name = format!("entas_test_{}", Uuid::now_v7().simple());
        connect(&admin).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Database { url: with_name(&admin, &name), name, admin }
    }

    /// Cuts every connection to it and lets nobody in until [`Database::restore`].
    pub async fn cut(&self) {
        let client = connect(&self.admin).await;
        client.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name)).await.unwrap();
        client.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&self.name]).await.unwrap();
    }

    /// Lets connections in again.
    pub async fn restore(&self) {
        connect(&self.admin).await.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name)).await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // A thread of its own: the test's runtime may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                connect(&admin).await.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap()
            });
        });
        dropped.join().ok();
    }
}
