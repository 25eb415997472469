//! System controls that a case changes in a system it shares, and their values before.
//!
//! The controls are derived from the steps before the case runs. The agent loop restores them, because a case that is
//! killed cannot.

use std::collections::BTreeSet;

use reusespec_core::{Case, System};

use super::sysctl;

/// The names of the controls that the case's steps set on this system. Some may not exist here.
pub(super) fn changed_by(case: &Case) -> Vec<String> {
    changed_on(case, &crate::system::identify().0)
}

fn changed_on(case: &Case, system: &System) -> Vec<String> {
    let steps = case.steps.iter().filter(|step| step.is_for(system));
    let names = steps.flat_map(|step| step.action.properties().sysctls);
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    names.into_iter().collect()
}

/// The values of some controls. Dropping it restores them.
#[derive(Debug)]
pub(crate) struct Kept(Vec<(String, String)>);

impl Kept {
    /// Reads the values. A control that cannot be read is left out: the case cannot set it either.
    pub(crate) fn of(names: Vec<String>) -> Self {
        let value = |name: String| sysctl::get(&name).ok().map(|value| (name, value));
        Self(names.into_iter().filter_map(value).collect())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (name, value) in &self.0 {
            if let Err(error) = sysctl::set(name, value) {
                eprintln!("reusespec-agent: {name} could not be restored to {value}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use reusespec_core::step::socket::EPHEMERAL_RANGE;

    use super::*;

    fn case(steps: &str) -> Case {
        let text = format!(
            r#"{{"key":{{"scenario":"port-reuse/x","values":[]}},"requires":[],"budget_ms":1000,"steps":{{"port-reuse":{steps}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn on(case: &Case, name: &str) -> Vec<String> {
        let (name, release) = (name.to_owned(), "14.2".to_owned());
        changed_on(case, &System { name, release })
    }

    #[test]
    fn a_case_changes_the_controls_its_steps_set_on_this_system() {
        let case = case(
            r#"[{"on":["freebsd"],"action":{"sysctl":{"name":"net.inet.tcp.nolocaltimewait","value":"0"}}},
                {"on":["linux"],"action":{"sysctl":{"name":"net.ipv4.tcp_tw_reuse","value":"1"}}}]"#,
        );
        assert_eq!(on(&case, "freebsd"), ["net.inet.tcp.nolocaltimewait"]);
        assert_eq!(on(&case, "linux"), ["net.ipv4.tcp_tw_reuse"]);
        assert!(on(&case, "dragonfly").is_empty());
    }

    #[test]
    fn fill_ephemeral_changes_the_port_range() {
        let case = case(r#"[{"action":{"fill-ephemeral":{"kind":"tcp4","at":"127.0.0.1:0","ports":16}}}]"#);
        assert_eq!(on(&case, "freebsd"), EPHEMERAL_RANGE);
    }
}
