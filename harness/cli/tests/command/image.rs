//! A root image is written for whoever boots it.

use std::fs;

use crate::fixture::{Answer, Fixture};

/// An agent of this machine, which has shared libraries like a BSD's, and a tree.
fn image(fixture: &Fixture, tree: &str) -> Answer {
    let folder = fixture.path().join("agents/of-this-machine");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(std::env::current_exe().unwrap(), folder.join("reusespec-agent")).unwrap();
    let mut command = fixture.command();
    command.env("REUSESPEC_AGENTS", fixture.path().join("agents"));
    command.args(["image", "of-this-machine", "--tree", tree, "root.iso"]);
    Answer::of(command.output().unwrap())
}

#[test]
fn the_image_has_the_agent_and_the_libraries_of_the_tree() {
    let fixture = Fixture::with(&[]);
    let answer = image(&fixture, "/");
    assert_eq!(answer.status, 0, "{answer:?}");
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
fn a_tree_without_what_the_agent_needs_is_refused_by_name() {
    let fixture = Fixture::with(&[]);
    let answer = image(&fixture, ".");
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.stderr.contains("the agent needs lib"), "{}", answer.stderr);
}
