//! The step loop: executes the steps of a case and collects the observations. Every family uses it.
//!
//! An [`Executor`] knows how to execute one step. The loop decides what the result means for the case:
//!
//! | result of a step | with a label | without a label |
//! |---|---|---|
//! | it succeeds | observed | ignored |
//! | the system refuses it | the error's name is observed, and what the step poisons is poisoned | the case is broken |
//! | its socket is poisoned | observed as not reached | ignored |
//! | something it needs is missing | the case is unsupported | the case is unsupported |
//! | its result cannot be determined | the case is broken | the case is broken |
//!
//! A step whose `on` excludes this system is skipped and has no observation.

use reusespec_core::step::{Action, Step};
use reusespec_core::{Observation, Observed, Outcome};

use crate::stop::{Answer, Stop};
use crate::system::identify;

/// Executes the steps of one family.
pub(crate) trait Executor {
    /// The family's vocabulary.
    type Step: Action + serde::Serialize;

    /// Executes a step. `is_labelled` says whether its result is observed.
    fn step(&mut self, step: &Self::Step, is_labelled: bool) -> Answer;

    /// Remembers that a labelled step failed that would have prepared this socket or connection. Later steps on it must
    /// return [`Stop::Poisoned`].
    fn poison(&mut self, name: &str);

    /// Runs after the last executed step, also when the case is broken or unsupported.
    fn finish(&mut self) {}
}

/// Executes the steps in order. `executor` is the result of its constructor, which may find out that the case is
/// unsupported or broken before the first step.
pub(crate) fn execute<E: Executor>(steps: &[Step<E::Step>], executor: Result<E, Stop>) -> Outcome {
    let mut executor = match executor {
        Ok(executor) => executor,
        Err(Stop::Unsupported(reason)) => return Outcome::Unsupported(reason),
        Err(Stop::Broken(reason) | Stop::Refused(reason)) => return Outcome::Broken(reason),
        Err(Stop::Poisoned) => unreachable!("nothing is poisoned before the first step"),
    };
    let outcome = execute_all(steps, &mut executor).map_or_else(|outcome| outcome, Outcome::Observed);
    executor.finish();
    outcome
}

fn execute_all<E: Executor>(steps: &[Step<E::Step>], executor: &mut E) -> Result<Vec<Observation>, Outcome> {
    let (system, _) = identify();
    let mut observations = Vec::new();
    for (number, step) in (1..).zip(steps).filter(|(_, step)| step.is_for(&system)) {
        let seen = match executor.step(&step.action, step.label.is_some()) {
            Ok(seen) => seen,
            Err(Stop::Poisoned) => Observed::NotReached,
            Err(Stop::Unsupported(reason)) => return Err(Outcome::Unsupported(reason)),
            Err(Stop::Broken(reason)) => return Err(Outcome::Broken(format!("step {number}: {reason}"))),
            Err(Stop::Refused(word)) if step.label.is_some() => {
                if let Some(name) = step.action.properties().poisons {
                    executor.poison(name);
                }
                Observed::Word(word)
            }
            Err(Stop::Refused(word)) => {
                let what = serde_json::to_string(&step.action).unwrap_or_default();
                let reason = format!("step {number} has no label and failed with {word}: {what}");
                return Err(Outcome::Broken(reason));
            }
        };
        observations.extend(step.label.clone().map(|label| Observation { label, seen }));
    }
    Ok(observations)
}

#[cfg(test)]
mod tests {
    use reusespec_core::step::socket::SocketStep;

    use super::*;

    /// Answers `open` with `ok`, and other steps by the name of their socket. Counts the calls of `finish`.
    #[derive(Default)]
    struct Fake {
        poisoned: Vec<String>,
        labelled: Vec<bool>,
        finished: usize,
    }

    impl Executor for &mut Fake {
        type Step = SocketStep;

        fn step(&mut self, step: &SocketStep, is_labelled: bool) -> Answer {
            self.labelled.push(is_labelled);
            let name = step
                .properties()
                .poisons
                .expect("the tests use steps that poison");
            if self.poisoned.iter().any(|poisoned| poisoned == name) {
                return Err(Stop::Poisoned);
            }
            match name {
                "refused" => Err(Stop::Refused("EADDRINUSE".to_owned())),
                "unsupported" => Err(Stop::Unsupported("no such thing".to_owned())),
                "broken" => Err(Stop::Broken("nothing came".to_owned())),
                _ => Ok(Observed::ok()),
            }
        }

        fn poison(&mut self, name: &str) {
            self.poisoned.push(name.to_owned());
        }

        fn finish(&mut self) {
            self.finished += 1;
        }
    }

    /// Executes a `listen` on each socket; a name with `=` in it is a label and the socket.
    fn outcome(fake: &mut Fake, sockets: &[&str]) -> Outcome {
        let step = |text: &&str| {
            let (label, socket) = match text.split_once('=') {
                Some((label, socket)) => (Some(label.to_owned()), socket),
                None => (None, *text),
            };
            Step {
                label,
                on: Vec::new(),
                action: listen(socket),
            }
        };
        execute(&sockets.iter().map(step).collect::<Vec<_>>(), Ok(fake))
    }

    fn listen(socket: &str) -> SocketStep {
        serde_json::from_str(&format!(r#"{{"listen":{{"socket":"{socket}"}}}}"#)).unwrap()
    }

    fn observed(sockets: &[&str]) -> Vec<(String, Observed)> {
        match outcome(&mut Fake::default(), sockets) {
            Outcome::Observed(observations) => observations
                .into_iter()
                .map(|each| (each.label, each.seen))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_labelled_steps_are_observed() {
        let mut fake = Fake::default();
        assert!(matches!(outcome(&mut fake, &["a", "x=b"]), Outcome::Observed(seen) if seen.len() == 1));
        assert_eq!((fake.labelled, fake.finished), (vec![false, true], 1));
    }

    #[test]
    fn a_refused_labelled_step_is_observed_and_poisons_its_socket() {
        let refused = Observed::Word("EADDRINUSE".to_owned());
        let seen = observed(&["x=refused", "refused", "y=refused", "z=other"]);
        let expected = [("x", refused), ("y", Observed::NotReached), ("z", Observed::ok())];
        assert_eq!(seen, expected.map(|(label, seen)| (label.to_owned(), seen)));
    }

    #[test]
    fn a_refused_unlabelled_step_breaks_the_case() {
        let expected = r#"step 2 has no label and failed with EADDRINUSE: {"listen":{"socket":"refused","backlog":128}}"#;
        let outcome = outcome(&mut Fake::default(), &["a", "refused", "x=b"]);
        assert_eq!(outcome, Outcome::Broken(expected.to_owned()));
    }

    #[test]
    fn an_unsupported_step_ends_the_case_with_its_reason() {
        let mut fake = Fake::default();
        let outcome = outcome(&mut fake, &["x=unsupported", "y=b"]);
        assert_eq!(outcome, Outcome::Unsupported("no such thing".to_owned()));
        assert_eq!((fake.labelled.len(), fake.finished), (1, 1));
    }

    #[test]
    fn a_broken_step_ends_the_case_with_its_number() {
        let outcome = outcome(&mut Fake::default(), &["a", "x=broken"]);
        assert_eq!(outcome, Outcome::Broken("step 2: nothing came".to_owned()));
    }

    #[test]
    fn steps_for_other_systems_are_skipped() {
        let other = if cfg!(target_os = "linux") {
            "freebsd"
        } else {
            "linux"
        };
        let steps = [Step {
            label: Some("x".to_owned()),
            on: vec![other.parse().unwrap()],
            action: listen("broken"),
        }];
        let mut fake = Fake::default();
        assert_eq!(execute(&steps, Ok(&mut fake)), Outcome::Observed(Vec::new()));
    }

    #[test]
    fn a_failed_constructor_decides_the_outcome() {
        let outcome = |stop| execute::<&mut Fake>(&[], Err(stop));
        let (unsupported, broken) = ("no /slow".to_owned(), "no port".to_owned());
        assert_eq!(
            outcome(Stop::Unsupported(unsupported.clone())),
            Outcome::Unsupported(unsupported)
        );
        assert_eq!(outcome(Stop::Broken(broken.clone())), Outcome::Broken(broken));
    }
}
