//! The small server.
fn main() {}
