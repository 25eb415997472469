//! Reads requests, calls the API and writes answers, one after the other.
//!
//! A socket whose name is given to another one stays open, as `../ADAPTERS.md` wants it, and so is kept.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::{Answer, Outcome, unsupported};
use crate::api::{Api, Opened, Schedule, Socket};

/// The most that one `receive` returns.
const BYTES_MAX: usize = 1 << 16;

/// The libraries export no version of their own; this manifest pins them.
const MANIFEST: &str = include_str!("Cargo.toml");

/// The version of std is the compiler's, that of a library is in the manifest.
fn version(name: &str) -> &'static str {
    if name == "std" {
        return env!("STD_VERSION");
    }
    let start = format!("{name} = ");
    let mut lines = MANIFEST.lines().filter(|line| line.starts_with(&start));
    let pinned = lines.find_map(|line| line.split_once("\"=")?.1.split_once('"'));
    pinned.map_or("unknown", |(version, _)| version)
}

/// The keys of a request.
struct Keys<'k>(&'k Value);

impl<'k> Keys<'k> {
    fn text(&self, name: &str) -> Outcome<&'k str> {
        let text = self.0[name].as_str();
        text.ok_or_else(|| Answer::Failed(format!("the request has no text `{name}`")))
    }

    fn address(&self, name: &str) -> Outcome<SocketAddr> {
        Ok(self.text(name)?.parse()?)
    }

    fn milliseconds(&self, name: &str) -> Option<Duration> {
        self.0[name].as_u64().map(Duration::from_millis)
    }

    fn within(&self) -> Duration {
        self.milliseconds("within_ms").unwrap_or_default()
    }
}

struct Adapter<A: Api> {
    api: A,
    sockets: HashMap<String, Socket<A>>,
    replaced: Vec<Socket<A>>,
}

impl<A: Api> Adapter<A> {
    fn answer(&mut self, line: &str) -> Value {
        let asked: Value = match serde_json::from_str(line) {
            Ok(asked) => asked,
            Err(error) => return json!({ "failed": error.to_string() }),
        };
        let named = asked.as_object().and_then(|object| object.iter().next());
        let outcome = match (&asked, named) {
            (Value::String(name), _) => self.execute(name, &Keys(&Value::Null)),
            (_, Some((name, keys))) => self.execute(name, &Keys(keys)),
            _ => unsupported("an empty request"),
        };
        outcome.unwrap_or_else(|answer| answer.to_json())
    }

    fn execute(&mut self, request: &str, keys: &Keys<'_>) -> Outcome<Value> {
        match request {
            "hello" => {
                let hello = json!({ "protocol": 2, "name": A::NAME, "version": version(A::NAME) });
                Ok(json!({ "hello": hello }))
            }
            "listen-tcp" => {
                let balanced = keys.0["balanced"] == true;
                let listener = self.api.listen(keys.address("at")?, balanced)?;
                self.opened(keys.text("socket")?, listener, Socket::Listener)
            }
            "bind-udp" => {
                let socket = self.api.bind_udp(keys.address("at")?)?;
                self.opened(keys.text("socket")?, socket, Socket::Datagrams)
            }
            "join-multicast" => {
                let group: IpAddr = keys.text("group")?.parse()?;
                let socket = self.api.bind_udp(keys.address("at")?)?;
                self.api.join(&socket.0, group)?;
                self.opened(keys.text("socket")?, socket, Socket::Datagrams)
            }
            "dial" => {
                let connection = self.api.dial(keys.address("to")?)?;
                self.opened(keys.text("socket")?, connection, Socket::Connection)
            }
            "accept" => {
                let (api, socket) = self.used(keys)?;
                let Socket::Listener(listener) = socket else {
                    return unsupported(format!("only a listener of {} accepts", A::NAME));
                };
                let connection = api.accept(listener, keys.within())?;
                self.opened(keys.text("into")?, connection, Socket::Connection)
            }
            "keepalive" => {
                let schedule = Schedule {
                    idle: keys.milliseconds("idle_ms"),
                    interval: keys.milliseconds("interval_ms"),
                    count: keys.0["count"].as_u64().and_then(|count| count.try_into().ok()),
                };
                self.keepalive(keys, Some(schedule))
            }
            "keepalive-period" => {
                let schedule = Schedule {
                    idle: keys.milliseconds("period_ms"),
                    interval: None,
                    count: None,
                };
                self.keepalive(keys, Some(schedule))
            }
            "keepalive-off" => self.keepalive(keys, None),
            "send" => self.send(keys),
            "receive" => self.receive(keys),
            "close-socket" => {
                self.used(keys)?;
                self.sockets.remove(keys.text("socket")?);
                Ok(json!("ok"))
            }
            "options" => {
                let (api, socket) = self.used(keys)?;
                Ok(json!({ "options": api.options(socket)? }))
            }
            unknown => unsupported(unknown),
        }
    }

    /// Gives a new socket its name.
    fn opened<T>(
        &mut self,
        name: &str,
        (socket, local): Opened<T>,
        kind: fn(T) -> Socket<A>,
    ) -> Outcome<Value> {
        let former = self.sockets.insert(name.to_owned(), kind(socket));
        self.replaced.extend(former);
        Ok(json!({ "opened": { "local": local.to_string() } }))
    }

    /// The socket that a request names, and the API to use it with.
    fn used(&mut self, keys: &Keys<'_>) -> Outcome<(&mut A, &mut Socket<A>)> {
        let name = keys.text("socket")?;
        match self.sockets.get_mut(name) {
            Some(socket) => Ok((&mut self.api, socket)),
            None => Err(Answer::Failed(format!("no socket `{name}` is open"))),
        }
    }

    fn keepalive(&mut self, keys: &Keys<'_>, schedule: Option<Schedule>) -> Outcome<Value> {
        let (api, socket) = self.used(keys)?;
        api.keepalive(socket, schedule)?;
        Ok(json!("ok"))
    }

    fn send(&mut self, keys: &Keys<'_>) -> Outcome<Value> {
        let (api, socket) = self.used(keys)?;
        let bytes = keys.text("text")?.as_bytes();
        match socket {
            Socket::Connection(connection) => api.send(connection, bytes)?,
            Socket::Datagrams(socket) => {
                let to = keys.0["to"].as_str().map(str::parse).transpose()?;
                api.send_datagram(socket, bytes, to)?;
            }
            Socket::Listener(_) => return unsupported(format!("a listener of {} does not send", A::NAME)),
        }
        Ok(json!("ok"))
    }

    fn receive(&mut self, keys: &Keys<'_>) -> Outcome<Value> {
        let (api, socket) = self.used(keys)?;
        let mut bytes = vec![0; BYTES_MAX];
        let length = match socket {
            Socket::Connection(connection) => {
                let length = api.receive(connection, &mut bytes, keys.within())?;
                if length == 0 {
                    return Ok(json!("eof"));
                }
                length
            }
            Socket::Datagrams(socket) => api.receive_datagram(socket, &mut bytes, keys.within())?,
            Socket::Listener(_) => {
                return unsupported(format!("a listener of {} does not receive", A::NAME));
            }
        };
        Ok(json!({ "received": String::from_utf8_lossy(&bytes[..length]) }))
    }
}

/// Answers requests until the input ends.
pub(crate) fn serve<A: Api>(api: A) -> io::Result<()> {
    let (sockets, replaced) = (HashMap::new(), Vec::new());
    let mut adapter = Adapter {
        api,
        sockets,
        replaced,
    };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        writeln!(out, "{}", adapter.answer(&line?))?;
        out.flush()?;
    }
    Ok(())
}
