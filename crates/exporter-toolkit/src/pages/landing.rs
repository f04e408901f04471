//! `/`: what this exporter is and where its pages are, as Go's exporter-toolkit has it.

use askama::Template;
use axum::response::{Html, IntoResponse};
use axum::routing::{MethodRouter, get};

/// A page that names the exporter and links to its other pages. All links are relative, so that it may stand behind a path of a proxy.
#[derive(Debug, Clone, Template)]
#[template(path = "landing.html")]
pub struct LandingPage {
    /// The exporter's name.
    pub name: &'static str,
    /// One sentence: what it exports.
    pub description: &'static str,
    /// The version that runs.
    pub version: &'static str,
    /// Where to go.
    pub links: Vec<Link>,
}

/// One link of the page.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it leads, relative to the page, like `metrics`.
    pub path: &'static str,
    /// What it is called.
    pub text: &'static str,
    /// What is there, in a few words.
    pub description: &'static str,
}

impl LandingPage {
    /// The handler, for the path `/`.
    pub fn into_route(self) -> MethodRouter {
        // Nothing in the template can fail, and an empty page is still an answer.
        let html = self.render().unwrap_or_default();
        get(move || async move { Html(html).into_response() })
    }
}
