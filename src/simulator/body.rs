//! An answer's body that knows when it is out, so that a visit lasts exactly as long as its client is being served.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};

use super::visit::Visit;

/// An answer's body, with which its visit ends.
#[derive(Debug)]
pub(super) struct VisitBody {
    body: Body,
    visit: Visit,
}

impl VisitBody {
    pub(super) fn new(body: Body, visit: Visit) -> Self {
        Self { body, visit }
    }
}

impl http_body::Body for VisitBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = frame {
            // An error here is a fault that was asked for, not a client that left.
            self.visit.finish();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for VisitBody {
    fn drop(&mut self) {
        // The server does not ask for the end of a body that has said it is at its end.
        if self.body.is_end_stream() {
            self.visit.finish();
        }
    }
}
