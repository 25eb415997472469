//! Keepalive on the wire: the time that a case takes beyond its schedule, how far the waits of the family overlap, and
//! the difference between the recorded times and tcpdump(1)'s for the same segments.
//!
//! tcpdump runs in the network namespace of the case, on the kernel's end of the wire. That needs root and nsenter(1);
//! without them the benchmark prints that this figure was not measured.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::suite;

const ROUNDS: usize = 5;
/// Idle 1 s, interval 1 s, count 2: ends after 3 s.
const CASE: [&str; 3] = [
    "keepalive/silent-peer",
    "--case",
    "schedule=1-1-2,family=ipv4,side=connected",
];
/// The longest waits in the family: 5 s of quiet and 2.6 s of watching in `a-live-peer-is-never-dropped`.
const LONGEST_WAIT: Duration = Duration::from_millis(7600);

pub(crate) fn measure() -> io::Result<()> {
    let mut out = io::stdout();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.extend(suite::run(&CASE)?.first().map(|case| case.elapsed_ms));
    }
    times.sort_by(f64::total_cmp);
    writeln!(
        out,
        "idle 1, interval 1, count 2: done after median {:.1} ms, at most {:.1} ms (3000 by the schedule)",
        times[times.len() / 2],
        times[times.len() - 1]
    )?;
    let started = Instant::now();
    let cases = suite::run(&["keepalive"])?;
    let wall = started.elapsed().as_secs_f64();
    let longest = LONGEST_WAIT.as_secs_f64();
    writeln!(
        out,
        "the family, {} cases: {wall:.2} s; its longest wait {longest:.2} s; bound {:.2} s",
        cases.len(),
        longest * 1.15 + 2.0
    )?;
    match differences()? {
        Some(mut differences) if !differences.is_empty() => {
            differences.sort_by(f64::total_cmp);
            writeln!(
                out,
                "recorded times beside tcpdump's: median {:.3} ms, at most {:.3} ms, of {} segments",
                differences[differences.len() / 2],
                differences[differences.len() - 1],
                differences.len()
            )
        }
        _ => writeln!(
            out,
            "recorded times beside tcpdump's: not measured, needs root, nsenter and tcpdump"
        ),
    }
}

/// The differences in milliseconds, one per probe and RST; `None` where tcpdump cannot run.
fn differences() -> io::Result<Option<Vec<f64>>> {
    let folder = std::env::temp_dir().join(format!("reusespec-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut differences = Vec::new();
    for _ in 0..ROUNDS {
        let Some(theirs) = run_beside_tcpdump(&folder)? else {
            fs::remove_dir_all(&folder)?;
            return Ok(None);
        };
        let ours = folder.join("keepalive/silent-peer/schedule=1-1-2,family=ipv4,side=connected.pcapng");
        let [ours, theirs] = [times(&ours)?, times(&theirs)?];
        // Counted from the end: tcpdump may have missed the handshake.
        let pairs = ours.iter().rev().zip(theirs.iter().rev()).take(3);
        differences.extend(pairs.map(|(one, other)| (one - other).abs() * 1e3));
    }
    fs::remove_dir_all(&folder)?;
    Ok(Some(differences))
}

fn run_beside_tcpdump(folder: &Path) -> io::Result<Option<std::path::PathBuf>> {
    let file = folder.join("tcpdump.pcap");
    let mut run = Command::new(suite::program()?)
        .arg("run")
        .args(CASE)
        .args(["--format", "json", "--capture"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let tcpdump = beside(run.id(), &file);
    run.wait()?;
    match tcpdump {
        Some(mut tcpdump) => {
            // tcpdump ends when its interface goes, so it may have ended already.
            thread::sleep(Duration::from_millis(100));
            let _ = tcpdump.kill();
            tcpdump.wait()?;
            Ok(file.exists().then_some(file))
        }
        None => Ok(None),
    }
}

/// Starts tcpdump in the first network namespace of a descendant of process `run` that is not this one.
fn beside(run: u32, file: &Path) -> Option<Child> {
    let own = fs::read_link("/proc/self/ns/net").ok()?;
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let other = descendants(run)
            .into_iter()
            .find(|process| fs::read_link(format!("/proc/{process}/ns/net")).is_ok_and(|net| net != own));
        let wire = |process: &u32| {
            fs::read_to_string(format!("/proc/{process}/net/dev")).is_ok_and(|text| text.contains("wire0"))
        };
        if let Some(process) = other.filter(wire) {
            return Command::new("nsenter")
                .arg(format!("--net=/proc/{process}/ns/net"))
                // Without the immediate mode the last segments stay in its ring buffer when the interface goes.
                .args(["tcpdump", "--immediate-mode", "-i", "wire0", "-U", "-w"])
                .arg(file)
                .args(["--time-stamp-precision=nano", "-Z", "root"])
                .stderr(Stdio::null())
                .spawn()
                .ok();
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

fn descendants(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task");
    let tasks = fs::read_dir(path).into_iter().flatten().flatten();
    let children: Vec<u32> = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    let deeper: Vec<_> = children.iter().flat_map(|child| descendants(*child)).collect();
    children.into_iter().chain(deeper).collect()
}

/// The times of the segments that the kernel sent, in seconds since the epoch.
fn times(file: &Path) -> io::Result<Vec<f64>> {
    let output = Command::new("tcpdump")
        .args(["-tt", "-n", "--time-stamp-precision=nano", "-r"])
        .arg(file)
        .arg("src host 198.18.0.1")
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let time = |line: &str| line.split_whitespace().next()?.parse().ok();
    Ok(text.lines().filter_map(time).collect())
}
