//! The agent. It is built in this package, so that cargo tells the package's tests where it is on every target.

fn main() {
    std::process::exit(reusespec_agent::main());
}
