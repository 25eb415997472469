//! Makes cargo notice new and changed scenario files: rstest reads their names when the test is compiled.

fn main() {
    for family in ["port-reuse", "keepalive", "fastcgi", "http"] {
        println!("cargo::rerun-if-changed={family}");
    }
}
