//! The four vocabularies: one module a family, each executes the steps of its cases.

pub(crate) mod fastcgi;
pub(crate) mod http;
pub(crate) mod keepalive;
pub(crate) mod socket;
