//! Answers of the vendor.

fn main() {
    afl::fuzz!(|body: &[u8]| testkit::decoders::answer(body));
}
