//! Datasets: registered sources and their releases; here the pure part that turns a delivered file into typed records.

pub mod profile;
pub mod reader;
pub mod values;

#[cfg(test)]
mod test_files;
