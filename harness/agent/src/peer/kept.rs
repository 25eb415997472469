//! Keeps DragonFly's tun devices open across cases. The agent loop owns them and lends one to each case process, which
//! inherits the descriptor.
//!
//! Closing such a device makes the kernel panic in three ways. The number of a closed device stays allocated in the
//! interface cloner, so the next `/dev/tun` trips an assertion (sys/net/tun/if_tun.c, `tunclose` calls `tundestroy`; only
//! `if_clone_destroy` of sys/net/if_clone.c frees the number). And an IPv6 connection or neighbour that outlives its
//! device follows a pointer to freed memory (sys/netinet6/in6_src.c, `in6_selecthlim`; sys/netinet6/nd6.c, `nd6_free`).
//!
//! A device is lent again only if its last case has reported: by then the case has reset its connections. The device of a
//! case that was killed stays open and unused, because its connections may still send.

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the agent loop keeps, and a case process inherits.
#[derive(Debug)]
struct Devices {
    open: Vec<Device>,
    /// The device that was lent last. In a process that is forked after that, it is the borrowed one.
    lent_last: Option<usize>,
}

#[derive(Debug)]
struct Device {
    unit: u8,
    file: File,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Lent,
    /// Its last case did not report.
    Unusable,
}

static DEVICES: Mutex<Devices> = Mutex::new(Devices {
    open: Vec::new(),
    lent_last: None,
});

fn devices() -> MutexGuard<'static, Devices> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device that a case process has. The agent loop holds it as long as the process exists.
#[derive(Debug)]
pub(crate) struct Loan {
    index: usize,
    reported: bool,
}

impl Loan {
    /// Lends a device to the process that is forked next. Opens one if none is free.
    ///
    /// # Errors
    /// When no device can be opened.
    pub(crate) fn to_next_process() -> io::Result<Self> {
        let mut devices = devices();
        let index = match devices.open.iter().position(|device| device.state == State::Free) {
            Some(index) => index,
            None => {
                let (unit, file) = super::tun_device::open_free_unit()?;
                devices.open.push(Device {
                    unit,
                    file,
                    state: State::Free,
                });
                devices.open.len() - 1
            }
        };
        devices.open[index].state = State::Lent;
        devices.lent_last = Some(index);
        Ok(Self {
            index,
            reported: false,
        })
    }

    /// The case has reported, so its device can be lent again.
    pub(crate) fn reported(&mut self) {
        self.reported = true;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        devices().open[self.index].state = match self.reported {
            true => State::Free,
            false => State::Unusable,
        };
    }
}

/// The borrowed device of this process, as its number and a descriptor of its own. `None` if none was lent to it.
///
/// # Errors
/// When no descriptor is left.
pub(super) fn borrowed() -> io::Result<Option<(u8, File)>> {
    let devices = devices();
    let device = devices.lent_last.map(|index| &devices.open[index]);
    device
        .map(|device| Ok((device.unit, device.file.try_clone()?)))
        .transpose()
}
