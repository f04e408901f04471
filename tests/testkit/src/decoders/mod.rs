//! What decodes foreign bytes, with what must hold for all of them: one function a decoder, which panics where it does not hold.
//!
//! The fuzzer (`fuzz/`) calls these functions with what it invents, and the ordinary tests with what it found worth keeping
//! (`fuzz/corpus`). None of them leaves anything behind, waits, or asks the network.

mod answer;
mod config;
mod dates;
mod head;
mod lists;
mod negotiation;
mod web_config;

pub use self::answer::{Reading, answer, reading};
pub use self::config::config;
pub use self::dates::dates;
pub use self::lists::lists;
pub use self::negotiation::negotiation;
pub use self::web_config::web_config;

/// Decodes an input; panics where what must hold does not.
pub type Decoder = fn(&[u8]);

/// All of them, by the names of their programs and folders in `fuzz/`.
pub const DECODERS: [(&str, Decoder); 6] = [
    ("answer", answer),
    ("config", config),
    ("dates", dates),
    ("lists", lists),
    ("negotiation", negotiation),
    ("web_config", web_config),
];

/// A configuration file may name any path, and reading from a device may never end.
fn names_a_device(content: &[u8]) -> bool {
    ["/dev", "/proc", "/sys"]
        .iter()
        .any(|folder| content.windows(folder.len()).any(|place| place == folder.as_bytes()))
}
