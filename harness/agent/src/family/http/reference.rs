//! The reference's HTTP server, in a thread of the case's process.
//!
//! A thread ends with the case, whatever ends the case. A process would have to be started and ended.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use reusespec_core::step::http::{Control, Serve};
use reusespec_reference::http::{HttpFault, Server, Settings};

pub(super) struct Reference {
    server: Server,
}

impl Reference {
    pub(super) fn start(address: SocketAddr, serve: Option<&Serve>, fault: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = {
            let _inside = runtime.enter();
            // Faults of other families have no effect on HTTP.
            Server::start(listener, settings(serve), fault.and_then(HttpFault::named))?
        };
        thread::Builder::new()
            .name("reference-http".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        Ok(Self { server })
    }

    pub(super) fn control(&self, control: Control) {
        match control {
            Control::DisableKeepAlives => self.server.set_keep_alives_enabled(false),
            Control::EnableKeepAlives => self.server.set_keep_alives_enabled(true),
            Control::Shutdown => self.server.begin_shutdown(),
        }
    }

    pub(super) fn counted(&self, key: &str) -> u64 {
        self.server.counted(key)
    }
}

fn settings(serve: Option<&Serve>) -> Settings {
    let mut settings = Settings::default();
    if let Some(serve) = serve {
        let milliseconds = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
        settings.idle_timeout = milliseconds(serve.idle_ms, settings.idle_timeout);
        settings.unused_grace = milliseconds(serve.grace_ms, settings.unused_grace);
        settings.requests_max = serve.requests_max.or(settings.requests_max);
    }
    settings
}
