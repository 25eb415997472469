//! What automation and tests share: the rules of the repository.

pub mod rules;
