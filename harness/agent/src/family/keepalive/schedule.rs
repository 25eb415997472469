//! Steps that set keepalive through the implementation under test.

use reusespec_core::Observed;
use reusespec_core::protocol::Implementation;
use reusespec_core::step::keepalive::{Period, Schedule};
use reusespec_reference::keepalive::{Keepalive, KeepaliveConfig, KeepaliveFault};

use super::{Answer, Connections, Stop};

impl Connections<'_, '_> {
    pub(super) fn implementation(&self) -> Result<Keepalive, Stop> {
        match &self.run.start.implementation {
            Implementation::Kernel => Err(Stop::Unsupported(
                "the kernel has no interface of its own to test".to_owned(),
            )),
            Implementation::External(_) | Implementation::Target(_) => Err(Stop::Unsupported(
                "adapters have no keepalive calls yet".to_owned(),
            )),
            Implementation::Reference { fault } => {
                // Faults of other families have no effect on keepalive.
                let fault = fault.as_deref().and_then(KeepaliveFault::named);
                Ok(Keepalive { fault })
            }
        }
    }

    pub(super) fn set_schedule(&mut self, step: &Schedule) -> Answer {
        let config = KeepaliveConfig {
            idle: step.idle.map(|time| time.0),
            interval: step.interval.map(|time| time.0),
            count: step.count,
        };
        self.implementation()?
            .set_keepalive_config(self.socket(&step.socket)?, config)?;
        self.note_switch();
        Ok(Observed::ok())
    }

    pub(super) fn set_period(&mut self, step: &Period) -> Answer {
        self.implementation()?
            .set_keepalive(self.socket(&step.socket)?, step.period.0)?;
        self.note_switch();
        Ok(Observed::ok())
    }

    pub(super) fn switch_off(&mut self, name: &str) -> Answer {
        self.implementation()?.clear_keepalive(self.socket(name)?)?;
        Ok(Observed::ok())
    }
}
