//! Executes cases where they run and streams observations back.

#[cfg(target_os = "linux")]
pub mod init;
