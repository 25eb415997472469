//! Rules for one Rust file, checked line by line.

use std::path::Path;

use super::InFile;

const MAX_LINES: usize = 460;
/// Crates that do no I/O and know no clock.
const PURE: [&str; 2] = ["harness/core/src", "harness/wire/src"];
/// What a pure crate may not name.
const IMPURE: [&str; 7] = [
    "std::fs",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
];
/// Crates that may tell systems apart. Everywhere else a difference between systems is a line of data.
const SYSTEM_SPECIFIC: [&str; 3] = ["harness/agent", "harness/reference", "platforms"];

/// Checks the file called `name`, relative to the repository's root.
pub(super) fn check(name: &Path, text: &str) -> Vec<InFile> {
    let mut violations = Vec::new();
    if !text.starts_with("//!") {
        let message = "has no `//!` header; state what the file is for and what it decides";
        violations.push((1, message.to_owned()));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let message = format!("is {lines} lines long; split it, at most {MAX_LINES}");
        violations.push((lines, message));
    }
    // These files name what they look for.
    if name.starts_with("ci/src/rules") {
        return violations;
    }
    let is_pure = PURE.iter().any(|folder| name.starts_with(folder));
    let is_system_specific = SYSTEM_SPECIFIC.iter().any(|folder| name.starts_with(folder));
    for (line, code) in (1..).zip(text.lines()) {
        let is_comment = code.trim_start().starts_with("//");
        if is_pure && !is_comment {
            let impure = IMPURE.iter().filter(|word| code.contains(*word));
            violations
                .extend(impure.map(|word| (line, format!("`{word}` in a pure crate; make it a parameter"))));
        }
        if !is_system_specific && code.contains("cfg") && code.contains("target_os") {
            let message = "tells systems apart; put the difference into data";
            violations.push((line, message.to_owned()));
        }
        if code.contains("#[ignore") {
            let message = "an ignored test tests nothing; record today's behaviour";
            violations.push((line, message.to_owned()));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(name: &str, text: &str) -> Vec<String> {
        check(Path::new(name), text)
            .into_iter()
            .map(|(line, message)| format!("{line}: {message}"))
            .collect()
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_found() {
        let text = "//! A file.\nuse std::time::Instant;\n";
        assert_eq!(
            violations("harness/core/src/a.rs", text),
            ["2: `Instant` in a pure crate; make it a parameter"]
        );
        assert!(violations("harness/agent/src/a.rs", text).is_empty());
    }

    #[test]
    fn a_difference_between_systems_outside_its_crates_is_found() {
        let text = "//! A file.\n#[cfg(target_os = \"linux\")]\n";
        assert_eq!(violations("harness/cli/src/a.rs", text).len(), 1);
        assert!(violations("platforms/src/a.rs", text).is_empty());
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(violations("ci/src/a.rs", "fn main() {}\n").len(), 1);
    }

    #[test]
    fn a_long_file_and_an_ignored_test_are_found() {
        let text = format!("//! A file.\n#[ignore]\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(
            violations("ci/src/a.rs", &text),
            [
                "462: is 462 lines long; split it, at most 460",
                "2: an ignored test tests nothing; record today's behaviour"
            ]
        );
    }
}
