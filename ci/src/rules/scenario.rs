//! Length and width of a scenario file. A longer one describes more than one behaviour.

use super::InFile;

const MAX_LINES: usize = 140;
const MAX_COLUMNS: usize = 140;

/// Checks the text of a scenario file.
pub(super) fn check(text: &str) -> Vec<InFile> {
    let mut violations = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        let message = format!("is {lines} lines long; a scenario is one behaviour, at most {MAX_LINES}");
        violations.push((lines, message));
    }
    for (line, content) in (1..).zip(text.lines()) {
        let columns = content.chars().count();
        if columns > MAX_COLUMNS {
            violations.push((line, format!("is {columns} columns wide, at most {MAX_COLUMNS}")));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_and_a_wide_line_are_found() {
        assert!(check(&"\n".repeat(140)).is_empty());
        assert_eq!(check(&"\n".repeat(141)).len(), 1);
        assert!(check(&"x".repeat(140)).is_empty());
        assert_eq!(check(&format!("a\n{}", "ü".repeat(141)))[0].0, 2);
    }
}
