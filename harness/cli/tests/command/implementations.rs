//! Where profiles of implementations are found, and where their builds are kept.

use std::fs;

use tempfile::TempDir;

use crate::fixture::{Fixture, Output, REQUEST};

/// A folder of profiles with an implementation whose build writes one file.
fn profiles() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("built")).unwrap();
    let profile = r#"
title = "An implementation with a build"
families = ["fastcgi"]
kind = "adapter"
install = "install it"
build = [["sh", "-c", "echo done >@cache@/done"]]
start = ["false"]
version = ["echo", "1.0"]
"#;
    fs::write(folder.path().join("built/profile.toml"), profile).unwrap();
    folder
}

#[test]
fn builds_are_kept_in_the_cache_that_the_environment_names() {
    let fixture = Fixture::with(&[]);
    fs::create_dir(fixture.path().join("fastcgi")).unwrap();
    fs::write(fixture.path().join("fastcgi/request.toml"), REQUEST).unwrap();
    let (cache, profiles) = (fixture.path().join("cache"), profiles());
    let mut command = fixture.command();
    command
        .args(["run", "fastcgi", "--implementation", "built"])
        .env("REUSESPEC_IMPLEMENTATIONS", profiles.path())
        .env("REUSESPEC_CACHE", &cache);
    let output = Output::of(command.output().unwrap());
    let builds: Vec<_> = fs::read_dir(&cache)
        .expect("the cache was used")
        .flatten()
        .collect();
    let is_build = |entry: &fs::DirEntry| entry.path().join("done").is_file();
    assert!(builds.iter().any(is_build), "{builds:?}, {output:?}");
}

#[test]
fn scenarios_elsewhere_still_have_the_implementations_of_the_checkout() {
    let fixture = Fixture::with(&[]);
    let output = fixture.run(&["implementations"]);
    assert_eq!(output.status, 0, "{output:?}");
    assert!(
        output.stdout.lines().any(|line| line.starts_with("go ")),
        "{output:?}"
    );
    assert_eq!(output.stderr, "");
}

#[test]
fn a_named_folder_of_profiles_replaces_the_others() {
    let fixture = Fixture::with(&[]);
    let folder = profiles();
    let output = fixture.run(&[
        "implementations",
        "--implementations",
        &folder.path().to_string_lossy(),
    ]);
    assert_eq!(output.status, 0, "{output:?}");
    let mut names = output.stdout.lines().filter(|line| !line.starts_with(' '));
    assert!(names.any(|line| line.starts_with("built ")), "{output:?}");
    assert!(
        !output.stdout.lines().any(|line| line.starts_with("go ")),
        "{output:?}"
    );
}

#[test]
fn a_named_folder_that_does_not_exist_is_wrong_input() {
    let fixture = Fixture::with(&[]);
    let output = fixture.run(&["implementations", "--implementations", "nowhere"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("cannot read nowhere"), "{output:?}");
}

#[test]
fn an_implementation_of_this_machine_is_unsupported_on_another_one() {
    let fixture = Fixture::with(&[]);
    fs::create_dir(fixture.path().join("fastcgi")).unwrap();
    fs::write(fixture.path().join("fastcgi/request.toml"), REQUEST).unwrap();
    let own = tempfile::tempdir().unwrap();
    let elsewhere = own.path().join("elsewhere.toml");
    let program = env!("CARGO_BIN_EXE_reusespec");
    fs::write(
        &elsewhere,
        format!("[boot.command]\nprogram = [{program:?}, \"agent\"]\n"),
    )
    .unwrap();
    let profiles = profiles();
    let mut command = fixture.command();
    command
        .args([
            "run",
            "fastcgi",
            "--implementation",
            "built",
            "--format",
            "json",
            "--platform",
        ])
        .arg(&elsewhere)
        .env("REUSESPEC_IMPLEMENTATIONS", profiles.path())
        .env("REUSESPEC_CACHE", fixture.path().join("cache"));
    let output = Output::of(command.output().unwrap());
    assert_eq!(output.summary()["unsupported"], 2, "{output:?}");
    assert!(
        output
            .stdout
            .contains("built runs only on this machine and in guests, not on elsewhere"),
        "{output:?}"
    );
}

#[test]
fn a_build_of_nothing_is_named_with_its_profile() {
    let fixture = Fixture::with(&[]);
    let folder = profiles();
    let profile = folder.path().join("built/profile.toml");
    let text = fs::read_to_string(&profile).unwrap();
    fs::write(&profile, format!("build-of = \"nobody\"\n{text}")).unwrap();
    let output = fixture.run(&[
        "implementations",
        "--implementations",
        &folder.path().to_string_lossy(),
    ]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(
        output
            .stderr
            .contains("built/profile.toml: `build-of = \"nobody\"`"),
        "{output:?}"
    );
}
