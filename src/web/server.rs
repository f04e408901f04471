//! Connections: accepted, encrypted where TLS is configured, bounded in number and time, and ended in peace at the stop.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connections::{AnswerBody, Connections, Place};
use super::guard::Guard;

/// A handshake and the first request must be whole after this long.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// A connection may wait this long for its next request: longer than the two minutes that Prometheus' slowest sensible interval takes,
/// so that a scrape seldom needs a new connection.
const NEXT_REQUEST: Duration = Duration::from_secs(150);

/// A client that takes nothing for this long has gone, or wants to hold a scrape's place.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const MAX_HEAD: u32 = 32 * 1024;

/// Bytes that wait for one slow client, each.
const SEND_BUFFER: usize = 64 * 1024;

/// HTTP/2 requests at once on one connection.
const MAX_STREAMS: u32 = 64;

/// After an error of the system, such as too many open files, accepting pauses for this long: so that a connection that is sent away is
/// gone, one that has just come in has asked, and a crowd is through before a scrape's patience is over.
const PAUSE: Duration = Duration::from_millis(20);

/// Such an error is told once in this time. Where connections come and go, it comes and goes with them.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The server of all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Server {
    guard: Arc<Guard>,
    connections: Arc<Connections>,
}

impl Server {
    /// Serves what is behind this guard.
    pub fn new(guard: Guard) -> Self {
        Self {
            guard: Arc::new(guard),
            connections: Connections::new(),
        }
    }

    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.guard.live().tls().is_some()
    }

    /// Serves a listener until the stop, and then whoever is being answered to the end.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let (stream, from) = match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        tracing::error!(%error, "connections cannot be accepted, trying on");
                        told = Some(Instant::now());
                    }
                    // Where it is files that are lacking, this frees one.
                    self.connections.send_one_away();
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = self.connections.enter() => place,
            };
            let guard = Arc::clone(&self.guard);
            tasks.spawn(connection(stream, from, guard, Arc::new(place), stop.clone()));
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

async fn connection(stream: TcpStream, from: IpAddr, guard: Arc<Guard>, place: Arc<Place>, stop: CancellationToken) {
    let deadline = Instant::now() + FIRST_REQUEST;
    let leave = place.leave();
    let too_slow = async {
        tokio::time::sleep_until(deadline).await;
        never_if(place.asked()).await;
    };
    let unwanted = async {
        stop.cancelled().await;
        never_if(place.asked()).await;
    };
    tokio::select! {
        () = leave.cancelled() => {}
        () = too_slow => {}
        () = unwanted => {}
        result = converse(stream, from, guard, Arc::clone(&place), stop.clone()) => if let Err(error) = result {
            tracing::debug!(%from, error, "connection ended");
        }
    }
}

async fn never_if(condition: bool) {
    if condition {
        std::future::pending::<()>().await;
    }
}

async fn converse(
    mut stream: TcpStream,
    from: IpAddr,
    guard: Arc<Guard>,
    place: Arc<Place>,
    stop: CancellationToken,
) -> Result<(), String> {
    // A scrape's frames are whole; waiting to fill packets would only delay the first one.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let tls = guard.live().tls();
    if tls.is_some() && speaks_plain_http(&stream).await {
        return turn_away(&mut stream).await.map_err(|error| error.to_string());
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answering = place.request();
        let guard = Arc::clone(&guard);
        async move {
            // Of a request's body nothing is ever read; what the client goes on sending is dropped with the connection.
            let response = guard.answer(request.map(Body::new), from).await;
            Ok::<_, Infallible>(response.map(|body| AnswerBody {
                body,
                _answering: answering,
            }))
        }
    });
    let Some(tls) = tls else {
        return serve_http1(stream, service, stop).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream).await;
    let stream = handshake.map_err(|error| format!("TLS handshake: {error}"))?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_http2(stream, service, stop).await
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
        .max_buf_size(SEND_BUFFER);
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
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(SEND_BUFFER);
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

async fn turn_away(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    // Read, so that closing does not look like a broken connection and lose the answer.
    let _ = stream.read(&mut request).await?;
    let answer = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                  This is an HTTPS server, and that was an HTTP request.\n";
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
