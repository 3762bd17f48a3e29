//! Entas: the API with which a regency, a province or the nation coordinates the eradication of extreme poverty.

pub mod features;
pub mod platform;
