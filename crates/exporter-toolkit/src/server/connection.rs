//! One connection: encrypted where TLS is configured, bounded in time, and ended in peace at the stop.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answer::AnswerBody;
use super::connections::Slot;
use super::guard::Guard;
use super::metered::Metered;
use crate::client::Client;

/// A handshake and the first request must be whole after this long.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// A connection may wait this long for its next request: longer than the two minutes that Prometheus' slowest sensible interval takes,
/// so that a scrape seldom needs a new connection.
const NEXT_REQUEST: Duration = Duration::from_secs(150);

/// A client that takes nothing for this long has gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the head of an HTTP/2 request.
const MAX_HEAD: u32 = 32 * 1024;

/// Bytes of the head of an HTTP/1 request, and those that wait for one slow client: hyper knows one bound for both.
const HTTP1_BUFFER: usize = 64 * 1024;

/// Bytes of one HTTP/2 answer that wait for a slow client.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;

/// HTTP/2 requests at once on one connection: as many as the probes that a Prometheus sends over it, and few enough that 320 connections
/// full of answers that nobody takes do not fill the memory.
const MAX_STREAMS: u32 = 16;

/// Bytes of bodies that a client may send ahead: the least that HTTP/2 knows for a connection (RFC 9113, section 6.9.2). Nobody reads them.
const WINDOW: u32 = 65_535;

/// Serves a connection until its client, its slot or the stop ends it.
pub(super) async fn serve(
    stream: TcpStream,
    client: Client,
    guard: Arc<Guard>,
    slot: Arc<Slot>,
    stop: CancellationToken,
) {
    let deadline = Instant::now() + FIRST_REQUEST;
    let evicted = slot.evicted();
    let too_slow = async {
        tokio::time::sleep_until(deadline).await;
        never_if(slot.requests() > 0).await;
    };
    let unwanted = async {
        stop.cancelled().await;
        never_if(slot.requests() > 0).await;
    };
    tokio::select! {
        () = evicted.cancelled() => {}
        () = too_slow => {}
        () = slot.overdue() => tracing::debug!("a client takes its answer too slowly and is cut off"),
        () = unwanted => {}
        result = serve_requests(stream, client, guard, Arc::clone(&slot), stop.clone()) => if let Err(error) = result {
            tracing::debug!(error, "connection ended");
        }
    }
}

async fn never_if(condition: bool) {
    if condition {
        std::future::pending::<()>().await;
    }
}

async fn serve_requests(
    mut stream: TcpStream,
    client: Client,
    guard: Arc<Guard>,
    slot: Arc<Slot>,
    stop: CancellationToken,
) -> Result<(), String> {
    // A scrape's frames are whole; waiting to fill packets would only delay the first one.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let tls = guard.live().tls();
    if tls.is_some() && speaks_plain_http(&stream).await {
        return reject_plain_http(&mut stream).await.map_err(|error| error.to_string());
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    let client = Arc::new(client);
    let of_connection = Arc::clone(&slot);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let in_flight = of_connection.request();
        let (guard, client) = (Arc::clone(&guard), Arc::clone(&client));
        async move {
            // Of a request's body nothing is ever read, and what has come of it is let go of at once.
            let response = guard.answer(request.map(|_| Body::empty()), &client).await;
            Ok::<_, Infallible>(response.map(|body| AnswerBody::begin(body, in_flight)))
        }
    });
    let Some(tls) = tls else {
        return serve_http1(stream, service, stop).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream).await;
    let stream = handshake.map_err(|error| format!("TLS handshake: {error}"))?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_http2(Metered::new(stream, slot), service, stop).await
    } else {
        serve_http1(stream, service, stop).await
    }
}

async fn serve_http1<I, S>(stream: I, service: S, stop: CancellationToken) -> Result<(), String>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(HTTP1_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    until_the_end(connection, http1::Connection::graceful_shutdown, stop).await
}

async fn serve_http2<I, S, F>(stream: I, service: S, stop: CancellationToken) -> Result<(), String>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible, Future = F>,
    F: Future<Output = Result<Response<AnswerBody>, Infallible>> + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(HTTP2_SEND_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    until_the_end(connection, http2::Connection::graceful_shutdown, stop).await
}

/// Drives a connection until its client or the stop ends it; at the stop, `shut_down` lets what is under way be answered.
async fn until_the_end<C>(connection: C, shut_down: fn(Pin<&mut C>), stop: CancellationToken) -> Result<(), String>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            shut_down(connection.as_mut());
            connection.await
        }
    };
    ended.map_err(|error| error.to_string())
}

/// Whether the client begins with a method's name, where TLS would begin with a record.
async fn speaks_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!((stream.peek(&mut first).await, first), (Ok(1), [byte]) if byte.is_ascii_uppercase())
}

async fn reject_plain_http(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    // Read, so that closing does not look like a broken connection and lose the answer.
    let _ = stream.read(&mut request).await?;
    let answer = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n\
                  This is an HTTPS server, and that was an HTTP request.\n";
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
