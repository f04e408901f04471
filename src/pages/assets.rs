//! `/static/…`: what the status page brings along.

use std::sync::LazyLock;

use axum::Router;
use exporter_toolkit::pages::{Asset, asset_router};

/// The page's look.
pub static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "status.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/status.css"),
    )
});

/// What lets the page refresh and filter itself.
pub static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "status.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/status.js"),
    )
});

/// The sign in the browser's tab.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")));

/// The files' paths.
pub fn router() -> Router {
    asset_router([&*CSS, &*JS, &*ICON])
}
