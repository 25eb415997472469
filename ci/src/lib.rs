//! What automation and tests share: the rules of the repository, and what an executable says about itself.

pub mod executable;
pub mod rules;
