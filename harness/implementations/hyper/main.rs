//! The hyper adapter: executes requests, which arrive as JSON lines, with hyper's HTTP/1 server.
//!
//! This file reads the lines, which `../ADAPTERS.md` describes. `server` owns the connections; `handlers` implements
//! `../HANDLERS.md`. The server has a thread of its own, so that lines are answered while handlers run.

mod handlers;
mod server;

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

use server::Server;

/// hyper exports no version of its own; this manifest pins it.
const MANIFEST: &str = include_str!("Cargo.toml");

fn version() -> &'static str {
    let pinned = MANIFEST.split_once("version = \"=");
    pinned
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}

fn unsupported(what: &str) -> Value {
    json!({ "unsupported": what })
}

fn failed(error: &dyn std::error::Error) -> Value {
    json!({ "failed": error.to_string() })
}

fn serve(server: &mut Option<Server>, keys: &Value) -> Value {
    if !keys["idle_ms"].is_null() {
        return unsupported("hyper has no timeout for idle connections");
    }
    if !keys["requests_max"].is_null() {
        return unsupported("hyper has no limit on the requests of one connection");
    }
    match Server::start(keys["at"].as_str().unwrap_or_default()) {
        Ok(started) => {
            *server = Some(started);
            json!("ok")
        }
        Err(error) => failed(&error),
    }
}

fn answer(server: &mut Option<Server>, line: &str) -> Value {
    let asked: Value = match serde_json::from_str(line) {
        Ok(asked) => asked,
        Err(error) => return failed(&error),
    };
    let named = asked.as_object().and_then(|object| object.iter().next());
    let (name, keys) = match (&asked, named) {
        (Value::String(name), _) => (name.as_str(), &Value::Null),
        (_, Some((name, keys))) => (name.as_str(), keys),
        _ => return unsupported("an empty request"),
    };
    match (name, server.as_ref()) {
        ("hello", _) => json!({ "hello": { "protocol": 2, "name": "hyper", "version": version() } }),
        ("serve-http", _) => serve(server, keys),
        ("keep-alives", Some(server)) => {
            server.shared.switch(keys["enabled"] == true);
            json!("ok")
        }
        ("shutdown", Some(server)) => {
            server.shared.shut_down();
            json!("ok")
        }
        ("count", Some(server)) => {
            json!({ "count": server.shared.counted(keys["key"].as_str().unwrap_or_default()) })
        }
        (name, _) => unsupported(name),
    }
}

fn main() -> io::Result<()> {
    let mut server = None;
    let mut out = io::stdout();
    for line in io::stdin().lock().lines() {
        writeln!(out, "{}", answer(&mut server, &line?))?;
        out.flush()?;
    }
    Ok(())
}
