//! The part of the automation that tests use too: the rules of the repository.

pub mod rules;
