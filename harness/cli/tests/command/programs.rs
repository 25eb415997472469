//! Programs of other people in guests: what they print, how they end, what they need; and cargo's tests there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reusespec_platforms::guest::is_tested;

use crate::fixture::{Answer, Fixture};

const GUEST: &str = "linux-6.12";
const SHELL: &str = "/bin/sh";

#[test]
fn a_program_in_a_guest_prints_and_ends_as_if_it_had_run_here() {
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[]);
    // A static program that is at hand: it says what it runs on, and ends when its input does.
    let program = reusespec_platforms::agents::find("x86_64-unknown-linux-musl").unwrap();
    let program = program.to_string_lossy();
    let answer = fixture.run(&["exec", GUEST, "--", &program]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.contains("\"release\":\"6.12."), "{}", answer.stdout);
    let answer = fixture.run(&["exec", GUEST, "--copy", "nothing-here", "--", &program]);
    assert_eq!(answer.status, 2, "{answer:?}");
    fixture.write("note", "no program");
    let note = fixture.family().join("note.toml");
    let answer = fixture.run(&["exec", GUEST, "--", &note.to_string_lossy()]);
    assert_eq!(answer.status, 126, "{answer:?}");
    assert!(
        answer.stderr.contains("cannot start the program"),
        "{}",
        answer.stderr
    );
}

/// What the dynamic linker of this machine finds for a program, in a folder that is laid out as `/`.
fn libraries_of(program: &str, root: &Path) {
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
fn a_dynamic_program_runs_with_a_sysroot_and_not_without_and_its_signal_is_passed_on() {
    if !is_tested(GUEST) {
        return;
    }
    let fixture = Fixture::with(&[]);
    let script = "echo out; echo err >&2; kill -TERM $$";
    let without = fixture.run(&["exec", GUEST, "--", SHELL, "-c", script]);
    assert_eq!(without.status, 126, "{without:?}");
    assert!(without.stderr.contains("--sysroot"), "{}", without.stderr);

    let root = fixture.path().join("sysroot");
    libraries_of(SHELL, &root);
    let root = root.to_string_lossy();
    let with = |script| fixture.run(&["exec", GUEST, "--sysroot", &root, "--", SHELL, "-c", script]);
    let ended = with(script);
    assert_eq!(ended.status, 128 + 15, "{ended:?}");
    assert_eq!(ended.stdout, "out\n");
    assert!(ended.stderr.lines().any(|line| line == "err"), "{}", ended.stderr);
    assert!(ended.stderr.contains("signal 15"), "{}", ended.stderr);
    assert_eq!(with("exit 7").status, 7);
}

/// `cargo test` of the example for a machine that is not here.
fn cargo(arguments: &[&str]) -> Answer {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms/runner-example");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runner-example");
    let runner = format!("{} exec linux-arm64 --", env!("CARGO_BIN_EXE_reusespec"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .current_dir(example)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER", runner);
    Answer::of(cargo.output().unwrap())
}

#[test]
fn cargos_tests_run_in_a_guest_of_another_machine() {
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

    let said = cargo(&["run", "--quiet", target[0], target[1]]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.stdout.starts_with("aarch64 6.1."), "{}", said.stdout);
    let ended = |how: &[&str]| cargo(&[&["run", "--quiet", target[0], target[1], "--"], how].concat()).status;
    assert_eq!(ended(&["exit", "3"]), 3);
    assert_eq!(ended(&["abort"]), 128 + 6);
}
