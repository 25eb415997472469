//! Every example command in `--help` and README.md names things that exist.
//!
//! Examples that need only this machine and some seconds are executed. Of `run` with guests, targets, other people's
//! servers or all scenarios, of `exec`, and of `check` with a file that an author has yet to write, arguments are parsed
//! and names of scenarios, cases, implementations and platforms are resolved. Of `fetch`, `image` and `accept`, which need
//! a network or files, only arguments are parsed.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, Parser};
use reusespec::arguments::{self, Arguments};
use reusespec::library::Library;
use reusespec::plan::{KERNEL, REFERENCE, Selection, TARGET, plan};
use reusespec::run::HOST;
use reusespec::{implementations, platforms};

use crate::fixture::Output;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands at the start of the text's lines, without the comment that follows two spaces.
fn commands(text: &str) -> impl Iterator<Item = String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("reusespec "));
    lines.map(|line| line.split("  ").next().unwrap_or_default().to_owned())
}

fn examples() -> Vec<String> {
    let program = Arguments::command();
    let helps = std::iter::once(&program).chain(program.get_subcommands());
    let helps = helps.filter_map(|command| Some(command.get_after_help()?.to_string()));
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    // Everything between backticks: words in a sentence, or a block of commands.
    let code = readme.split('`').skip(1).step_by(2).map(str::to_owned);
    helps
        .chain(code)
        .flat_map(|text| commands(&text).collect::<Vec<_>>())
        .collect()
}

fn execute(example: &str, status: i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reusespec"));
    command.args(example.split(' ').skip(1)).current_dir(checkout());
    let output = Output::of(command.output().unwrap());
    assert_eq!(output.status, status, "{example}: {output:?}");
}

fn resolve(example: &str, options: &arguments::Run, library: &Library) {
    let profiles = implementations::load(&library.root).unwrap();
    let selection = Selection {
        filters: options.filters.clone(),
        points: options.points.clone(),
        implementations: match options.target {
            Some(_) => vec![TARGET.to_owned()],
            None => options.implementations.clone(),
        },
    };
    plan(&library.scenarios, &selection, &profiles).unwrap_or_else(|error| panic!("{example}: {error}"));
    for platform in &options.platforms {
        platforms::find(platform, &options.own).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}

#[test]
fn every_example_of_help_and_readme_names_things_that_exist() {
    let library = Library::load(&checkout().join("scenarios")).unwrap();
    let examples = examples();
    assert!(examples.len() > 20, "{examples:?}");
    for example in &examples {
        let arguments = match Arguments::try_parse_from(example.split(' ')) {
            Ok(arguments) => arguments,
            Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => continue,
            Err(error) => panic!("{example}: {error}"),
        };
        match arguments.command {
            arguments::Command::Run(options) => {
                resolve(example, &options, &library);
                let is_ours = |name: &String| [KERNEL, REFERENCE].contains(&name.as_str());
                let is_quick = !options.filters.is_empty()
                    && options.target.is_none()
                    && options.platforms == [HOST]
                    && options.implementations.iter().all(is_ours);
                if is_quick {
                    execute(example, i32::from(options.fault.is_some()));
                }
            }
            arguments::Command::Exec(options) => {
                let found = platforms::find(&options.platform, &options.own);
                found.unwrap_or_else(|error| panic!("{example}: {error}"));
            }
            arguments::Command::List(_)
            | arguments::Command::Explain { .. }
            | arguments::Command::Diff(_)
            | arguments::Command::Platforms { platform: None }
            | arguments::Command::Doctor
            | arguments::Command::Faults
            | arguments::Command::Implementations { .. }
            | arguments::Command::Completions { .. }
            | arguments::Command::Manual => execute(example, 0),
            arguments::Command::Platforms { platform: Some(name) } => {
                let found = platforms::find(&name, &platforms::OwnKernel::default());
                found.unwrap_or_else(|error| panic!("{example}: {error}"));
            }
            arguments::Command::Check { .. }
            | arguments::Command::Fetch { .. }
            | arguments::Command::Image(_)
            | arguments::Command::Accept(_)
            | arguments::Command::AdapterCheck { .. }
            | arguments::Command::Export { .. }
            | arguments::Command::Agent => {}
        }
    }
}
