//! Configuration files.

fn main() {
    afl::fuzz!(|content: &[u8]| testkit::decoders::config(content));
}
