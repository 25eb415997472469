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
