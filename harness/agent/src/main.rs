//! The agent as a program of its own: it speaks the protocol on standard input and output.
//!
//! `reusespec agent` runs the same code. Guests and remote machines get this smaller program.

fn main() {
    std::process::exit(reusespec_agent::main());
}
