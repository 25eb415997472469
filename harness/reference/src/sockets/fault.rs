//! Known historical bugs in opening sockets, each of which can be switched on.
//!
//! The rules they break are in the parent module. A fault does what the historical code did on every system, also on
//! systems whose kernel hides the effect; the scenarios find out where it shows.

use crate::fault::faults;

faults! {
    /// A historical bug in opening sockets.
    SocketFault {
        /// `SO_REUSEPORT` on every listening and receiving socket.
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
        /// No `SO_REUSEADDR` on multicast sockets.
        MulticastWithoutReuseAddr = "multicast-without-reuse-addr", "masmu/pulseaudio-dlna#111",
            "on Linux the second receiver of a group is refused its port";
        /// Balanced listeners without the option that lets them share.
        BalancedOptionIgnored = "balanced-option-ignored", "oven-sh/bun#43690",
            "the second balanced listener is refused the port";
        /// `SO_REUSEPORT` instead of FreeBSD's `SO_REUSEPORT_LB` on balanced listeners.
        BalancedWithPlainReusePort = "balanced-with-plain-reuse-port", "php/php-src#20250",
            "on FreeBSD the newest listener gets every connection";
    }
}
