//! What this program was built from.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision, or "unknown" outside a checkout.
pub const REVISION: &str = env!("LAAFFIC_EXPORTER_REVISION");

/// The compiler's version.
pub const RUSTC: &str = env!("LAAFFIC_EXPORTER_RUSTC");

/// What `--version` prints after the program's name.
pub const VERSION_LINE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision: ",
    env!("LAAFFIC_EXPORTER_REVISION"),
    ", rustc: ",
    env!("LAAFFIC_EXPORTER_RUSTC"),
    ")"
);
