//! `exec`: output, exit status and files of programs in guests, and `cargo test` with `exec` as its runner.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reusespec_platforms::guest::is_tested;

use crate::fixture::{Fixture, Output};

const GUEST: &str = "linux-6.12";
const SHELL: &str = "/bin/sh";

#[test]
fn exec_passes_on_output_and_exit_status() {
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[]);
    // The agent is a static program that prints the kernel's release and ends at the end of its input.
    let program = reusespec_platforms::agents::find("x86_64-unknown-linux-musl").unwrap();
    let program = program.to_string_lossy();
    let output = fixture.run(&["exec", GUEST, "--", &program]);
    assert_eq!(output.status, 0, "{output:?}");
    assert!(output.stdout.contains("\"release\":\"6.12."), "{}", output.stdout);
    let output = fixture.run(&["exec", GUEST, "--copy", "nothing-here", "--", &program]);
    assert_eq!(output.status, 2, "{output:?}");
    fixture.write("note", "no program");
    let note = fixture.family().join("note.toml");
    let output = fixture.run(&["exec", GUEST, "--", &note.to_string_lossy()]);
    assert_eq!(output.status, 126, "{output:?}");
    assert!(
        output.stderr.contains("cannot start the program"),
        "{}",
        output.stderr
    );
}

/// Copies the shared libraries of a program into `root`, at the paths they have on this machine.
fn copy_libraries(program: &str, root: &Path) {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let paths: BTreeSet<PathBuf> = text
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    assert!(!paths.is_empty(), "{program} is static: {text}");
    for path in paths {
        let place = root.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    }
}

#[test]
fn a_dynamically_linked_program_needs_a_sysroot() {
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[]);
    let script = "echo out; echo err >&2; kill -TERM $$";
    let without = fixture.run(&["exec", GUEST, "--", SHELL, "-c", script]);
    assert_eq!(without.status, 126, "{without:?}");
    assert!(without.stderr.contains("--sysroot"), "{}", without.stderr);

    let root = fixture.path().join("sysroot");
    copy_libraries(SHELL, &root);
    let root = root.to_string_lossy();
    let with = |script| fixture.run(&["exec", GUEST, "--sysroot", &root, "--", SHELL, "-c", script]);
    let ended = with(script);
    assert_eq!(ended.status, 128 + 15, "{ended:?}");
    assert_eq!(ended.stdout, "out\n");
    assert!(ended.stderr.lines().any(|line| line == "err"), "{}", ended.stderr);
    assert!(ended.stderr.contains("signal 15"), "{}", ended.stderr);
    assert_eq!(with("exit 7").status, 7);
}

#[test]
fn a_megabyte_of_standard_input_arrives_and_comes_back() {
    const CAT: &str = "/bin/cat";
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[]);
    let root = fixture.path().join("sysroot");
    copy_libraries(CAT, &root);
    let sent: Vec<u8> = (0..1 << 20).map(|number: u32| (number / 3) as u8).collect();
    let mut command = fixture.command();
    let mut child = command
        .args(["exec", GUEST, "--sysroot", &root.to_string_lossy(), "--", CAT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), sent.clone());
    std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
}

/// Runs cargo in the example, with a guest of another architecture as the runner.
fn cargo(arguments: &[&str]) -> Output {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms/runner-example");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runner-example");
    let runner = format!("{} exec linux-arm64 --", env!("CARGO_BIN_EXE_reusespec"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .current_dir(example)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER", runner);
    Output::of(cargo.output().unwrap())
}

#[test]
fn cargo_runs_tests_in_a_guest_of_another_architecture() {
    if !is_tested("linux-arm64") {
        return;
    }
    let target = ["--target", "aarch64-unknown-linux-musl"];
    let tested = cargo(&["test", target[0], target[1], "--test", "restart"]);
    assert_eq!(tested.status, 0, "{tested:?}");
    assert!(
        tested.stdout.contains("test this_is_the_guest ... ok"),
        "{}",
        tested.stdout
    );
    assert!(tested.stdout.contains("3 passed"), "{}", tested.stdout);

    let run = cargo(&["run", "--quiet", target[0], target[1]]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stdout.starts_with("aarch64 6.1."), "{}", run.stdout);
    let ended = |how: &[&str]| cargo(&[&["run", "--quiet", target[0], target[1], "--"], how].concat()).status;
    assert_eq!(ended(&["exit", "3"]), 3);
    assert_eq!(ended(&["abort"]), 128 + 6);
}
