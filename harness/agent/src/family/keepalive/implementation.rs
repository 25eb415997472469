//! Steps that set keepalive through the implementation under test: the reference, or an adapter.
//!
//! The reference sets it on any socket of the agent, an adapter only on its own: `by = "implementation"` in `connect`,
//! `listen` and `accept` lets it make them.

use reusespec_core::Observed;
use reusespec_core::adapter::AdapterRequest;
use reusespec_core::protocol::Implementation;
use reusespec_core::step::keepalive::{Period, Schedule, Time};
use reusespec_reference::keepalive::{Keepalive, KeepaliveConfig, KeepaliveFault};

use super::{Answer, Connections, Owner, Stop};
use crate::program::AdapterSockets;

/// A step refers to a socket of an adapter that does not run.
pub(super) fn not_started() -> Stop {
    Stop::Broken("no step has started the adapter".to_owned())
}

impl Connections<'_, '_> {
    /// The adapter, or `None` if the implementation under test is not one. The first call in a case starts its process.
    pub(super) fn adapter(&mut self) -> Result<Option<&mut AdapterSockets>, Stop> {
        match &self.run.start.implementation {
            Implementation::Kernel | Implementation::Reference { .. } | Implementation::Target(_) => Ok(None),
            Implementation::External(external) => {
                let adapter = AdapterSockets::of_case(&mut self.adapter, external)?;
                Ok(Some(adapter))
            }
        }
    }

    pub(super) fn reference(&self) -> Result<Keepalive, Stop> {
        match &self.run.start.implementation {
            Implementation::Kernel => Err(Stop::Unsupported(
                "the kernel has no interface of its own to test".to_owned(),
            )),
            Implementation::External(_) => Err(Stop::Unsupported(
                "an adapter can set keepalive only on sockets that it has connected or accepted".to_owned(),
            )),
            Implementation::Target(_) => Err(Stop::Unsupported(
                "a target is a server, which sets no options on request".to_owned(),
            )),
            Implementation::Reference { fault } => {
                // Faults of other families have no effect on keepalive.
                let fault = fault.as_deref().and_then(KeepaliveFault::named);
                Ok(Keepalive { fault })
            }
        }
    }

    pub(super) fn set_schedule(&mut self, step: &Schedule) -> Answer {
        if let Owner::Adapter(_) = self.owner(&step.socket)? {
            self.request(&AdapterRequest::Keepalive {
                socket: step.socket.clone(),
                idle_ms: step.idle.map(milliseconds),
                interval_ms: step.interval.map(milliseconds),
                count: step.count,
            })?;
        } else {
            let config = KeepaliveConfig {
                idle: step.idle.map(|time| time.0),
                interval: step.interval.map(|time| time.0),
                count: step.count,
            };
            self.reference()?
                .set_keepalive_config(self.socket(&step.socket)?, config)?;
        }
        self.note_switch();
        Ok(Observed::ok())
    }

    pub(super) fn set_period(&mut self, step: &Period) -> Answer {
        if let Owner::Adapter(_) = self.owner(&step.socket)? {
            self.request(&AdapterRequest::KeepalivePeriod {
                socket: step.socket.clone(),
                period_ms: milliseconds(step.period),
            })?;
        } else {
            self.reference()?
                .set_keepalive(self.socket(&step.socket)?, step.period.0)?;
        }
        self.note_switch();
        Ok(Observed::ok())
    }

    pub(super) fn switch_off(&mut self, name: &str) -> Answer {
        if let Owner::Adapter(_) = self.owner(name)? {
            self.request(&AdapterRequest::KeepaliveOff {
                socket: name.to_owned(),
            })?;
        } else {
            self.reference()?.clear_keepalive(self.socket(name)?)?;
        }
        Ok(Observed::ok())
    }

    fn request(&mut self, request: &AdapterRequest) -> Result<(), Stop> {
        let adapter = self.adapter.as_mut().ok_or_else(not_started)?;
        Ok(adapter.set_keepalive(request)?)
    }
}

/// Scenarios write times in whole milliseconds.
fn milliseconds(time: Time) -> u64 {
    u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)
}
