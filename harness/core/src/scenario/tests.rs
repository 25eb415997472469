//! The complaint about every kind of mistake in a scenario file.

use super::{NamedAxes, Scenario};

const HEAD: &str = "title = \"t\"\nwhy = \"w\"\nsource = [\"posix: bind\"]\n";

const BIND: &str = r#"
steps = [
  { open = { socket = "a", kind = "tcp4", options = "$new" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "rebind" } },
]
"#;

/// The complaints about a scenario with this text after its head, as printed without colour.
#[track_caller]
fn complaints(text: &str) -> String {
    bytes_complaints(format!("{HEAD}{text}").as_bytes())
}

#[track_caller]
fn bytes_complaints(bytes: &[u8]) -> String {
    let complaints = Scenario::parse("port-reuse/x", "scenarios/port-reuse/x.toml", bytes).unwrap_err();
    let texts: Vec<_> = complaints
        .iter()
        .map(|complaint| complaint.render(false))
        .collect();
    texts.join("\n")
}

fn with_matrix(rest: &str) -> String {
    format!("matrix.new = [\"plain\", \"reuse-addr\"]\n{BIND}{rest}")
}

#[test]
fn cases_are_in_the_order_of_the_file() {
    let text = format!("{HEAD}matrix.new = [\"reuse-port\", \"plain\"]\nmatrix.b = [1, 2]\n{BIND}")
        .replace("\"a\", to", "\"a\", when = { b = 1 }, to");
    let scenario = Scenario::parse("port-reuse/x", "x.toml", text.as_bytes()).unwrap();
    let points: Vec<_> = scenario.cases.iter().map(|case| case.key.point()).collect();
    assert_eq!(
        points,
        [
            "new=reuse-port,b=1",
            "new=reuse-port,b=2",
            "new=plain,b=1",
            "new=plain,b=2"
        ]
    );
}

#[test]
fn a_row_of_an_axis_carries_several_values() {
    let text = format!(
        "{HEAD}matrix.pair = [{{ name = \"v6\", at = \"[::1]\", kind = \"tcp6\" }}]\n\
         steps = [{{ open = {{ socket = \"a\", kind = \"$pair.kind\" }} }}, \
         {{ bind = {{ socket = \"a\", to = \"$pair.at:$port\" }} }}]\n"
    );
    let scenario = Scenario::parse("port-reuse/x", "x.toml", text.as_bytes()).unwrap();
    let case = serde_json::to_string(&scenario.cases[0]).unwrap();
    assert!(case.contains(r#""to":"[::1]:$port""#), "{case}");
    assert!(!case.contains("pair.at"), "{case}");
}

const AXES: &str = "reuse-options = [\"plain\", \"reuse-addr\"]\n\
    loopbacks = [{ name = \"v4\", at = \"127.0.0.1\" }, { name = \"v6\", at = \"[::1]\" }]\n";

#[test]
fn a_named_axis_expands_like_the_same_values_written_out() {
    let named = NamedAxes::parse("axes.toml", AXES.as_bytes()).unwrap();
    let bind = BIND
        .replace("127.0.0.1:", "$loopbacks.at:")
        .replace("$new", "$reuse-options");
    let matrix: String = AXES.lines().map(|line| format!("matrix.{line}\n")).collect();
    let written = format!("{HEAD}{matrix}{bind}");
    let matrix = "matrix.reuse-options = \"@reuse-options\"\nmatrix.loopbacks = \"@loopbacks\"\n";
    let short = format!("{HEAD}{matrix}{bind}");
    let cases = |text: &str| {
        let scenario = Scenario::parse_with("port-reuse/x", "x.toml", text.as_bytes(), &named).unwrap();
        serde_json::to_string(&scenario.cases).unwrap()
    };
    assert_eq!(cases(&short), cases(&written));
    assert!(cases(&short).contains("[::1]:$port"));
}

#[test]
fn an_unknown_named_axis_is_reported_with_the_nearest_one() {
    let named = NamedAxes::parse("axes.toml", AXES.as_bytes()).unwrap();
    let text =
        format!("{HEAD}{}", with_matrix("")).replace("[\"plain\", \"reuse-addr\"]", "\"@reuse-optons\"");
    let file = "scenarios/port-reuse/x.toml";
    let complaints = Scenario::parse_with("port-reuse/x", file, text.as_bytes(), &named).unwrap_err();
    insta::assert_snapshot!(complaints[0].render(false));
}

#[test]
fn a_mistake_in_a_definition_points_into_its_file() {
    let complaint = |text: &str| {
        let complaint = NamedAxes::parse("scenarios/axes.toml", text.as_bytes()).unwrap_err();
        complaint.render(false)
    };
    insta::assert_snapshot!(complaint("one = [1]\ntwo = []\n"));
    insta::assert_snapshot!(complaint("one = [{ name = \"a\", nested = [1] }]\n"));
}

#[test]
fn requires_may_name_a_field_of_a_row() {
    let text = format!(
        "{HEAD}requires = [\"own-network\", \"$kind.family\"]\n\
         matrix.kind = [{{ name = \"tcp4\", family = \"ipv4\" }}, {{ name = \"tcp6\", family = \"ipv6\" }}]\n\
         steps = [{{ open = {{ socket = \"a\", kind = \"$kind\" }} }}]\n"
    );
    let scenario = Scenario::parse("port-reuse/x", "x.toml", text.as_bytes()).unwrap();
    let required: Vec<_> = scenario.cases.iter().map(|case| &case.requires).collect();
    assert_eq!(required, [&["own-network", "ipv4"], &["own-network", "ipv6"]]);
}

#[test]
fn an_unknown_key_gets_the_most_similar_key_as_hint() {
    insta::assert_snapshot!(complaints(&with_matrix(
        "[[claim]]\nidd = \"c\"\nexpect = { rebind = \"ok\" }\n"
    )));
    insta::assert_snapshot!(complaints(&format!("reqires = []\n{}", with_matrix(""))));
    insta::assert_snapshot!(complaints(&with_matrix("").replace("to = ", "adr = ")));
}

#[test]
fn an_unknown_step_gets_the_most_similar_step_as_hint() {
    insta::assert_snapshot!(complaints(&with_matrix("").replace("bind =", "bnd =")));
}

#[test]
fn an_unused_axis_is_refused() {
    insta::assert_snapshot!(complaints(&format!("matrix.held = [1, 2]\n{}", with_matrix(""))));
}

#[test]
fn an_undefined_name_is_refused() {
    insta::assert_snapshot!(complaints(&with_matrix("").replace("\"$new\"", "\"$nwe\"")));
}

#[test]
fn a_claim_about_an_unknown_label_is_refused() {
    let claim = "[[claim]]\nid = \"c\"\nlevel = \"must\"\nexpect = { rebnd = \"ok\" }\n";
    insta::assert_snapshot!(complaints(&with_matrix(claim)));
}

#[test]
fn a_claim_about_a_label_that_its_cases_lack_is_refused() {
    let claim =
        "[[claim]]\nid = \"c\"\nlevel = \"must\"\nwhen = { new = \"plain\" }\nexpect = { rebind = \"ok\" }\n";
    let text = with_matrix(claim).replace("label = ", "when = { new = \"reuse-addr\" }, label = ");
    insta::assert_snapshot!(complaints(&text));
}

#[test]
fn contradicting_claims_are_refused() {
    let claims = "[[claim]]\nid = \"one\"\nlevel = \"must\"\nexpect = { rebind = \"ok\" }\n\
                  [[claim]]\nid = \"other\"\nlevel = \"must\"\non = \"linux\"\nwhen = { new = \"plain\" }\n\
                  expect = { rebind = [\"EACCES\", \"EPERM\"] }\n";
    insta::assert_snapshot!(complaints(&with_matrix(claims)));
}

#[test]
fn claims_for_different_systems_do_not_contradict_each_other() {
    let claims = "[[claim]]\nid = \"one\"\nlevel = \"must\"\non = \"linux < 6\"\nexpect = { rebind = \"ok\" }\n\
                  [[claim]]\nid = \"other\"\nlevel = \"must\"\non = \"linux >= 6\"\nexpect = { rebind = \"EIO\" }\n";
    let text = format!("{HEAD}{}", with_matrix(claims));
    assert!(Scenario::parse("port-reuse/x", "x.toml", text.as_bytes()).is_ok());
}

#[test]
fn an_empty_axis_is_refused() {
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("[\"plain\", \"reuse-addr\"]", "[]")
    ));
}

#[test]
fn duplicate_claims_values_and_labels_are_refused() {
    let claim = "[[claim]]\nid = \"c\"\nlevel = \"must\"\nexpect = { rebind = \"ok\" }\n";
    insta::assert_snapshot!(complaints(&with_matrix(&claim.repeat(2))));
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("\"plain\", \"reuse-addr\"", "\"plain\", \"plain\"")
    ));
    let label = "{ bind = { socket = \"a\", to = \"127.0.0.1:0\", label = \"rebind\" } },\n]";
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("\n]", &format!("\n  {label}"))
    ));
}

#[test]
fn a_value_of_the_wrong_type_is_refused_at_its_place() {
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("socket = \"a\", to", "socket = 7, to")
    ));
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("[\"plain\", \"reuse-addr\"]", "\"plain\"")
    ));
}

#[test]
fn a_bad_address_is_refused_at_its_place() {
    insta::assert_snapshot!(complaints(
        &with_matrix("").replace("127.0.0.1:$port", "127.0.0.1.5:$port")
    ));
}

#[test]
fn an_unknown_system_or_axis_value_is_refused() {
    let claim = "[[claim]]\nid = \"c\"\nlevel = \"must\"\non = \"linx\"\nexpect = { rebind = \"ok\" }\n";
    insta::assert_snapshot!(complaints(&with_matrix(claim)));
    let claim =
        "[[claim]]\nid = \"c\"\nlevel = \"must\"\nwhen = { new = \"plan\" }\nexpect = { rebind = \"ok\" }\n";
    insta::assert_snapshot!(complaints(&with_matrix(claim)));
}

#[test]
fn a_file_that_is_not_text_is_refused_without_printing_it() {
    insta::assert_snapshot!(bytes_complaints(b"title = \"t\"\nwhy = \"\xff\"\n"));
    insta::assert_snapshot!(bytes_complaints(&vec![0x07; 1 << 20]));
    insta::assert_snapshot!(bytes_complaints("x".repeat(5000).as_bytes()));
    insta::assert_snapshot!(bytes_complaints(b"title = \n"));
    insta::assert_snapshot!(bytes_complaints(b""));
}

#[test]
fn an_unknown_family_is_refused() {
    let complaints = Scenario::parse("port-resue/x", "x.toml", HEAD.as_bytes()).unwrap_err();
    insta::assert_snapshot!(complaints[0].render(false));
}

#[test]
fn every_wrong_part_of_a_file_gets_its_complaint() {
    insta::assert_snapshot!(complaints(
        r#"
reqires = []
budget = "soon"
matrix.empty = []
matrix.new = ["plain", "reuse-addr"]
steps = [
  { open = { socket = "a", kind = "tcp4", options = "$new" } },
  { bnd = { socket = "a", to = "127.0.0.1:$port" } },
  { bind = { socket = "a", to = "$empty", when = { new = "plan" }, label = "rebind" } },
  { listen = { socket = 7, label = "listen" } },
]
[[claim]]
id = "wrong-label"
level = "must"
expect = { rebnd = "ok" }
[[claim]]
id = "wrong-level"
level = "can"
when = { empty = "x" }
on = "linx"
expect = { listen = [] }
[[claim]]
id = "right"
level = "must"
when = { empty = "x" }
expect = { rebind = "ok" }
"#
    ));
}
