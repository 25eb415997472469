//! Steps on ports that the kernel chooses: `fill-ephemeral` and `bind-many`.

use std::collections::HashSet;

use reusespec_core::Observed;
use reusespec_core::step::socket::{BindMany, EPHEMERAL_RANGE, FillEphemeral, Options};

use super::{Answer, Sockets, Stop, open};

/// First port of the narrowed range.
const FIRST: u16 = 41_000;

impl Sockets<'_, '_> {
    pub(super) fn fill_ephemeral(&mut self, step: &FillEphemeral) -> Answer {
        self.run.sandbox.must_be_own("a narrowed ephemeral range")?;
        self.narrow(step.ports)?;
        let mut bound = 0;
        while bound < step.ports {
            let socket = open::raw(step.kind, Options::default())?;
            match socket.bind(&self.address(&step.at)) {
                Ok(()) => self.kept.push(socket),
                Err(error) => {
                    let error = crate::errno::name(&error);
                    return Err(Stop::Broken(format!(
                        "only {bound} of {} ports could be bound: {error}",
                        step.ports
                    )));
                }
            }
            bound += 1;
        }
        Ok(Observed::ok())
    }

    /// Sets the range from which the kernel chooses ports.
    fn narrow(&self, ports: u16) -> Result<(), Stop> {
        let last = FIRST + ports - 1;
        let [bsd_first, bsd_last, linux] = EPHEMERAL_RANGE;
        let sandbox = &self.run.sandbox;
        if cfg!(target_os = "linux") {
            sandbox.set_control(linux, &format!("{FIRST} {last}"))
        } else {
            sandbox.set_control(bsd_first, &FIRST.to_string())?;
            sandbox.set_control(bsd_last, &last.to_string())
        }
    }

    /// Keeps all sockets open, so that each port that the kernel has chosen belongs to a live socket.
    pub(super) fn bind_many(&mut self, step: &BindMany) -> Answer {
        let mut taken = HashSet::new();
        let mut twice = false;
        for _ in 0..step.count {
            let socket = open::raw(step.kind, step.options)?;
            socket.bind(&self.address(&step.at))?;
            let address = socket.local_addr()?.as_socket();
            let port = address.map(|address| address.port());
            twice |= !taken.insert(port);
            self.kept.push(socket);
        }
        let word = if twice {
            "a live port handed out again"
        } else {
            "every port once"
        };
        Ok(Observed::Word(word.to_owned()))
    }
}
