//! What is answered over HTTP. Every page reads a snapshot of the store; the two that want something done (`/probe`, `/-/reload`) ask the task that
//! owns it.

pub mod assets;
mod bar;
mod cards;
mod changes;
pub mod flow;
pub mod flows;
pub mod health;
mod lasting;
pub mod lifecycle;
pub mod links;
mod moment;
pub mod overview;
pub mod probe;
pub mod runbooks;
pub mod running;
pub mod status;
pub mod telemetry;
pub mod view;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use exporter_toolkit::exposition::MetricsHandler;

use self::flow::FlowPages;
use self::flows::Flows;
use self::health::Health;
use self::running::Running;
use self::status::StatusPage;
use self::telemetry::{Telemetry, TelemetryPath};
use self::view::Site;
use crate::poll::Prober;
use crate::reload::ReloadHandle;

/// What each page needs.
#[derive(Debug)]
pub struct Pages {
    /// Of the telemetry path.
    pub metrics: MetricsHandler<Telemetry>,
    /// Of `/`.
    pub status: StatusPage,
    /// Of `/flows/…`.
    pub flow: FlowPages,
    /// Of `/runbooks/…`.
    pub site: Site,
    /// Of `/api/v1/flows`.
    pub flows: Flows,
    /// Of `/probe`.
    pub prober: Prober,
    /// Of `/config`.
    pub running: Running,
    /// Of `/-/healthy` and `/-/ready`.
    pub health: Health,
    /// Of `/-/reload`; `None` where lifecycle requests are off.
    pub reload: Option<ReloadHandle>,
}

impl Pages {
    /// The table of all routes. [`TelemetryPath`] refuses the paths that are taken here.
    pub fn into_router(self, telemetry_path: &TelemetryPath) -> Router {
        Router::new()
            .route(telemetry_path.as_str(), self.metrics.into_route())
            .route("/", get(status::show).with_state(self.status))
            .route("/flows/{account}/{key_id}", get(flow::show).with_state(self.flow))
            .route("/runbooks", get(runbooks::redirect))
            .route("/runbooks/", get(runbooks::index).with_state(self.site.clone()))
            .route("/runbooks/{alert}", get(runbooks::show).with_state(self.site))
            .merge(assets::router())
            .route("/api/v1/flows", get(flows::show).with_state(self.flows))
            .route("/probe", get(probe::probe).with_state(self.prober))
            .route("/config", get(running::show).with_state(self.running))
            .route("/-/healthy", get(health::healthy).with_state(self.health.clone()))
            .route("/-/ready", get(health::ready).with_state(self.health))
            .route(
                "/-/reload",
                post(lifecycle::reload).put(lifecycle::reload).with_state(self.reload),
            )
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
    }
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is no such page; / shows what there is.\n")
}

/// The `Allow` header says which methods the path takes.
async fn method_not_allowed() -> (StatusCode, &'static str) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This page does not take this method; the Allow header says which it takes.\n",
    )
}
