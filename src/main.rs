//! Entas.
fn main() {}
