//! The scenarios are data beside this crate; its test runs them all.
