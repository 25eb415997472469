//! The reports: each has the same verdict for a case.

use serde_json::json;

use crate::fixture::{Fixture, SHARING};

/// `SHARING` with a claim that holds and one that does not.
fn half_wrong() -> String {
    SHARING.replace(
        "level = \"must\"\n",
        "level = \"must\"\nwhen = { new = \"plain\" }\n",
    ) + "[[claim]]\nid = \"wrong\"\nlevel = \"must\"\nwhen = { new = \"reuse-port\" }\nexpect = { rebind = \"ok\" }\n"
}

#[test]
fn json_has_one_line_per_case_and_then_the_summary() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let output = fixture.run(&["run", "--format", "json"]);
    assert_eq!(output.status, 0, "{output:?}");
    let lines = output.json();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["scenario"], "port-reuse/sharing");
    assert_eq!(lines[0]["case"], json!({ "new": "plain" }));
    assert!(lines[0]["kernel"].as_str().unwrap().starts_with("linux-"));
    assert_eq!(
        lines[0].get("release"),
        None,
        "a kernel has no release of its own"
    );
    assert_eq!(lines[0]["verdict"], "pass");
    assert_eq!(
        lines[0]["claims"],
        json!([{ "id": "refused", "level": "must", "holds": true }])
    );
    assert_eq!(lines[0]["observed"], json!({ "rebind": "EADDRINUSE" }));
    assert!(lines[0]["elapsed_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&lines[2]["summary"]["cases"], &lines[2]["summary"]["fail"]),
        (&json!(2), &json!(0))
    );
}

#[test]
fn a_failure_is_printed_with_expectation_observation_source_and_command() {
    let fixture = Fixture::with(&[("sharing", &half_wrong())]);
    let output = fixture.run(&["run"]);
    assert_eq!(output.status, 1);
    for text in [
        "claim `wrong` (must) does not hold in 1 of 1 cases",
        "expected  rebind = ok",
        "observed  rebind = EADDRINUSE",
        "source    posix: bind",
        "again     reusespec run port-reuse/sharing --case new=reuse-port",
    ] {
        assert!(output.stdout.contains(text), "{text} is not in {}", output.stdout);
    }
    let again = fixture.run(&["run", "port-reuse/sharing", "--case", "new=reuse-port"]);
    assert_eq!(again.status, 1);
    assert_eq!(fixture.run(&["run", "--case", "new=plain"]).status, 0);
}

#[test]
fn all_reports_have_the_same_verdicts() {
    let fixture = Fixture::with(&[("sharing", &half_wrong())]);
    let file = fixture.path().join("report.xml");
    let pages = fixture.path().join("pages");
    let (file_name, folder) = (file.display().to_string(), pages.display().to_string());
    let output = fixture.run(&[
        "run", "--format", "json", "--junit", &file_name, "--html", &folder,
    ]);
    let junit = std::fs::read_to_string(&file).unwrap();
    let verdicts: Vec<_> = output
        .json()
        .iter()
        .filter_map(|line| line["verdict"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(verdicts, ["pass", "fail"]);
    assert!(
        junit.contains("tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\""),
        "{junit}"
    );
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    let index = page("index.html");
    assert!(
        index.contains("1 pass, 1 fail, 0 deviates, 0 unsupported, 0 broken"),
        "{index}"
    );
    let scenario = page("port-reuse/sharing@host+kernel.html");
    for text in [
        "<td>plain<td>pass",
        "<td>reuse-port<td>fail",
        "<b>wrong</b> (must)",
    ] {
        assert!(scenario.contains(text), "{text} is not in {scenario}");
    }
    let terminal = fixture.run(&["run"]).stdout;
    assert!(terminal.contains("(1 pass, 1 fail"), "{terminal}");
    assert!(
        terminal.contains("1 pass, 1 fail, 0 deviates, 0 unsupported, 0 broken"),
        "{terminal}"
    );
}

#[test]
fn markup_in_a_title_is_escaped_in_html() {
    let scenario = SHARING.replacen("title = \"", "title = \"<b>bold</b> ", 1);
    let fixture = Fixture::with(&[("sharing", &scenario)]);
    let pages = fixture.path().join("pages");
    fixture.run(&["run", "--html", &pages.display().to_string()]);
    let index = std::fs::read_to_string(pages.join("index.html")).unwrap();
    assert!(index.contains("&lt;b&gt;bold"), "{index}");
}

#[test]
fn completions_and_the_manual_list_the_commands() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "fish"],
        &["manual"],
    ] {
        let output = fixture.run(arguments);
        assert_eq!(output.status, 0, "{output:?}");
        for command in ["run", "list", "check", "explain", "platforms", "faults"] {
            assert!(
                output.stdout.to_lowercase().contains(command),
                "{command}: {arguments:?}"
            );
        }
    }
}
