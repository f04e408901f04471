//! Accept and Accept-Encoding.

fn main() {
    afl::fuzz!(|head: &[u8]| testkit::decoders::negotiation(head));
}
