//! Mistakes that shipped in the opening of sockets, each of which can be switched on again.
//!
//! The rules they break are in the parent module. A fault does what the historical code did on every system,
//! also where that system's kernel hides it: whether it shows is for a scenario to find out.

use crate::fault::faults;

faults! {
    /// A historical mistake in opening sockets.
    SocketFault {
        /// `SO_REUSEPORT` on every socket that waits for others.
        ReusePortOnEveryListener = "reuse-port-on-every-listener", "golang/go#2830",
            "a second process of the same user listens on a live port and takes its connections";
        /// No `SO_REUSEADDR` on TCP listeners.
        NoReuseAddr = "no-reuse-addr", "bytecodealliance/wasmtime#8738",
            "a restarted server is refused its port while old connections are in TIME_WAIT";
        /// `SO_REUSEADDR` on plain UDP sockets.
        ReuseAddrOnUdp = "reuse-addr-on-udp", "python/cpython#81409",
            "on Linux another user binds the same address and receives the datagrams";
        /// `SO_REUSEADDR` on TCP listeners whose port the kernel chooses.
        ReuseAddrOnPortZero = "reuse-addr-on-port-zero", "libuv/libuv#5256",
            "the kernel may choose a port that another such socket already holds";
        /// No `SO_REUSEPORT` on multicast sockets of the BSDs.
        MulticastWithoutReusePort = "multicast-without-reuse-port", "golang/go#2830",
            "on the BSDs the second receiver of a group is refused its port";
        /// `SO_REUSEPORT` instead of FreeBSD's `SO_REUSEPORT_LB` on balanced listeners.
        BalancedWithPlainReusePort = "balanced-with-plain-reuse-port", "php/php-src#20250",
            "on FreeBSD the newest listener gets every connection";
    }
}
