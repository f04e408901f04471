//! Parts of pages for people: a landing page, files that a page brings along, and answers that are written off the async threads, once for
//! all that ask.

mod asset;
mod etag;
mod landing;
mod renderer;
mod rendering;
mod unpacked;

pub use self::asset::{Asset, asset_router};
pub use self::landing::{LandingPage, Link};
pub use self::renderer::Renderer;
