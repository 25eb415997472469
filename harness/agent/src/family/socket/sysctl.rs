//! The step `sysctl`: sets a system control of the case's own network namespace or guest.

use std::io;

use reusespec_core::Observed;
use reusespec_core::step::socket::Sysctl;

use super::{Answer, Sockets, Stop};
use crate::sandbox::sysctl::set;

impl Sockets<'_, '_> {
    pub(super) fn sysctl(&mut self, step: &Sysctl) -> Answer {
        self.run.sandbox.must_be_own("a system control")?;
        match set(&step.name, &step.value) {
            Ok(()) => Ok(Observed::ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Stop::Unsupported(format!("this kernel has no {}", step.name)))
            }
            Err(error) => Err(error.into()),
        }
    }
}
