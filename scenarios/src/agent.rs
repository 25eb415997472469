//! The agent, built in this package so that its tests know where it is on every target.

fn main() {
    std::process::exit(reusespec_agent::main());
}
