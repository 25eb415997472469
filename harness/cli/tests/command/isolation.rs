//! Namespaces, and what becomes of a run where they are refused.

use std::net::UdpSocket;
use std::process::Command;

use crate::fixture::{Answer, Fixture, SHARING};

/// Runs the command where no further user namespace may be made: inside one whose limit is set to 0.
fn without_namespaces(fixture: &Fixture, arguments: &str) -> Answer {
    let program = env!("CARGO_BIN_EXE_reusespec");
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {program} {arguments}");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]);
    command
        .env("REUSESPEC_SCENARIOS", fixture.path())
        .env("NO_COLOR", "1");
    Answer::of(command.output().unwrap())
}

#[test]
fn refused_namespaces_are_named_and_leased_ports_take_their_place() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let answer = without_namespaces(&fixture, "platforms host");
    assert!(
        answer.stdout.contains("user.max_user_namespaces is 0"),
        "{answer:?}"
    );
    let answer = without_namespaces(&fixture, "run --format json");
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(answer.summary()["pass"], 2);
}

#[test]
fn what_would_leak_into_a_shared_network_is_unsupported() {
    let text = SHARING.replace(
        "steps = [\n",
        "steps = [\n  { sysctl = { name = \"net.ipv4.ip_autobind_reuse\", value = \"1\" } },\n",
    );
    let fixture = Fixture::with(&[("sharing", &text)]);
    let answer = without_namespaces(&fixture, "run --format json");
    assert_eq!(answer.summary()["unsupported"], 2, "{answer:?}");
    assert!(
        answer.stdout.contains("needs a network namespace of its own"),
        "{}",
        answer.stdout
    );
}

#[test]
fn a_socket_of_the_machine_changes_no_verdict() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    // The ports cases use inside their namespaces, taken on the machine.
    let _taken: Vec<_> = [4001, 4002]
        .map(|port| UdpSocket::bind(("0.0.0.0", port)))
        .into_iter()
        .collect();
    let answer = fixture.run(&["run", "--format", "json"]);
    assert_eq!(answer.summary()["pass"], 2, "{answer:?}");
}
