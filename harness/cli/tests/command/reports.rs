//! Every report says the same of a case.

use serde_json::json;

use crate::ground::{Ground, SHARING};

/// A must that does not hold beside one that does.
fn half_wrong() -> String {
    SHARING.replace(
        "level = \"must\"\n",
        "level = \"must\"\nwhen = { new = \"plain\" }\n",
    ) + "[[claim]]\nid = \"wrong\"\nlevel = \"must\"\nwhen = { new = \"reuse-port\" }\nexpect = { rebind = \"ok\" }\n"
}

#[test]
fn json_has_a_line_a_case_and_the_summary_last() {
    let ground = Ground::with(&[("sharing", SHARING)]);
    let answer = ground.run(&["run", "--format", "json"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    let lines = answer.json();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["scenario"], "port-reuse/sharing");
    assert_eq!(lines[0]["case"], json!({ "new": "plain" }));
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
fn a_failure_says_expected_observed_source_and_again() {
    let ground = Ground::with(&[("sharing", &half_wrong())]);
    let answer = ground.run(&["run"]);
    assert_eq!(answer.status, 1);
    for text in [
        "claim `wrong` (must) does not hold in 1 of 1 cases",
        "expected  rebind = ok",
        "observed  rebind = EADDRINUSE",
        "source    posix: bind",
        "again     reusespec run port-reuse/sharing --case new=reuse-port",
    ] {
        assert!(answer.stdout.contains(text), "{text} is not in {}", answer.stdout);
    }
    let again = ground.run(&["run", "port-reuse/sharing", "--case", "new=reuse-port"]);
    assert_eq!(again.status, 1);
    assert_eq!(ground.run(&["run", "--case", "new=plain"]).status, 0);
}

#[test]
fn the_reports_agree_about_every_case() {
    let ground = Ground::with(&[("sharing", &half_wrong())]);
    let file = ground.path().join("report.xml");
    let answer = ground.run(&["run", "--format", "json", "--junit", &file.display().to_string()]);
    let junit = std::fs::read_to_string(&file).unwrap();
    let verdicts: Vec<_> = answer
        .json()
        .iter()
        .filter_map(|line| line["verdict"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(verdicts, ["pass", "fail"]);
    assert!(
        junit.contains("tests=\"2\" failures=\"1\" errors=\"0\""),
        "{junit}"
    );
    let terminal = ground.run(&["run"]).stdout;
    assert!(terminal.contains("(1 pass, 1 fail"), "{terminal}");
    assert!(
        terminal.contains("1 pass, 1 fail, 0 deviates, 0 unsupported, 0 broken"),
        "{terminal}"
    );
}

#[test]
fn explain_tells_a_scenario_s_sources_and_how_to_repeat_it() {
    let ground = Ground::with(&[("sharing", SHARING)]);
    let answer = ground.run(&["explain", "port-reuse/sharing"]);
    assert_eq!(answer.status, 0);
    assert!(
        answer.stdout.contains("source      posix: bind"),
        "{}",
        answer.stdout
    );
    assert!(
        answer
            .stdout
            .contains("reusespec run port-reuse/sharing --case new=plain"),
        "{}",
        answer.stdout
    );
    assert!(
        ground
            .run(&["explain", "bind"])
            .stdout
            .contains("The local address.")
    );
    assert!(
        ground
            .run(&["explain", "port-reuse"])
            .stdout
            .contains("connect-many")
    );
}
