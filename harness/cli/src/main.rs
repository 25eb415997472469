//! The command `reusespec`.

use clap::Parser;
use reusespec::arguments::Arguments;

fn main() {
    std::process::exit(reusespec::command::dispatch(&Arguments::parse()));
}
