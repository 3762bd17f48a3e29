//! A small Indonesia: Kotim with an actor of every role, Kutai Timur as the place nobody at home may see.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use entas::platform::Services;
use entas::platform::config::Config;
use entas::platform::ids::{Level, RegionCode};
use entas::platform::policy::{Agency, Role};
use entas::platform::seal::KeyRing;
use tokio::sync::watch;
use uuid::Uuid;

use super::case::Place;
use super::client::Client;
use super::db::{Database, look};

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// The settings of a test: everything as delivered, but for the limits that would make tests wait.
pub fn config(url: &str) -> Config {
    let spool = std::env::temp_dir().join(format!("entas-spool-{}", std::process::id()));
    let spool = spool.to_string_lossy();
    // Replicas of one world share one store, as they share its database.
    let store = std::env::temp_dir().join(format!("entas-objects-{}", url.rsplit('/').next().unwrap()));
    let store = store.to_string_lossy();
    let args = [
        "entas",
        "--database-url",
        url,
        "--bind",
        "127.0.0.1:0",
        "--rate-limit",
        "0",
        "--workers",
        "1",
        "--spool-dir",
        &spool,
        "--attachment-store",
        &store,
        "--job-lease-seconds",
        "2",
    ];
    Settings::parse_from(args).config
}

/// Keys of this test run.
pub fn keys() -> KeyRing {
    KeyRing::parse(&key_text()).unwrap()
}

fn key_text() -> String {
    KeyRing::generate().unwrap().to_string()
}

/// The regions and the agency of a place.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    pub village: &'static str,
    pub next_village: &'static str,
    pub subdistrict: &'static str,
    pub regency: &'static str,
    pub province: &'static str,
    pub agency: Uuid,
}

impl Neighbourhood {
    /// The region of this place at a level.
    pub fn at(&self, level: Level) -> &'static str {
        match level {
            Level::Village => self.village,
            Level::Subdistrict => self.subdistrict,
            Level::Regency => self.regency,
            _ => self.province,
        }
    }
}

/// A running service on a database of its own, with people in it.
pub struct World {
    pub services: Arc<Services>,
    pub db: Database,
    pub home: Neighbourhood,
    pub foreign: Neighbourhood,
    /// The key file, for tests that rotate keys.
    pub key_text: String,
    base: String,
    http: reqwest::Client,
    actors: HashMap<String, (Uuid, Client)>,
    sql: tokio_postgres::Client,
    server: actix_web::dev::ServerHandle,
}

impl World {
    /// Everybody at work.
    pub async fn new() -> World {
        World::on(Database::new().await).await
    }

    async fn on(db: Database) -> World {
        let key_text = key_text();
        let services = Services::new(config(&db.url), KeyRing::parse(&key_text).unwrap()).unwrap();
        let (address, server) = serve(services.clone());
        let (home_agency, foreign_agency) = (Uuid::now_v7(), Uuid::now_v7());
        let home = Neighbourhood {
            village: "62.02.09.2001",
            next_village: "62.02.09.2002",
            subdistrict: "62.02.09",
            regency: "62.02",
            province: "62",
            agency: home_agency,
        };
        let foreign = Neighbourhood {
            village: "64.08.03.2001",
            next_village: "64.08.03.2002",
            subdistrict: "64.08.03",
            regency: "64.08",
            province: "64",
            agency: foreign_agency,
        };
        let sql = look(&db.url).await;
        let mut world = World {
            sql,
            services,
            db,
            key_text,
            home,
            foreign,
            base: format!("http://{address}"),
            http: reqwest::Client::new(),
            actors: HashMap::new(),
            server,
        };
        let sql = world.sql().await;
        for (id, region, name) in [(home_agency, "62.02", "Dinas Sosial Kotim"), (foreign_agency, "64.08", "Dinas Sosial Kutim")] {
            sql.execute(
                "INSERT INTO agencies (id, region_code, name, kind) VALUES ($1, $2, $3, 'regional_office')",
                &[&id, &region, &name],
            )
            .await
            .unwrap();
        }
        for role in Role::ALL {
            for (place, suffix) in [(world.home.clone(), ""), (world.foreign.clone(), "-foreign")] {
                let agency = (role.agency() == Agency::Required).then_some(place.agency);
                world.hire(&format!("{}{suffix}", role.name()), *role, place.at(role.levels()[0]), agency).await;
            }
        }
        world
    }

    /// A new actor with one assignment, signed in.
    pub async fn hire(&mut self, name: &str, role: Role, region: &str, agency: Option<Uuid>) -> Client {
        let sql = self.sql().await;
        let (actor, assignment, session) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let home = RegionCode::parse(region).unwrap().at(Level::Regency).as_str().to_owned();
        sql.execute(
            "INSERT INTO actors (id, kind, name, display_name, region_code) VALUES ($1, 'person', $2, $2, $3)",
            &[&actor, &name, &home],
        )
        .await
        .unwrap();
        sql.execute(
            "INSERT INTO assignments (id, actor_id, role, region_code, agency_id) VALUES ($1, $2, $3, $4, $5)",
            &[&assignment, &actor, &role.name(), &region, &agency],
        )
        .await
        .unwrap();
        sql.execute(
            "INSERT INTO sessions (id, actor_id, client_id, expires_at) VALUES ($1, $2, 'test', now() + interval '1 hour')",
            &[&session, &actor],
        )
        .await
        .unwrap();
        let token = self.services.tokens.issue(&self.services.db, &self.services.keys, actor, session, "test").await.unwrap();
        let client = Client { actor: name.to_owned(), token: Some(token), base: self.base.clone(), http: self.http.clone() };
        self.actors.insert(name.to_owned(), (actor, client.clone()));
        client
    }

    /// The actor of a role at home.
    pub fn role(&self, role: Role) -> Client {
        self.named(role.name())
    }

    /// The actor of a role in a place: who may build rows there.
    pub fn role_in(&self, place: Place, role: Role) -> Client {
        match place {
            Place::Home => self.role(role),
            Place::Foreign => self.named(&format!("{}-foreign", role.name())),
        }
    }

    /// An actor by name.
    pub fn named(&self, name: &str) -> Client {
        self.actors[name].1.clone()
    }

    /// An actor's id by name.
    pub fn actor_id(&self, name: &str) -> Uuid {
        self.actors[name].0
    }

    /// Nobody.
    pub fn nobody(&self) -> Client {
        Client { actor: "nobody".into(), token: None, base: self.base.clone(), http: self.http.clone() }
    }

    /// The regions of a place.
    pub fn place(&self, place: Place) -> &Neighbourhood {
        match place {
            Place::Home => &self.home,
            Place::Foreign => &self.foreign,
        }
    }

    /// A connection to look at what really stands in the tables, or to put there what no operation makes.
    pub async fn sql(&self) -> &tokio_postgres::Client {
        &self.sql
    }

    /// How many changes have been told so far.
    pub async fn changes(&self) -> i64 {
        self.sql().await.query_one("SELECT count(*) FROM changes", &[]).await.unwrap().get(0)
    }

    /// Works off every job that is due.
    pub async fn run_jobs(&self) {
        let (_keep, stop) = watch::channel(false);
        while entas::platform::jobs::run_one(&self.services, &entas::app::kinds(), &stop).await.unwrap() {}
    }

    /// Appends the records of reading that wait.
    pub async fn flush_reads(&self) {
        self.services.reads.flush(&self.services.db).await.unwrap();
    }

    /// A replica made by the test, for somebody who is signed in here.
    pub fn serve_with(&self, services: Arc<Services>, client: &Client) -> Client {
        let (address, _server) = serve(services);
        Client { base: format!("http://{address}"), ..client.clone() }
    }

    /// Rotates the keys and drops the older ones; the services of a replica that knows the newer ones alone.
    pub async fn rotated(&self) -> Arc<Services> {
        let fresh = key_text();
        let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        let newer: Vec<String> = lines(&fresh).iter().map(|line| line.replacen(" 1 ", " 2 ", 1)).collect();
        let both = KeyRing::parse(&[newer.clone(), lines(&self.key_text)].concat().join("\n")).unwrap();
        entas::app::rotate_keys(&Services::new(config(&self.db.url), both).unwrap(), |_| {}).await.unwrap();
        Services::new(config(&self.db.url), KeyRing::parse(&newer.join("\n")).unwrap()).unwrap()
    }

    /// A second replica on the same database and keys.
    pub async fn replica(&self, client: &Client) -> Client {
        self.replica_set(client, |_| {}).await
    }

    /// One with other settings.
    pub async fn replica_set(&self, client: &Client, set: impl FnOnce(&mut Config)) -> Client {
        let mut config = config(&self.db.url);
        config.public_url = self.services.config.public_url.clone();
        set(&mut config);
        let services = Services::new(config, self.services.keys.clone()).unwrap();
        let (address, _server) = serve(services);
        Client { base: format!("http://{address}"), ..client.clone() }
    }
}

fn serve(services: Arc<Services>) -> (SocketAddr, actix_web::dev::ServerHandle) {
    let (api, document) = (Arc::new(entas::app::api()), Arc::<str>::from(entas::app::document()));
    let server = actix_web::HttpServer::new(move || entas::app::build(services.clone(), api.clone(), document.clone()))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (address, handle)
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.server.stop(false));
        std::fs::remove_dir_all(&self.services.config.attachment_store).ok();
        // A job that is left in the queue is a job the test forgot to look at.
        if std::thread::panicking() {
            return;
        }
        let url = self.db.url.clone();
        let left = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let sql = look(&url).await;
                sql.query_one("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')", &[]).await.unwrap().get::<_, i64>(0)
            })
        })
        .join()
        .unwrap_or(0);
        assert_eq!(left, 0, "jobs are left in the queue: call world.run_jobs()");
    }
}
