//! Answers the questions of the tests, one line each, or fails as `REUSESPEC_DRILL` says.
//!
//! The drill comes from the kernel's command line, because it must take effect before there is a channel.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    mount::{MsFlags, mount},
    sys::signal::{Signal, raise},
};
use reusespec_agent::init;

pub(super) fn main() {
    if !init::is_init() {
        eprintln!("this program runs only as PID 1 of a guest");
        return;
    }
    match std::env::var("REUSESPEC_DRILL").as_deref() {
        // When PID 1 ends, the kernel panics.
        Ok("panic") => eprintln!("drill: PID 1 ends"),
        Ok("hang") => loop {
            thread::park();
        },
        Ok("garbage") => send_garbage(),
        _ => init::run(|reader, writer| serve(reader, writer).map_or(1, |()| 0)),
    }
}

/// Writes bytes without a line feed to the channel until that fails.
fn send_garbage() {
    let _ = mount(
        Some("dev"),
        "/dev",
        Some("devtmpfs"),
        MsFlags::empty(),
        None::<&str>,
    );
    let channel = std::env::var("REUSESPEC_CHANNEL").unwrap_or_default();
    let mut port = OpenOptions::new()
        .write(true)
        .open(channel)
        .expect("this drill needs a serial port");
    while port.write_all(b"\x80 no line feed, ever ").is_ok() {}
}

fn serve(reader: File, mut writer: impl Write) -> io::Result<()> {
    writer.write_all(format!("hello {}\n", read("/proc/sys/kernel/osrelease")).as_bytes())?;
    for line in BufReader::new(reader).lines() {
        let line = line?;
        let (question, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let number = argument.parse().unwrap_or(0);
        let answer = match question {
            "echo" => argument.to_owned(),
            "burst" => "x".repeat(number),
            "sleep" => sleep(Duration::from_secs(number as u64)),
            "clock" => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
                .to_string(),
            "random" => random()?,
            "modules" => first_words(&fs::read_to_string("/proc/modules")?),
            "lo" => read("/sys/class/net/lo/flags"),
            "die" => {
                let _ = raise(Signal::SIGKILL);
                String::new()
            }
            "off" => return writer.write_all(b"bye\n"),
            _ => format!("unknown question: {question}"),
        };
        writer.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn sleep(time: Duration) -> String {
    let before = Instant::now();
    thread::sleep(time);
    format!("{:?}", before.elapsed())
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

fn first_words(text: &str) -> String {
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .collect::<Vec<_>>()
        .join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
