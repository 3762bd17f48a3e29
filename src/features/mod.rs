//! The features: vertical slices, each a few short files with fixed names.

pub mod datasets;
