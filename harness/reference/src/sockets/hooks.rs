//! Where the faults act on the opening of sockets, so that the parent module contains only the rules.
//!
//! A hook takes the decision of the rules, whether to set an option, and returns the decision to act on.

use super::{BalancedOption, SocketFault, Sockets};

impl Sockets {
    fn has(self, fault: SocketFault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn reuse_addr_on_listener(self, decided: bool) -> bool {
        (decided && !self.has(SocketFault::NoReuseAddr)) || self.has(SocketFault::ReuseAddrOnPortZero)
    }

    pub(super) fn reuse_addr_on_udp(self, decided: bool) -> bool {
        decided || self.has(SocketFault::ReuseAddrOnUdp)
    }

    pub(super) fn reuse_addr_on_multicast(self, decided: bool) -> bool {
        decided && !self.has(SocketFault::MulticastWithoutReuseAddr)
    }

    pub(super) fn reuse_port(self, decided: bool) -> bool {
        decided || self.has(SocketFault::ReusePortOnEveryListener)
    }

    pub(super) fn reuse_port_on_multicast(self, decided: bool) -> bool {
        self.reuse_port(decided && !self.has(SocketFault::MulticastWithoutReusePort))
    }

    pub(super) fn balanced_option(self, decided: BalancedOption) -> Option<BalancedOption> {
        if self.has(SocketFault::BalancedOptionIgnored) {
            None
        } else if self.has(SocketFault::BalancedWithPlainReusePort) {
            Some(BalancedOption::ReusePort)
        } else {
            Some(decided)
        }
    }
}
