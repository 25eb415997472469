//! The wording of every complaint about a scenario file: the mistake, its place, what was expected there, and the
//! most similar valid word if there is one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

/// Largest accepted file. A scenario fits on a page, so a larger file was named by mistake.
pub(crate) const LARGEST_FILE_BYTES: usize = 64 * 1024;
/// Longest accepted line, because a complaint prints the whole line.
const LONGEST_LINE_CHARS: usize = 400;

/// The text of a scenario file. Complaints about it print the line with the mistake.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    file: String,
    pub(crate) text: Arc<str>,
}

/// One mistake in a scenario file.
#[derive(Clone, Debug)]
pub struct Complaint {
    message: String,
    file: String,
    text: Arc<str>,
    at: Option<(Range<usize>, String)>,
    help: Option<String>,
}

/// Collects the complaints about one file, so that a mistake in one part does not hide the mistakes in the others.
#[derive(Default)]
pub(crate) struct Complaints(pub(crate) Vec<Complaint>);

impl Complaints {
    /// The value of a part of the file; `None` if the part is wrong, and then its complaint is kept.
    pub(crate) fn keep<T>(&mut self, part: Result<T, Box<Complaint>>) -> Option<T> {
        part.map_err(|complaint| self.0.push(*complaint)).ok()
    }
}

impl Source {
    /// Checks size, encoding and line lengths of a file.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, Box<Complaint>> {
        let whole = |message: String, help: &str| {
            Box::new(Complaint {
                message,
                file: file.to_owned(),
                text: "".into(),
                at: None,
                help: Some(help.to_owned()),
            })
        };
        if bytes.len() > LARGEST_FILE_BYTES {
            let size = bytes.len();
            return Err(whole(
                format!("{file} has {size} bytes; a scenario file has at most {LARGEST_FILE_BYTES}"),
                "check that this file is a scenario",
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            whole(
                format!(
                    "{file}:{line}:{column}: byte 0x{:02x} is not UTF-8",
                    bytes[error.valid_up_to()]
                ),
                "save the file as UTF-8",
            )
        })?;
        if let Some(line) = text
            .lines()
            .position(|line| line.chars().count() > LONGEST_LINE_CHARS)
        {
            return Err(whole(
                format!(
                    "{file}:{}:1: the line has more than {LONGEST_LINE_CHARS} characters",
                    line + 1
                ),
                "break the line, or move its variants into the matrix",
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            text: text.into(),
        })
    }

    fn at(&self, span: Range<usize>, message: String, expected: String) -> Complaint {
        let length = self.text.len();
        let span = span.start.min(length)..span.end.min(length);
        Complaint {
            message,
            file: self.file.clone(),
            text: self.text.clone(),
            at: Some((span, expected)),
            help: None,
        }
    }

    /// An error of the TOML parser or of serde. `within` names the step or table that was read.
    ///
    /// serde reports an unknown key as "unknown field `x`, expected one of …". This function rewords that message, so
    /// that all complaints have the same form.
    pub(crate) fn refused(&self, error: &toml::de::Error, fallback: Range<usize>, within: &str) -> Complaint {
        let span = error.span().unwrap_or(fallback);
        let message = error.message().trim();
        for (theirs, ours) in [("unknown field ", "key"), ("unknown variant ", "value")] {
            if let Some(rest) = message.strip_prefix(theirs) {
                let words = backticked(rest);
                if let Some((found, expected)) = words.split_first() {
                    let (ours, within) = if *found == within {
                        ("step", "")
                    } else {
                        (ours, within)
                    };
                    return self.unknown(ours, found, within, expected, span);
                }
            }
        }
        let message = message.lines().next().unwrap_or("not TOML");
        let place = if within.is_empty() {
            String::new()
        } else {
            format!("in `{within}`: ")
        };
        self.at(span, format!("{place}{message}"), "here".to_owned())
    }

    /// A word that is not one of the known words, with the most similar known word.
    pub(crate) fn unknown<S: AsRef<str>>(
        &self,
        what: &str,
        found: &str,
        within: &str,
        known: &[S],
        span: Range<usize>,
    ) -> Complaint {
        let place = if within.is_empty() {
            String::new()
        } else {
            format!(" in `{within}`")
        };
        let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
        let mut complaint = self.at(
            span,
            format!("unknown {what} `{found}`{place}"),
            format!("expected {}", one_of(&known)),
        );
        complaint.help = nearest(found, &known).map(|word| format!("did you mean `{word}`?"));
        complaint
    }

    pub(crate) fn wrong_type(
        &self,
        what: &str,
        expected: &str,
        found: &str,
        span: Range<usize>,
    ) -> Complaint {
        self.at(
            span,
            format!("{what} has type {found}"),
            format!("expected {expected}"),
        )
    }

    pub(crate) fn keyword_count(&self, count: usize, span: Range<usize>) -> Complaint {
        let expected = "expected one keyword: `{ keyword = { … } }`".to_owned();
        self.at(span, format!("a step has {count} keywords"), expected)
    }

    pub(crate) fn bad_range(&self, message: String, span: Range<usize>) -> Complaint {
        self.at(
            span,
            message,
            "expected a system, or a range of its versions such as `linux >= 6.1`".to_owned(),
        )
    }

    pub(crate) fn missing(&self, what: &str, within: &str, span: Range<usize>) -> Complaint {
        self.at(span, format!("missing {what} in {within}"), "here".to_owned())
    }

    pub(crate) fn empty(&self, what: &str, span: Range<usize>) -> Complaint {
        self.at(
            span,
            format!("{what} is empty"),
            "expected at least one value".to_owned(),
        )
    }

    pub(crate) fn duplicate(&self, what: &str, name: &str, span: Range<usize>) -> Complaint {
        self.at(
            span,
            format!("{what} `{name}` is defined twice"),
            "second definition".to_owned(),
        )
    }

    pub(crate) fn undefined_name(&self, name: &str, known: &[String], span: Range<usize>) -> Complaint {
        let mut complaint = self.at(
            span,
            format!("`${name}` is not defined"),
            format!("expected {}", one_of(known)),
        );
        let bare: Vec<&str> = known.iter().map(|word| word.trim_start_matches('$')).collect();
        complaint.help = nearest(name, &bare).map(|word| format!("did you mean `${word}`?"));
        complaint
    }

    pub(crate) fn unused_axis(&self, axis: &str, span: Range<usize>) -> Complaint {
        let expected = format!("expected `${axis}` in a step, or `when = {{ {axis} = … }}` on a step");
        self.at(span, format!("no step uses the axis `{axis}`"), expected)
    }

    pub(crate) fn label_never_there(&self, claim: &str, label: &str, span: Range<usize>) -> Complaint {
        let expected = "no case of this claim runs a step with this label".to_owned();
        let mut complaint = self.at(
            span,
            format!("claim `{claim}` expects `{label}`, which is never observed"),
            expected,
        );
        complaint.help = Some("compare `when` of the step with `when` of the claim".to_owned());
        complaint
    }

    pub(crate) fn claim_for_nothing(&self, claim: &str, span: Range<usize>) -> Complaint {
        self.at(
            span,
            format!("claim `{claim}` applies to no case"),
            "`when` excludes every case".to_owned(),
        )
    }

    pub(crate) fn contradiction(
        &self,
        [one, other]: [&str; 2],
        label: &str,
        point: &str,
        span: Range<usize>,
    ) -> Complaint {
        let message = format!("claims `{one}` and `{other}` contradict each other about `{label}`");
        let case = if point.is_empty() {
            "in every case".to_owned()
        } else {
            format!("in the case {point}")
        };
        let mut complaint = self.at(span, message, case);
        complaint.help = Some("narrow one of them with `when` or `on`".to_owned());
        complaint
    }

    pub(crate) fn unknown_family(&self, found: &str, known: &[&str]) -> Complaint {
        let mut complaint = self.unknown("family", found, "", known, 0..0);
        complaint.message = format!("the folder `{found}` is not a scenario family");
        complaint
    }
}

impl Complaint {
    /// The complaint and the lines it points to, formatted for a terminal of 110 columns.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(110)
            .with_links(false);
        handler
            .render_report(&mut text, self)
            .expect("writing to a string does not fail");
        text
    }

    /// Line and column of the mistake, counted from 1. `None` if the complaint is about the whole file.
    pub fn position(&self) -> Option<(usize, usize)> {
        let (span, _) = self.at.as_ref()?;
        let before = &self.text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Some((line, column))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

impl miette::Diagnostic for Complaint {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.at.as_ref().map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (span, expected) = self.at.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(expected.clone()), span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

impl SourceCode for Complaint {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.file.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// The words between backticks.
fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn one_of<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => format!("`{}`", only.as_ref()),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(|word| format!("`{}`", word.as_ref())).collect();
            format!("{} or `{}`", init.join(", "), last.as_ref())
        }
    }
}

/// The known word with the smallest edit distance, if that distance is small enough for a typing error.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |word: &&str| strsim::damerau_levenshtein(found, word) <= 1 + word.chars().count() / 4;
    known
        .iter()
        .filter(|word| close(word))
        .min_by_key(|word| strsim::damerau_levenshtein(found, word))
        .copied()
}
