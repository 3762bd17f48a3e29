//! The platform knows no feature; each file keeps one promise.

pub mod seal;
pub mod sensitive;
