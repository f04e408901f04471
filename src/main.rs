//! The `laaffic-exporter` program.

fn main() {}
