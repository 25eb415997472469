//! Runs with namespaces, and runs on a machine that refuses them.

use std::net::UdpSocket;
use std::process::Command;

use crate::fixture::{Fixture, Output, SHARING};

/// Runs the command inside a user namespace whose limit of further user namespaces is 0.
fn without_namespaces(fixture: &Fixture, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_reusespec");
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {program} {arguments}");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]);
    command
        .env("REUSESPEC_SCENARIOS", fixture.path())
        .env("NO_COLOR", "1");
    Output::of(command.output().unwrap())
}

#[test]
fn without_namespaces_cases_run_on_leased_ports() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let output = without_namespaces(&fixture, "platforms host");
    assert!(
        output.stdout.contains("user.max_user_namespaces is 0"),
        "{output:?}"
    );
    let output = without_namespaces(&fixture, "run --format json");
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(output.summary()["pass"], 2);
}

#[test]
fn without_namespaces_cases_that_set_sysctls_are_unsupported() {
    let text = SHARING.replace(
        "steps = [\n",
        "steps = [\n  { sysctl = { name = \"net.ipv4.ip_autobind_reuse\", value = \"1\" } },\n",
    );
    let fixture = Fixture::with(&[("sharing", &text)]);
    let output = without_namespaces(&fixture, "run --format json");
    assert_eq!(output.summary()["unsupported"], 2, "{output:?}");
    assert!(
        output.stdout.contains("needs a network namespace of its own"),
        "{}",
        output.stdout
    );
}

#[test]
fn sockets_of_the_machine_change_no_verdict() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    // Holds, outside the namespaces, the ports that cases use inside theirs.
    let _taken: Vec<_> = [4001, 4002]
        .map(|port| UdpSocket::bind(("0.0.0.0", port)))
        .into_iter()
        .collect();
    let output = fixture.run(&["run", "--format", "json"]);
    assert_eq!(output.summary()["pass"], 2, "{output:?}");
}
