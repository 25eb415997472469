//! Tests of the arithmetic of every system, and of the socket options on the running kernel.
//!
//! These tests only read options back; the scenarios test the times of the probes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{Keepalive, KeepaliveConfig, KeepaliveError, KeepaliveFault, Kernel, Limits, Unit};

const SECOND: Duration = Duration::from_secs(1);
const OLD_DRAGONFLY: Kernel = Kernel::DragonFly {
    release: 500_701,
    hz: 100,
};
const DRAGONFLY: Kernel = Kernel::DragonFly {
    release: 500_702,
    hz: 100,
};

fn plain() -> Keepalive {
    Keepalive::default()
}

fn with(fault: KeepaliveFault) -> Keepalive {
    Keepalive { fault: Some(fault) }
}

fn idle(kernel: Kernel, period: Duration) -> Option<i32> {
    kernel.limits().period("idle", period).ok()
}

fn socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
}

fn schedule(idle_ms: u64) -> KeepaliveConfig {
    KeepaliveConfig {
        idle: Some(Duration::from_millis(idle_ms)),
        interval: Some(2 * SECOND),
        count: Some(3),
    }
}

fn options(socket: &Socket) -> (bool, u64, u64, u32) {
    (
        socket.keepalive().unwrap(),
        socket.tcp_keepalive_time().unwrap().as_secs(),
        socket.tcp_keepalive_interval().unwrap().as_secs(),
        socket.tcp_keepalive_retries().unwrap(),
    )
}

#[test]
fn dragonfly_changed_from_milliseconds_to_seconds_at_500702() {
    assert_eq!(
        (idle(OLD_DRAGONFLY, 15 * SECOND), idle(DRAGONFLY, 15 * SECOND)),
        (Some(15_000), Some(15))
    );
    assert_eq!(OLD_DRAGONFLY.limits().unit, Unit::Milliseconds);
}

#[test]
fn periods_are_rounded_up() {
    for kernel in [Kernel::Linux, Kernel::FreeBsd, DRAGONFLY] {
        for (millis, secs) in [(1, 1), (999, 1), (1000, 1), (1001, 2), (32_767_000, 32_767)] {
            assert_eq!(
                idle(kernel, Duration::from_millis(millis)),
                Some(secs),
                "{kernel:?} {millis}"
            );
        }
        assert_eq!(idle(kernel, SECOND + Duration::from_nanos(1)), Some(2));
    }
    assert_eq!(idle(OLD_DRAGONFLY, Duration::from_micros(10_001)), Some(11));
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    let refused = |kernel: Kernel, period| kernel.limits().period("idle", period).unwrap_err().to_string();
    assert_eq!(
        refused(Kernel::Linux, Duration::ZERO),
        "idle of 0ns is outside 1s to 32767s"
    );
    assert_eq!(
        refused(DRAGONFLY, 32_768 * SECOND),
        "idle of 32768s is outside 1s to 32767s"
    );
    assert_eq!(
        refused(Kernel::FreeBsd, Duration::MAX)
            .split_once("outside ")
            .unwrap()
            .1,
        "1s to 32767s"
    );
    assert_eq!(
        refused(OLD_DRAGONFLY, Duration::from_millis(9)),
        "idle of 9ms is outside 10ms to 21474.836s"
    );
    let count = |asked| {
        Kernel::Linux
            .limits()
            .count(asked)
            .map_err(|error| error.to_string())
    };
    assert_eq!((count(1), count(127)), (Ok(1), Ok(127)));
    assert_eq!(count(128), Err("count of 128 is outside 1 to 127".to_owned()));
    assert_eq!(count(0), Err("count of 0 is outside 1 to 127".to_owned()));
}

#[test]
fn the_longest_schedule_does_not_overflow_freebsds_ticks() {
    let Limits {
        period, most_count, ..
    } = Kernel::FreeBsd.limits();
    let fastest_clock = 1000;
    assert!(u64::from(*period.end()) * u64::from(most_count) * fastest_clock < 1 << 32);
}

#[test]
fn a_schedule_is_set_completely_and_switched_on() {
    let socket = socket();
    plain().set_keepalive_config(&socket, schedule(1500)).unwrap();
    assert_eq!(options(&socket), (true, 2, 2, 3));
    plain().clear_keepalive(&socket).unwrap();
    assert_eq!(options(&socket), (false, 2, 2, 3));
}

#[test]
fn a_period_changes_idle_and_nothing_else() {
    let (socket, untouched) = (socket(), options(&socket()));
    plain()
        .set_keepalive(&socket, Duration::from_millis(999))
        .unwrap();
    assert_eq!(options(&socket), (true, 1, untouched.2, untouched.3));
}

#[test]
fn an_error_changes_nothing() {
    let (socket, untouched) = (socket(), options(&socket()));
    let config = KeepaliveConfig {
        count: Some(0),
        ..schedule(1000)
    };
    let refused = plain().set_keepalive_config(&socket, config).unwrap_err();
    assert!(matches!(refused, KeepaliveError::Count { asked: 0, .. }));
    plain().set_keepalive(&socket, Duration::ZERO).unwrap_err();
    assert_eq!(options(&socket), untouched);
}

#[test]
fn accepted_connections_inherit_the_schedule() {
    let listener = socket();
    listener
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    listener.listen(2).unwrap();
    plain().set_keepalive_config(&listener, schedule(5000)).unwrap();
    for (keepalive, expected) in [(plain(), true), (with(KeepaliveFault::NotInherited), false)] {
        let client = socket();
        client.connect(&listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = keepalive.accept(&listener).unwrap();
        assert_eq!(options(&accepted), (expected, 5, 2, 3));
    }
}

#[test]
fn faults_show_in_the_socket_options() {
    let (fresh, period) = (options(&socket()), 3 * SECOND);
    let after = |set: &dyn Fn(&Socket)| {
        let socket = socket();
        set(&socket);
        options(&socket)
    };
    let config =
        |fault| after(&move |socket| with(fault).set_keepalive_config(socket, schedule(1900)).unwrap());
    assert_eq!(config(KeepaliveFault::InMilliseconds), (true, 1900, 2000, 3));
    assert_eq!(config(KeepaliveFault::Truncates), (true, 1, 2, 3));
    assert_eq!(config(KeepaliveFault::SetsIdleOnly), (true, 2, fresh.2, fresh.3));
    let both = after(&|socket| {
        with(KeepaliveFault::SetsIntervalToo)
            .set_keepalive(socket, period)
            .unwrap();
    });
    assert_eq!(both, (true, 3, 3, fresh.3));
    let failed = after(&|socket| {
        with(KeepaliveFault::OnBeforeError)
            .set_keepalive(socket, Duration::ZERO)
            .unwrap_err();
    });
    assert!(failed.0);
    let still_on = after(&|socket| {
        plain().set_keepalive(socket, period).unwrap();
        with(KeepaliveFault::OffIgnored).clear_keepalive(socket).unwrap();
    });
    assert!(still_on.0);
}
