//! The handlers that every HTTP implementation under test offers, as `harness/implementations/HANDLERS.md` specifies
//! them.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::exchange::Exchange;
use super::refusal::ReadError;
use super::reply::ALLOW;

/// Limit of a handler's wait, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;

/// Answers one request with the handler that its path names.
pub(super) async fn handle(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    let head = exchange.head;
    let query = exchange.query();
    match head.method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => {}
        "TRACE" => return exchange.start(405, Some(0), ALLOW),
        _ => return exchange.reply(501, b"").await,
    }
    if let Some(key) = query.get("count") {
        exchange.shared.count(key);
    }
    match head.path.as_str() {
        "/" => exchange.reply(200, b"ok").await,
        "*" => exchange.start(204, None, ALLOW),
        "/echo" => echo(exchange).await,
        "/ignore-body" => exchange.reply(200, b"ignored").await,
        "/early" => early(exchange).await,
        "/slow" => slow(exchange).await,
        "/stream" => stream(exchange).await,
        "/no-content" => exchange.reply(204, b"").await,
        "/not-modified" => exchange.start(304, None, "ETag: \"reusespec\"\r\n"),
        "/short" => short(exchange).await,
        "/big" => big(exchange).await,
        "/close" => {
            exchange.ask_close();
            exchange.reply(200, b"closing").await
        }
        "/keep-alives/off" => switch(exchange, false).await,
        "/keep-alives/on" => switch(exchange, true).await,
        path => match path.strip_prefix("/count/") {
            Some(key) => count(exchange, key).await,
            None => exchange.reply(404, b"no such handler").await,
        },
    }
}

async fn echo(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    let content = exchange.collect().await?;
    let text = exchange.query().get("text").unwrap_or("");
    exchange
        .reply(
            200,
            if content.is_empty() {
                text.as_bytes()
            } else {
                &content
            },
        )
        .await
}

async fn early(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    exchange.reply(200, b"early").await?;
    exchange.flush().await?;
    exchange.discard().await
}

async fn slow(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    exchange.discard().await?;
    wait(exchange, 100).await;
    exchange.reply(200, b"slow").await
}

async fn stream(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    exchange.discard().await?;
    let query = exchange.query();
    let chunks = query.number("chunks", 3, 10_000);
    let chunk = vec![b'x'; query.number("size", 5, 1 << 20) as usize];
    exchange.start(200, None, "")?;
    for number in 1..=chunks {
        if number == chunks {
            wait(exchange, 0).await;
        }
        exchange.write(&chunk).await?;
        exchange.flush().await?;
    }
    Ok(())
}

async fn short(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    exchange.discard().await?;
    let query = exchange.query();
    let declared = query.number("declared", 10, 1 << 20);
    let sent = query.number("sent", 5, declared);
    exchange.start(200, Some(declared), "")?;
    exchange.write(&vec![b'x'; sent as usize]).await
}

async fn big(exchange: &mut Exchange<'_>) -> Result<(), ReadError> {
    exchange.discard().await?;
    let block = [b'x'; 32 << 10];
    let mut left = exchange.query().number("size", 1 << 20, 1 << 32);
    exchange.start(200, Some(left), "")?;
    while left > 0 {
        let now = left.min(block.len() as u64);
        exchange.write(&block[..now as usize]).await?;
        left -= now;
    }
    Ok(())
}

async fn count(exchange: &mut Exchange<'_>, key: &str) -> Result<(), ReadError> {
    exchange.discard().await?;
    let value = match exchange.head.method.as_str() {
        "POST" => exchange.shared.count(key),
        _ => exchange.shared.counted(key),
    };
    exchange.reply(200, value.to_string().as_bytes()).await
}

async fn switch(exchange: &mut Exchange<'_>, enabled: bool) -> Result<(), ReadError> {
    exchange.discard().await?;
    exchange.shared.set_keep_alives_enabled(enabled);
    exchange.reply(200, if enabled { b"on" } else { b"off" }).await
}

/// Waits `ms` milliseconds; with `until`, waits for that counter, but at most `ms`.
async fn wait(exchange: &Exchange<'_>, default_ms: u64) {
    let query = exchange.query();
    match query.get("until") {
        Some(key) => {
            let limit = Duration::from_millis(query.number("ms", WAIT_MS_MAX, WAIT_MS_MAX));
            // The handler answers after a timeout too.
            let _ = timeout(limit, exchange.shared.until_counted(key)).await;
        }
        None => sleep(Duration::from_millis(query.number("ms", default_ms, WAIT_MS_MAX))).await,
    }
}
