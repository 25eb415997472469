//! Known historical bugs in setting keepalive, each of which can be switched on.
//!
//! The rules they break are in the parent module. Most bugs do not show in return codes, and some not even in
//! `getsockopt`: only the times of the probes show them.

use crate::fault::faults;

faults! {
    /// A historical bug in setting keepalive.
    KeepaliveFault {
        /// Milliseconds to a kernel that takes seconds.
        InMilliseconds = "keepalive-in-milliseconds", "golang/go#65809",
            "the first probe comes a thousand times too late";
        /// Periods rounded down, without a check.
        Truncates = "keepalive-truncates", "nodejs/node#57712",
            "999 ms become 0, and 1.5 s become 1 s";
        /// A schedule of which only idle is set.
        SetsIdleOnly = "keepalive-sets-idle-only", "golang/go#73386",
            "probes are spaced and counted by the system's defaults";
        /// The interval set together with idle, though not requested.
        SetsIntervalToo = "keepalive-sets-interval-too", "golang/go#48622",
            "with a long idle time a dead peer is detected many idle times later";
        /// `SO_KEEPALIVE` switched on before the rest is checked.
        OnBeforeError = "keepalive-on-before-error", "libuv/libuv#4356",
            "a call that fails leaves keepalive switched on";
        /// Accepted connections without the listener's keepalive.
        NotInherited = "keepalive-not-inherited", "gearman/gearmand#454",
            "accepted connections are not probed although the listener asked for it";
        /// Switching off does nothing.
        OffIgnored = "keepalive-off-ignored", "pingcap/tidb#22745",
            "a connection is probed after keepalive was switched off";
        /// Idle counted from when it is set, not from the last segment received.
        IdleFromConnect = "keepalive-idle-from-connect", "cesanta/mongoose#1960",
            "a connection is probed although the peer has just sent a segment";
    }
}
