//! Names that have been replaced do not come back, as identifiers of Rust or as keys of TOML. Prose is free.

use proc_macro2::{TokenStream, TokenTree};

use super::InFile;

/// Each retired name, and what is used instead.
const RETIRED: [(&str, &str); 32] = [
    ("Board", "LatenessLog, or MachineType of QEMU"),
    ("Elsewhere", "RemotePlatform"),
    ("Errand", "LaunchRequest"),
    ("Front", "ReverseProxy"),
    ("Ground", "Sandbox, or Fixture in tests"),
    ("Happening", "TimedExpectation"),
    ("Keeper", "AgentHandle"),
    ("Manner", "PlatformTraits"),
    ("Place", "ListenAddr, or CutPoint"),
    ("Ruler", "Tolerance"),
    ("Scene", "CaseRun"),
    ("Terms", "CaseRun"),
    ("Way", "BootMethod"),
    ("Witness", "LatenessProbe"),
    ("because", "reason"),
    ("board", "lateness_log, or machine_type"),
    ("boots_within", "boot_timeout"),
    ("errand", "launch"),
    ("files_beforehand", "batch_files"),
    ("happening", "expectation"),
    ("hear", "on_event"),
    ("keeper", "handle"),
    ("last_words", "diagnostics"),
    ("manner", "traits"),
    ("meet", "check"),
    ("no_finer_than", "at_least"),
    ("ruler", "tolerance"),
    ("scene", "run"),
    ("spend", "poison"),
    ("spent", "poisoned"),
    ("tell", "evaluate, or a name for what is sent"),
    ("told_beforehand", "batch_input"),
];

fn message(name: &str) -> Option<String> {
    let (_, instead) = RETIRED.iter().find(|(retired, _)| *retired == name)?;
    Some(format!("`{name}` is retired; use {instead}"))
}

/// Checks the identifiers of a Rust file. Comments and strings are no identifiers.
///
/// # Errors
/// When the text is not Rust.
pub(super) fn in_source(text: &str) -> Result<Vec<InFile>, proc_macro2::LexError> {
    let mut violations = Vec::new();
    visit(text.parse()?, &mut violations);
    Ok(violations)
}

fn visit(tokens: TokenStream, violations: &mut Vec<InFile>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => visit(group.stream(), violations),
            TokenTree::Ident(identifier) => {
                let line = identifier.span().start().line;
                violations.extend(message(&identifier.to_string()).map(|message| (line, message)));
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Checks the keys of a TOML file, at every depth.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn in_toml(text: &str) -> Result<Vec<InFile>, toml::de::Error> {
    let table = toml::de::DeTable::parse(text)?;
    let mut violations = Vec::new();
    in_table(table.get_ref(), text, &mut violations);
    Ok(violations)
}

fn in_table(table: &toml::de::DeTable<'_>, text: &str, violations: &mut Vec<InFile>) {
    for (key, value) in table {
        if let Some(message) = message(key.get_ref()) {
            let line = 1 + text[..key.span().start].matches('\n').count();
            violations.push((line, message));
        }
        in_value(value.get_ref(), text, violations);
    }
}

fn in_value(value: &toml::de::DeValue<'_>, text: &str, violations: &mut Vec<InFile>) {
    match value {
        toml::de::DeValue::Table(table) => in_table(table, text, violations),
        toml::de::DeValue::Array(array) => {
            for value in array {
                in_value(value.get_ref(), text, violations);
            }
        }
        toml::de::DeValue::String(_)
        | toml::de::DeValue::Integer(_)
        | toml::de::DeValue::Float(_)
        | toml::de::DeValue::Boolean(_)
        | toml::de::DeValue::Datetime(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_retired_name_is_found_as_an_identifier_and_as_a_key() {
        for (name, instead) in RETIRED {
            let expected = format!("`{name}` is retired; use {instead}");
            let source = format!("//! A file.\nfn f({name}: u8) {{}}\n");
            assert_eq!(in_source(&source).unwrap(), [(2, expected.clone())], "{name}");
            let key = format!("a = 1\n[[b]]\n{name} = 'x'\n");
            assert_eq!(in_toml(&key).unwrap(), [(3, expected)], "{name}");
        }
    }

    #[test]
    fn prose_strings_and_longer_names_are_free() {
        let source = "/// Because of a Ground.\nfn because_of() -> &'static str { \"because\" }\n";
        assert_eq!(in_source(source).unwrap(), []);
        assert_eq!(in_toml("reason = 'because'\n").unwrap(), []);
    }
}
