//! What every test starts from: a database of its own, a running service, and a world of actors and places.

pub mod case;
pub mod client;
pub mod db;
pub mod world;

pub use case::{Call, Case, Place};
pub use client::{Answer, Client};
pub use world::World;
