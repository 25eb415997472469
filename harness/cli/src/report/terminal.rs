//! The terminal report: progress on standard error; tables and problems on standard output.
//!
//! Colour only repeats what the text says, so the report is complete without it.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reusespec_core::protocol::Hello;
use reusespec_core::table::{Comparison, RowChange};
use reusespec_core::{ClaimResult, Judgement, Level, Verdict};

use super::{Reporter, matrix};
use crate::event::{Event, ScenarioResult, Summary};

/// Maximum number of cases printed per failed claim, and of rows per changed snapshot.
const SHOWN: usize = 5;

/// Prints a run.
pub struct TerminalReporter {
    bar: ProgressBar,
    /// The problems of all scenarios; printed at the end, after the tables.
    problems: Vec<String>,
}

impl Default for TerminalReporter {
    fn default() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            problems: Vec::new(),
        }
    }
}

impl TerminalReporter {
    fn start_bar(&mut self, cases: usize) {
        if !io::stderr().is_terminal() {
            return;
        }
        self.bar = ProgressBar::with_draw_target(Some(cases as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
        self.bar
            .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn scenario(&mut self, result: &ScenarioResult<'_>) -> io::Result<()> {
        let judgements: Vec<_> = result.cases.iter().map(|(judgement, _)| judgement).collect();
        let mut lines = vec![headline(result)];
        let table = matrix::render(result.scenario, &judgements);
        lines.extend(table.into_iter().map(|line| format!("    {line}")));
        lines.push(String::new());
        self.bar.suspend(|| {
            let mut stdout = anstream::stdout().lock();
            lines.iter().try_for_each(|line| writeln!(stdout, "{line}"))
        })?;
        let problems = problems(result);
        if !problems.is_empty() {
            self.problems.push(problems.join("\n"));
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.bar.finish_and_clear();
        let mut stdout = anstream::stdout().lock();
        for problem in &self.problems {
            writeln!(stdout, "{problem}\n")?;
        }
        writeln!(stdout, "{}", summary_line(summary))?;
        stdout.flush()
    }
}

impl Reporter for TerminalReporter {
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::RunStarted { cases, .. } => self.start_bar(*cases),
            Event::PlatformReady { platform, hello } => {
                let (system, machine) = (&hello.system, &hello.machine);
                self.bar.suspend(|| {
                    writeln!(
                        anstream::stderr(),
                        "{platform}: {system} {machine}, {}",
                        clocks(hello)
                    )
                })?;
            }
            Event::Note(note) => self
                .bar
                .suspend(|| writeln!(anstream::stderr(), "note: {note}"))?,
            Event::CaseFinished(result) => {
                let key = &result.judgement.key;
                self.bar.inc(1);
                self.bar.set_message(key.scenario.clone());
            }
            Event::ScenarioFinished(result) => self.scenario(result)?,
            Event::RunFinished(summary) => self.finish(summary)?,
        }
        Ok(())
    }
}

/// The timer resolution and lateness that the platform has measured.
fn clocks(hello: &Hello) -> String {
    format!(
        "tick {} ms, sleeps up to {:.1} ms late",
        hello.timing.tick_us as f64 / 1e3,
        hello.timing.lateness_us as f64 / 1e3
    )
}

fn paint(verdict: Verdict, text: &str) -> String {
    let colour = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Fail => AnsiColor::Red,
        Verdict::Deviates => AnsiColor::Yellow,
        Verdict::Unsupported => AnsiColor::Cyan,
        Verdict::Broken => AnsiColor::Magenta,
    };
    let style = Style::new().fg_color(Some(colour.into())).bold();
    format!("{style}{text}{style:#}")
}

/// The worst verdict among the cases, which becomes the verdict of the scenario.
fn worst(cases: &[(Judgement, Duration)]) -> Verdict {
    let severity = [
        Verdict::Fail,
        Verdict::Broken,
        Verdict::Deviates,
        Verdict::Pass,
        Verdict::Unsupported,
    ];
    let occurs = |verdict: &Verdict| cases.iter().any(|(judgement, _)| judgement.verdict == *verdict);
    severity.into_iter().find(occurs).unwrap_or(Verdict::Pass)
}

fn headline(result: &ScenarioResult<'_>) -> String {
    let verdict = worst(&result.cases);
    let counts: Vec<_> = Verdict::all()
        .filter_map(|verdict| {
            let count = result
                .cases
                .iter()
                .filter(|(judgement, _)| judgement.verdict == verdict)
                .count();
            (count > 0).then(|| format!("{count} {}", verdict.name()))
        })
        .collect();
    let changed = match &result.comparison {
        Comparison::Same => "",
        Comparison::New(rows) if rows.is_empty() => "",
        Comparison::Changed(_) => ", snapshot changed",
        Comparison::New(_) => ", new for this kernel",
    };
    format!(
        "{}  {}  ({}{changed}{})",
        paint(verdict, &format!("{:11}", verdict.name())),
        subject(result),
        counts.join(", "),
        least_margin(result)
    )
}

/// The scenario, implementation and platform of a result.
fn subject(result: &ScenarioResult<'_>) -> String {
    format!(
        "{}  {} on {}",
        result.scenario.id, result.implementation, result.platform
    )
}

/// The smallest distance of an observed time from a bound of its claim.
fn least_margin(result: &ScenarioResult<'_>) -> String {
    let claims = result.cases.iter().flat_map(|(judgement, _)| &judgement.claims);
    let margin = claims.filter_map(|claim| claim.margin_us).min();
    margin.map_or_else(String::new, |margin| {
        format!(", {} ms inside the bounds", margin.div_euclid(1000))
    })
}

fn problems(result: &ScenarioResult<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(failures(result));
    lines.extend(unobserved(result));
    for deviation in &result.stale {
        lines.push(format!(
            "{}  {}: the deviation from `{}` no longer occurs; remove it from the profile\n    {}",
            paint(Verdict::Fail, "stale"),
            subject(result),
            deviation.claim,
            deviation.reason
        ));
    }
    match &result.comparison {
        Comparison::Same => {}
        Comparison::Changed(rows) => lines.push(changes("changed", rows, result)),
        // No case was observed.
        Comparison::New(rows) if rows.is_empty() => {}
        Comparison::New(rows) => lines.push(changes("new", rows, result)),
    }
    lines
}

/// The failed claims, each with its first failed cases.
fn failures(result: &ScenarioResult<'_>) -> Vec<String> {
    let applies = |claim: &str| {
        let claims = result.cases.iter().map(|(judgement, _)| judgement);
        claims
            .filter(move |judgement| judgement.claims.iter().any(|each| each.id == claim))
            .count()
    };
    let mut seen: Vec<(&str, Vec<(&Judgement, &ClaimResult)>)> = Vec::new();
    for (judgement, _) in &result.cases {
        let failed =
            |claim: &&ClaimResult| claim.level == Level::Must && !claim.holds() && claim.deviation.is_none();
        for claim in judgement.claims.iter().filter(failed) {
            match seen.iter_mut().find(|(id, _)| *id == claim.id) {
                Some((_, cases)) => cases.push((judgement, claim)),
                None => seen.push((&claim.id, vec![(judgement, claim)])),
            }
        }
    }
    let describe = |(id, cases): &(&str, Vec<(&Judgement, &ClaimResult)>)| {
        let mut text = format!(
            "{}  {}\n    claim `{id}` (must) does not hold in {} of {} cases",
            paint(Verdict::Fail, "fail"),
            subject(result),
            cases.len(),
            applies(id),
        );
        for (judgement, claim) in cases.iter().take(SHOWN) {
            let point = judgement.key.point();
            text.push_str(&format!(
                "\n\n    {}",
                if point.is_empty() { "the case" } else { &point }
            ));
            for unmet in &claim.unmet {
                text.push_str(&format!("\n      expected  {} = {}", unmet.label, unmet.expected));
                text.push_str(&format!("\n      observed  {} = {}", unmet.label, unmet.seen));
                for line in &unmet.timeline {
                    text.push_str(&format!("\n        {line}"));
                }
            }
            text.push_str(&format!("\n      source    {}", claim.source.join("; ")));
            let case = if point.is_empty() {
                String::new()
            } else {
                format!(" --case {point}")
            };
            text.push_str(&format!("\n      again     {}{case}", result.again));
        }
        if cases.len() > SHOWN {
            text.push_str(&format!("\n\n    … and {} more", cases.len() - SHOWN));
        }
        text
    };
    seen.iter().map(describe).collect()
}

/// The reasons why cases are broken or unsupported, one line per reason.
fn unobserved(result: &ScenarioResult<'_>) -> Vec<String> {
    let mut reasons: Vec<(Verdict, &str, usize)> = Vec::new();
    for (judgement, _) in &result.cases {
        let Some(reason) = &judgement.reason else {
            continue;
        };
        match reasons
            .iter_mut()
            .find(|(verdict, text, _)| *verdict == judgement.verdict && text == reason)
        {
            Some((_, _, count)) => *count += 1,
            None => reasons.push((judgement.verdict, reason, 1)),
        }
    }
    let line = |(verdict, reason, count): &(Verdict, &str, usize)| {
        let word = paint(*verdict, verdict.name());
        format!("{word}  {}  {count} cases: {reason}", subject(result))
    };
    reasons.iter().map(line).collect()
}

fn changes(word: &str, rows: &[RowChange], result: &ScenarioResult<'_>) -> String {
    let (subject, count) = (subject(result), rows.len());
    let mut text = match &result.snapshot {
        Some(path) => format!("{word}  {subject}  {count} rows differ from {}", path.display()),
        None => format!(
            "{word}  {subject}  {count} rows, and no snapshot of {}",
            result
                .provenance
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default()
        ),
    };
    // A transcript is printed on one line; the snapshot has it in full.
    let line = |cells: &[String]| cells.join("  ").replace('\n', " · ");
    for row in rows.iter().take(SHOWN) {
        if let Some(was) = &row.was {
            text.push_str(&format!("\n    - {}", line(was)));
        }
        text.push_str(&format!("\n    + {}", line(&row.is)));
    }
    if rows.len() > SHOWN {
        text.push_str(&format!("\n    … and {} more", rows.len() - SHOWN));
    }
    text
}

fn summary_line(summary: &Summary) -> String {
    let counts: Vec<_> = Verdict::all()
        .map(|verdict| format!("{} {}", summary.count(verdict), verdict.name()))
        .collect();
    let snapshots = match (summary.changed, summary.new_rows) {
        (0, 0) => String::new(),
        (changed, new) => format!("; {changed} snapshots changed, {new} rows new for this kernel"),
    };
    let stale = if summary.stale > 0 {
        format!("; {} stale deviations", summary.stale)
    } else {
        String::new()
    };
    let repeated = if summary.repeated > 0 {
        format!("; {} repeated because the machine was late", summary.repeated)
    } else {
        String::new()
    };
    let seconds = summary.elapsed.as_secs_f64();
    format!(
        "{} cases in {seconds:.1} s: {}{snapshots}{stale}{repeated}",
        summary.cases(),
        counts.join(", ")
    )
}
