//! Makes cargo notice new scenario files and profiles: rstest lists them when the tests are compiled.

fn main() {
    for folder in [
        "port-reuse",
        "keepalive",
        "fastcgi",
        "http",
        "../harness/implementations",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
