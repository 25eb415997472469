//! The agent as a program: JSON lines on standard input and output.

fn main() {
    std::process::exit(reusespec_agent::main());
}
