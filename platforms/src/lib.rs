//! Where cases run: this machine, QEMU guests, other machines.

pub mod cache;
pub mod doctor;
pub mod initramfs;
pub mod kernel;
pub mod process;
pub mod profile;
pub mod qemu;
