//! The handlers of `../HANDLERS.md`, with hyper's ordinary API: content is a `Body`, whose length hyper announces.
//!
//! hyper begins a reply when the handler returns it. So a handler that answers before it has read spawns a task that
//! reads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, ETAG};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};

use crate::server::Shared;

type Reply = Response<Either<Full<Bytes>, Channel<Bytes>>>;

const POLL: Duration = Duration::from_millis(1);
const PIECE_BYTES: usize = 1 << 15;

fn reply(text: impl Into<Bytes>) -> Reply {
    Response::new(Either::Left(Full::new(text.into())))
}

fn with_status(status: StatusCode, text: &'static str) -> Reply {
    let mut reply = reply(text);
    *reply.status_mut() = status;
    reply
}

fn query<'q>(request: &'q Request<Incoming>, name: &str) -> Option<&'q str> {
    let query = request.uri().query()?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn number(request: &Request<Incoming>, name: &str, otherwise: u64) -> u64 {
    query(request, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Answers one request. An error ends the connection without a reply: the content was cut short.
pub(crate) async fn handle(
    mut request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Reply, hyper::Error> {
    if let Some(key) = query(&request, "count") {
        shared.count(key);
    }
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/" => reply("ok"),
        "/echo" => {
            let content = request.body_mut().collect().await?.to_bytes();
            if content.is_empty() {
                reply(query(&request, "text").unwrap_or("").to_owned())
            } else {
                reply(content)
            }
        }
        "/ignore-body" => reply("ignored"),
        "/early" => {
            tokio::spawn(request.into_body().collect());
            reply("early")
        }
        "/slow" => {
            request.body_mut().collect().await?;
            wait(&request, &shared, 100).await;
            reply("slow")
        }
        "/stream" => {
            request.body_mut().collect().await?;
            let (sender, content) = Channel::new(1);
            tokio::spawn(stream(sender, request, shared));
            Response::new(Either::Right(content))
        }
        "/no-content" => with_status(StatusCode::NO_CONTENT, ""),
        "/not-modified" => {
            let mut reply = with_status(StatusCode::NOT_MODIFIED, "");
            reply.headers_mut().insert(ETAG, tag());
            reply
        }
        "/short" => {
            request.body_mut().collect().await?;
            let declared = number(&request, "declared", 10);
            sized(declared, number(&request, "sent", 5).min(declared))
        }
        "/big" => {
            request.body_mut().collect().await?;
            let size = number(&request, "size", 1 << 20);
            sized(size, size)
        }
        "/close" => {
            let mut reply = reply("closing");
            let close = hyper::header::HeaderValue::from_static("close");
            reply.headers_mut().insert(CONNECTION, close);
            reply
        }
        "/keep-alives/off" | "/keep-alives/on" => {
            request.body_mut().collect().await?;
            let enabled = path.ends_with("on");
            shared.switch(enabled);
            // Lets the connection's task see the switch before this handler goes on.
            tokio::task::yield_now().await;
            reply(if enabled { "on" } else { "off" })
        }
        path => match path.strip_prefix("/count/") {
            Some(key) => {
                request.body_mut().collect().await?;
                let raised = request.method() == Method::POST;
                let value = if raised {
                    shared.count(key)
                } else {
                    shared.counted(key)
                };
                reply(value.to_string())
            }
            None => with_status(StatusCode::NOT_FOUND, "no such handler"),
        },
    })
}

fn tag() -> hyper::header::HeaderValue {
    hyper::header::HeaderValue::from_static("\"reusespec\"")
}

/// A reply that announces a length and streams its bytes.
fn sized(declared: u64, sent: u64) -> Reply {
    let (mut sender, content) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        let mut left = sent;
        while left > 0 {
            let piece = vec![b'x'; usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES)];
            left -= piece.len() as u64;
            if sender.send_data(piece.into()).await.is_err() {
                return;
            }
        }
    });
    let mut reply = Response::new(Either::Right(content));
    reply.headers_mut().insert(CONTENT_LENGTH, declared.into());
    reply
}

async fn stream(mut sender: Sender<Bytes>, request: Request<Incoming>, shared: Arc<Shared>) {
    let chunks = number(&request, "chunks", 3);
    let size = usize::try_from(number(&request, "size", 5)).unwrap_or(5);
    for chunk in 1..=chunks {
        if chunk == chunks {
            wait(&request, &shared, 0).await;
        }
        // The client is gone.
        if sender.send_data(vec![b'x'; size].into()).await.is_err() {
            return;
        }
    }
}

/// Waits `ms` milliseconds; with `until`, waits for that counter, but at most `ms`.
async fn wait(request: &Request<Incoming>, shared: &Shared, otherwise: u64) {
    let Some(key) = query(request, "until") else {
        return sleep(Duration::from_millis(number(request, "ms", otherwise))).await;
    };
    let deadline = Instant::now() + Duration::from_millis(number(request, "ms", 60_000));
    let counted = async {
        while shared.counted(key) == 0 {
            sleep(POLL).await;
        }
    };
    // The handler answers after a timeout too.
    let _ = timeout_at(deadline, counted).await;
}
