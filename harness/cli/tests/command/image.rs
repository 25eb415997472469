//! `image`: writes a root image.

use std::fs;

use crate::fixture::{Fixture, Output};

/// Runs `image` with the test program as the agent: like a BSD's agent it needs shared libraries.
fn image(fixture: &Fixture, tree: &str) -> Output {
    let folder = fixture.path().join("agents/of-this-machine");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(std::env::current_exe().unwrap(), folder.join("reusespec-agent")).unwrap();
    let mut command = fixture.command();
    command.env("REUSESPEC_AGENTS", fixture.path().join("agents"));
    command.args(["image", "of-this-machine", "--tree", tree, "root.iso"]);
    Output::of(command.output().unwrap())
}

#[test]
fn the_image_has_the_agent_and_the_libraries_of_the_tree() {
    let fixture = Fixture::with(&[]);
    let output = image(&fixture, "/");
    assert_eq!(output.status, 0, "{output:?}");
    let bytes = fs::read(fixture.path().join("root.iso")).unwrap();
    assert_eq!(&bytes[0x8001..0x8006], b"CD001");
    for name in ["agent", "libc.so"] {
        assert!(
            bytes.windows(name.len()).any(|window| window == name.as_bytes()),
            "{name}"
        );
    }
}

#[test]
fn the_error_about_an_incomplete_tree_names_the_missing_library() {
    let fixture = Fixture::with(&[]);
    let output = image(&fixture, ".");
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("the agent needs lib"), "{}", output.stderr);
}
