//! Where cases run: this machine, QEMU guests, other machines.
