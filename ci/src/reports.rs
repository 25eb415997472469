//! Checks the reports in `platforms/reports`: compiles the C program of each, runs it on the platform that the report
//! names, and compares what it prints with the report.
//!
//! `platforms/reports/README.md` describes the format. A report whose platform is not at hand is counted as not checked,
//! never as right. The programs run through `reusespec exec`, so a report also tests that command.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{nightly, suite};

/// The length limit of a program, so that a maintainer reads it at once.
const MOST_LINES: usize = 40;

/// How to compile and run the programs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Check only reports whose file name contains one of these words.
    names: Vec<String>,
    /// Check only the reports about this platform.
    #[arg(long, value_name = "PLATFORM")]
    on: Option<String>,
    /// The compiler and its arguments. For another system: a cross compiler that links statically.
    #[arg(long, default_value = "cc -static -O1 -Wall")]
    cc: String,
    /// More arguments of `reusespec exec`, for example --kernel K --tree T.
    #[arg(last = true, requires = "on")]
    exec: Vec<String>,
}

/// A report.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    /// The platform on which the program prints the output.
    platform: String,
    /// The scenarios whose rows show the behaviour.
    scenarios: Vec<String>,
    program: String,
    output: String,
}

impl Report {
    /// Reads a page.
    ///
    /// # Errors
    /// What the page lacks.
    fn parse(page: &str) -> Result<Self, String> {
        let field = |name: &str| {
            let start = format!("- {name}: ");
            let line = page.lines().find_map(|line| line.strip_prefix(&start));
            line.ok_or_else(|| format!("no line begins with `{start}`"))
        };
        let quoted =
            |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let platform = quoted(field("platform")?).into_iter().next();
        let report = Self {
            platform: platform.ok_or("the platform is not in backquotes")?,
            scenarios: quoted(field("rows")?),
            program: block(page, "c")?,
            output: block(page, "text")?,
        };
        field("source")?;
        if report.scenarios.is_empty() {
            return Err("no row is in backquotes".to_owned());
        }
        match report.program.lines().count() {
            lines if lines > MOST_LINES => Err(format!(
                "the program has {lines} lines, at most {MOST_LINES} are allowed"
            )),
            _ => Ok(report),
        }
    }
}

/// The content of the only fenced block in this language.
fn block(page: &str, language: &str) -> Result<String, String> {
    let fence = format!("\n```{language}\n");
    let mut rest = page.split(&fence).skip(1);
    let (Some(first), None) = (rest.next(), rest.next()) else {
        return Err(format!("not exactly one block begins with ```{language}"));
    };
    let (content, _) = first
        .split_once("```")
        .ok_or_else(|| format!("the block ```{language} does not end"))?;
    Ok(content.to_owned())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../platforms/reports")
}

/// The pages, by file name, without the README.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_some_and(|ending| ending == "md") && name != "README" {
            pages.push((name, fs::read_to_string(path)?));
        }
    }
    pages.sort();
    Ok(pages)
}

/// What became of a report.
enum Checked {
    Right,
    Wrong(String),
    Not(String),
}

/// Checks the reports and prints a line for each. Returns whether none is wrong.
pub(crate) fn check(options: &Options) -> io::Result<bool> {
    let mut out = io::stdout();
    let (mut right, mut wrong, mut not_checked) = (0, 0, 0);
    let is_wanted =
        |name: &str| options.names.is_empty() || options.names.iter().any(|word| name.contains(word));
    for (name, page) in pages()?.into_iter().filter(|(name, _)| is_wanted(name)) {
        let report = Report::parse(&page);
        if let (Ok(report), Some(on)) = (&report, &options.on)
            && report.platform != *on
        {
            continue;
        }
        let checked = match report {
            Ok(report) => check_one(&report, options)?,
            Err(lack) => Checked::Wrong(lack),
        };
        match checked {
            Checked::Right => {
                right += 1;
                writeln!(out, "right        {name}")?;
            }
            Checked::Wrong(reason) => {
                wrong += 1;
                writeln!(out, "WRONG        {name}: {reason}")?;
            }
            Checked::Not(reason) => {
                not_checked += 1;
                writeln!(out, "not checked  {name}: {reason}")?;
            }
        }
    }
    writeln!(out, "{right} right, {wrong} wrong, {not_checked} not checked")?;
    Ok(wrong == 0)
}

fn check_one(report: &Report, options: &Options) -> io::Result<Checked> {
    if options.exec.is_empty()
        && let Some(reason) = nightly::platform_lacks(&report.platform, false)
    {
        return Ok(Checked::Not(reason));
    }
    let scratch = env::temp_dir().join(format!("reusespec-report-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let (source, program) = (scratch.join("report.c"), scratch.join("report"));
    fs::write(&source, &report.program)?;
    let result = compile_and_run(report, options, &source, &program);
    fs::remove_dir_all(&scratch)?;
    result
}

fn compile_and_run(report: &Report, options: &Options, source: &Path, program: &Path) -> io::Result<Checked> {
    let mut words = options.cc.split_whitespace();
    let compiler = words.next().unwrap_or("cc");
    let compiled = Command::new(compiler)
        .args(words)
        .arg(source)
        .arg("-o")
        .arg(program)
        .output();
    match compiled {
        Err(error) => return Ok(Checked::Not(format!("cannot run {compiler}: {error}"))),
        Ok(output) if !output.status.success() => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            return Ok(Checked::Wrong(format!("{compiler} fails\n{errors}")));
        }
        Ok(_) => {}
    }
    let output = Command::new(suite::program()?)
        .args(["exec", &report.platform])
        .args(&options.exec)
        .arg("--")
        .arg(program)
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed == report.output {
        return Ok(Checked::Right);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Ok(Checked::Wrong(format!(
        "the program printed\n{printed}{errors}instead of\n{}",
        report.output
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A title\n\n- platform: `gvisor`\n- rows: `keepalive/inherit`, `port-reuse/x`\n- source: here\n\n\
        ```c\nint main(void) { return 0; }\n```\n\n```text\nnothing\n```\n";

    #[test]
    fn a_page_has_a_platform_rows_a_program_and_its_output() {
        let report = Report::parse(PAGE).unwrap();
        assert_eq!(report.platform, "gvisor");
        assert_eq!(report.scenarios, ["keepalive/inherit", "port-reuse/x"]);
        assert_eq!(report.program, "int main(void) { return 0; }\n");
        assert_eq!(report.output, "nothing\n");
    }

    #[test]
    fn the_error_names_what_a_page_lacks() {
        let error = |page: &str| Report::parse(page).unwrap_err();
        assert_eq!(
            error(&PAGE.replace("- rows", "- row")),
            "no line begins with `- rows: `"
        );
        assert_eq!(
            error(&PAGE.replace("```text", "```")),
            "not exactly one block begins with ```text"
        );
        let long = "int x;\n".repeat(MOST_LINES + 1);
        let page = PAGE.replace("int main(void) { return 0; }\n", &long);
        assert_eq!(error(&page), "the program has 41 lines, at most 40 are allowed");
    }

    #[test]
    fn every_report_names_scenarios_that_exist() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let pages = pages().unwrap();
        assert!(!pages.is_empty());
        for (name, page) in pages {
            let report = Report::parse(&page).unwrap_or_else(|lack| panic!("{name}: {lack}"));
            for scenario in report.scenarios {
                let file = scenarios.join(format!("{scenario}.toml"));
                assert!(file.exists(), "{name}: there is no scenario {scenario}");
            }
        }
    }
}
