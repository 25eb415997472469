//! `adapter-check` accepts the adapter of Python and names the mistake of each adapter that is wrong in one thing.
//!
//! The wrong adapters are Python's with sed(1) before or behind it.

use std::fs;
use std::path::Path;
use std::process::Command;

use rstest::rstest;

use crate::fixture::{Output, left_out};

/// Runs `adapter-check` on a shell command in which `ADAPTER` stands for Python's adapter. `None` without Python.
fn check(command: &str) -> Option<Output> {
    let here = Command::new("python3").arg("--version").output();
    if here.is_err() {
        left_out("adapter-check", "python3 not found; install python3");
        return None;
    }
    let adapter = concat!(
        "python3 -B ",
        env!("CARGO_MANIFEST_DIR"),
        "/../implementations/python/adapter.py"
    );
    let mut reusespec = Command::new(env!("CARGO_BIN_EXE_reusespec"));
    reusespec.args(["adapter-check", "sh", "-c", &command.replace("ADAPTER", adapter)]);
    Some(Output::of(reusespec.output().unwrap()))
}

#[test]
fn the_adapter_of_python_has_no_mistakes() {
    let Some(output) = check("exec ADAPTER") else {
        return;
    };
    assert_eq!(output.status, 0, "{output:?}");
    assert!(output.stdout.ends_with(" checks, 0 wrong\n"), "{output:?}");
}

#[rstest]
#[case::another_protocol(r#"ADAPTER | sed -u 's/"protocol": 2/"protocol": 1/'"#, "hello")]
#[case::no_name(r#"ADAPTER | sed -u 's/"name": "python"/"name": ""/'"#, "hello")]
#[case::chatter("echo starting; ADAPTER", "hello")]
#[case::agrees_to_everything(
    r#"ADAPTER | sed -u '/unsupported/s/.*/"ok"/'"#,
    "an unknown request is unsupported"
)]
#[case::goes_on_running("ADAPTER; sleep 3", "the end of input ends the adapter")]
#[case::another_address(
    r#"ADAPTER | sed -u 's/"local": "[^"]*"/"local": "127.0.0.1:1"/'"#,
    "listen-tcp: the local address can be connected to"
)]
#[case::a_sentence_for_an_error(
    "ADAPTER | sed -u 's/EADDRINUSE/Address already in use/'",
    "listen-tcp: a port in use is an error with its name"
)]
#[case::an_end_for_nothing(
    r#"ADAPTER | sed -u 's/"nothing"/"eof"/'"#,
    "accept: a connection, then nothing for the time given"
)]
#[case::another_text(
    r#"ADAPTER | sed -u 's/"received": "[^"]*"/"received": "x"/'"#,
    "send and receive: text, nothing, the end"
)]
#[case::another_error("ADAPTER | sed -u 's/ECONNRESET/EPIPE/'", "receive: a reset is ECONNRESET")]
#[case::drops_a_value(r#"sed -u 's/"idle_ms":7000,//' | ADAPTER"#, "keepalive: what is set is set")]
#[case::reads_back_what_is_not_set(
    r#"ADAPTER | sed -u 's/"TCP_KEEPIDLE": [0-9]*/"TCP_KEEPIDLE": 1/'"#,
    "options: they are those of the socket"
)]
fn a_wrong_answer_is_named(#[case] command: &str, #[case] wrong: &str) {
    let Some(output) = check(command) else { return };
    assert_eq!(output.status, 1, "{output:?}");
    let line = format!("wrong        {wrong}: ");
    assert!(
        output.stdout.lines().any(|each| each.starts_with(&line)),
        "{output:?}"
    );
}

/// Go's bug on DragonFly (golang/go#65809), in the adapter of socket2: it gives the kernel milliseconds as seconds.
#[test]
fn milliseconds_that_are_set_as_seconds_fail_the_rows_of_the_wire() {
    let implementations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../implementations");
    let own = tempfile::tempdir().unwrap();
    for name in ["std", "socket2"] {
        fs::create_dir(own.path().join(name)).unwrap();
        for entry in fs::read_dir(implementations.join(name)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                fs::copy(&from, own.path().join(name).join(from.file_name().unwrap())).unwrap();
            }
        }
    }
    let profile = own.path().join("socket2/profile.toml");
    let text = fs::read_to_string(&profile).unwrap();
    // Its deviations are about the rows that it fails without the fault.
    let (sound, _) = text.split_once("[[deviation]]").unwrap();
    let fault = "environment.REUSESPEC_ADAPTER_FAULT = \"keepalive-in-milliseconds\"\n";
    fs::write(&profile, format!("{fault}{sound}")).unwrap();
    let mut reusespec = Command::new(env!("CARGO_BIN_EXE_reusespec"));
    reusespec.arg("--implementations").arg(own.path());
    reusespec.args([
        "run",
        "keepalive/api-schedule-on-the-wire",
        "--implementation",
        "socket2",
    ]);
    reusespec.args(["--case", "schedule=1s-1s-1", "--format", "json"]);
    let output = Output::of(reusespec.output().unwrap());
    let summary = output.summary();
    if summary["unsupported"] == summary["cases"] {
        left_out("the fault of the adapter of socket2", &output.stdout);
        return;
    }
    assert_eq!(summary["fail"], 4, "{output:?}");
}
