//! Replays the consoles in `recordings`. They were written from documented output, not recorded on a machine.

use serde_json::Value;

use super::*;

/// Replays a recording, calls the driver every 50 ms in between as its thread does, and returns its actions with times.
fn replay(recording: &str) -> String {
    let mut driver = Driver::new("tar -xOf /dev/vtbd1 agent >/tmp/a; /tmp/a");
    let (mut now, mut log) = (0u64, String::new());
    let mut act = |driver: &mut Driver, now: u64, received: &[u8]| match driver
        .step(Duration::from_millis(now), received)
    {
        Step::Wait => {}
        Step::Type(text) => log += &format!("{now} types {text:?}\n"),
        Step::Failed(what) => log += &format!("{now} fails: {what}\n"),
    };
    for line in recording.lines().filter(|line| !line.starts_with('#')) {
        let (at, text) = line.split_once(' ').unwrap();
        let at: u64 = at.parse().unwrap();
        while now + 50 < at {
            now += 50;
            act(&mut driver, now, b"");
        }
        now = at;
        let text: Value = serde_json::from_str(text).unwrap();
        act(&mut driver, now, text.as_str().unwrap().as_bytes());
    }
    log
}

#[test]
fn it_logs_in_and_types_the_line_at_the_shell() {
    insta::assert_snapshot!(replay(include_str!("../recordings/boot-to-login.txt")), @r#"
    10600 types "root\n"
    12000 types "tar -xOf /dev/vtbd1 agent >/tmp/a; /tmp/a\n"
    "#);
}

#[test]
fn a_slow_disk_only_takes_longer() {
    insta::assert_snapshot!(replay(include_str!("../recordings/slow-disk.txt")), @r#"
    201700 types "root\n"
    240300 types "tar -xOf /dev/vtbd1 agent >/tmp/a; /tmp/a\n"
    "#);
}

#[test]
fn a_name_lost_by_the_terminals_reset_is_typed_again() {
    insta::assert_snapshot!(replay(include_str!("../recordings/login-reset.txt")), @r#"
    11400 types "root\n"
    21400 types "root\n"
    23200 types "tar -xOf /dev/vtbd1 agent >/tmp/a; /tmp/a\n"
    "#);
}

#[test]
fn a_panic_is_reported_at_once() {
    insta::assert_snapshot!(replay(include_str!("../recordings/panic.txt")), @r#"
    5100 fails: the kernel panicked
    "#);
}

#[test]
fn a_missing_root_is_reported_at_once() {
    insta::assert_snapshot!(replay(include_str!("../recordings/mountroot.txt")), @r#"
    7350 fails: the kernel found no root file system
    "#);
}

#[test]
fn a_message_that_ends_like_a_prompt_is_ignored() {
    let recording = "0 \"syslogd: last login: \"\n300 \"root on ttyu0\\r\\n\"\n5000 \"\"";
    assert_eq!(replay(recording), "");
}

#[test]
fn a_prompt_in_two_parts_is_recognised() {
    let log = replay("0 \"\\r\\nlog\"\n900 \"in: \"\n3000 \"\"");
    assert_eq!(log, "1700 types \"root\\n\"\n");
}

#[test]
fn a_system_that_never_answers_fails() {
    let log = replay("0 \"\\r\\nlogin: \"\n90000 \"\"");
    assert_eq!(log.matches("types").count(), 5, "{log}");
    assert!(
        log.ends_with("fails: the console did not echo root's name, typed 5 times\n"),
        "{log}"
    );
}

#[test]
fn the_typed_line_contains_no_failure_text() {
    for (sign, _) in FAILURES {
        assert!(!crate::root_image::LOGIN_LINE.contains(sign), "{sign}");
    }
}

#[test]
fn only_a_rejected_line_is_a_failure_not_its_echo() {
    let start = "0 \"\\r\\nlogin: \"\n2000 \"root\\r\\nroot@freebsd:~ # \"\n";
    let echo = "4000 \"tar -xOf /dev/vtbd1 agent >/tmp/a; /tmp/a\\r\\n\"\n5000 \"\"";
    assert!(!replay(&format!("{start}{echo}")).contains("fails"));
    let refused = "4500 \"tar: Error opening archive: Can't open '/dev/vtbd1'\\r\\n\"";
    let log = replay(&format!("{start}{echo}\n{}", refused.replace("4500", "6000")));
    assert!(log.ends_with("fails: the agent could not be unpacked\n"), "{log}");
}
