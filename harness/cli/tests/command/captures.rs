//! What `--capture` keeps, read back without the code that wrote it.

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

/// The packets of a pcapng file: bodies of its enhanced packet blocks.
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
fn a_capture_has_the_probe_that_was_observed() {
    let fixture = Fixture::with(&[]);
    fs::create_dir(fixture.path().join("keepalive")).unwrap();
    fs::write(fixture.path().join("keepalive/silent.toml"), SILENT).unwrap();
    let kept = fixture.path().join("kept");
    let answer = fixture.run(&["run", "--format", "json", "--capture", kept.to_str().unwrap()]);
    let probe = &answer.json()[0]["observed"]["probe"];
    if probe.is_null() && answer.summary()["unsupported"] == 1 {
        // No wire can be made here, and the run has said so.
        return;
    }
    assert_eq!(probe["outcome"], "ok", "{answer:?}");
    let file: PathBuf = kept.join("keepalive/silent/family=ipv4.pcapng");
    let file = fs::read(file).unwrap();
    let probes: Vec<_> = packets(&file)
        .into_iter()
        .filter(|packet| packet.windows(17).any(|text| text == b"keepalive probe 1"))
        .collect();
    assert_eq!(probes.len(), 1);
    // An IPv4 header of 20 octets after the 20 of the block; 6 is TCP.
    assert_eq!((probes[0][20] >> 4, probes[0][20 + 9]), (4, 6));
}
