//! Prints the machine and the kernel, or exits as requested: `runner-example [exit STATUS | abort]`.

use std::process::{ExitCode, abort};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            let release = runner_example::kernel_release().unwrap_or_default();
            println!("{} {release}", std::env::consts::ARCH);
            ExitCode::SUCCESS
        }
        ["exit", status] => ExitCode::from(status.parse::<u8>().unwrap_or(2)),
        ["abort"] => abort(),
        _ => {
            eprintln!("unknown arguments: {words:?}");
            ExitCode::from(2)
        }
    }
}
