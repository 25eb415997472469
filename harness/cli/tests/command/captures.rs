//! `--capture`: the files are read here without the code that wrote them.

use std::fs;
use std::path::PathBuf;

use crate::fixture::Fixture;

const SILENT: &str = r#"
title = "A silent peer"
why = "a test"
source = ["rfc9293 3.8.4"]
matrix.family = ["ipv4"]
steps = [
  { connect = { socket = "c", family = "$family" } },
  { set-raw = { socket = "c", option = "TCP_KEEPIDLE", value = 1 } },
  { set-raw = { socket = "c", option = "SO_KEEPALIVE", value = 1 } },
  { await-probes = { socket = "c", count = 1, within = "5s", label = "probe" } },
]
"#;

/// The packets of a pcapng file: the bodies of its enhanced packet blocks.
fn packets(file: &[u8]) -> Vec<&[u8]> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let mut packets = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let length = word(at + 4);
        if word(at) == 6 {
            packets.push(&file[at + 8..at + length - 4]);
        }
        at += length;
    }
    packets
}

#[test]
fn a_capture_has_the_observed_probe() {
    let fixture = Fixture::with(&[]);
    fs::create_dir(fixture.path().join("keepalive")).unwrap();
    fs::write(fixture.path().join("keepalive/silent.toml"), SILENT).unwrap();
    let captures = fixture.path().join("captures");
    let output = fixture.run(&["run", "--format", "json", "--capture", captures.to_str().unwrap()]);
    let probe = &output.json()[0]["observed"]["probe"];
    if probe.is_null() && output.summary()["unsupported"] == 1 {
        // This machine cannot create the network device, and the run reports the case as unsupported.
        return;
    }
    assert_eq!(probe["outcome"], "ok", "{output:?}");
    let file: PathBuf = captures.join("keepalive/silent/family=ipv4.pcapng");
    let file = fs::read(file).unwrap();
    let probes: Vec<_> = packets(&file)
        .into_iter()
        .filter(|packet| packet.windows(17).any(|text| text == b"keepalive probe 1"))
        .collect();
    assert_eq!(probes.len(), 1);
    // An IPv4 header of 20 octets after the 20 of the block; 6 is TCP.
    assert_eq!((probes[0][20] >> 4, probes[0][20 + 9]), (4, 6));
}
