//! Date and Retry-After.

fn main() {
    afl::fuzz!(|head: &[u8]| testkit::decoders::dates(head));
}
