//! One seed, one run.
fn main() {}
