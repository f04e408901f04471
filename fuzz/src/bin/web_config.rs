//! Web-config files.

fn main() {
    afl::fuzz!(|content: &[u8]| testkit::decoders::web_config(content));
}
