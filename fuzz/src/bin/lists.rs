//! The vendor's answers about an account as a whole.

fn main() {
    afl::fuzz!(|body: &[u8]| testkit::decoders::lists(body));
}
