//! Failures of guests: each ends within its timeout in an error that quotes the console, and leaves no process or file.

use std::{
    fs,
    io::Write,
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reusespec_platforms::{
    cache::{Cache, CacheError},
    kernel::{self, KernelError},
    profile::KernelSource,
    qemu::{Guest, GuestError, Launch},
};

use super::setup::{Session, Setup, chain};

fn drill(name: &str) -> Option<Setup> {
    let mut setup = Setup::of("linux-6.12")?;
    setup.qemu().command_line.push(format!("REUSESPEC_DRILL={name}"));
    Some(setup)
}

fn runs(id: u32) -> bool {
    kill(Pid::from_raw(id.cast_signed()), None).is_ok()
}

/// QEMU processes of this user whose command line contains `word`.
fn qemus_with(word: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands
        .filter(|line| line.starts_with(b"/") && String::from_utf8_lossy(line).contains(word))
        .count()
}

#[test]
fn the_error_quotes_a_kernel_panic() {
    let Some(setup) = drill("panic") else { return };
    let error = setup.start().unwrap_err();
    assert!(matches!(error, GuestError::Ended { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("Kernel panic - not syncing: Attempted to kill init!"),
        "{error}"
    );
}

#[test]
fn a_silent_guest_times_out() {
    let Some(mut setup) = drill("hang") else { return };
    setup.profile.timing.boot_secs = 1;
    let started = Instant::now();
    let error = setup.start().unwrap_err();
    assert!(matches!(error, GuestError::BootTimeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(qemus_with("REUSESPEC_DRILL=hang"), 0);
}

#[test]
fn a_guest_that_sends_garbage_is_refused() {
    let Some(setup) = drill("garbage") else { return };
    let error = setup.start().unwrap_err();
    assert!(matches!(error, GuestError::Garbage { .. }), "{error}");
    assert!(error.to_string().contains("no line feed, ever"), "{error}");
    assert_eq!(qemus_with("REUSESPEC_DRILL=garbage"), 0);
}

#[test]
fn a_killed_agent_ends_the_guest_with_a_console_message() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let mut session = Session::with(setup.start().unwrap());
    session.read_line();
    assert_eq!(session.ask("die"), "", "the channel ends");
    assert!(session.guest.wait(Duration::from_secs(20)).is_some());
    assert!(
        session
            .guest
            .console_tail(5)
            .contains("the agent was killed: Signaled(")
    );
}

#[test]
fn a_channel_that_loses_bytes_delivers_every_line() {
    for name in ["linux-6.12", "linux-s390x"] {
        let Some(setup) = Setup::of(name) else { continue };
        let guest = Guest::start(Launch {
            drop_every: NonZeroU32::new(1500),
            ..setup.launch()
        });
        let mut session = Session::with(guest.unwrap());
        assert!(session.read_line().starts_with("hello "), "{name}");
        let mut notes = 0;
        let mut answer = |session: &mut Session, question: &str| {
            let mut line = session.ask(question);
            while line.starts_with("channel: ") {
                notes += 1;
                line = session.read_line();
            }
            line
        };
        for number in 0..50 {
            let text = format!("{number} {}", "word ".repeat(20));
            let question = format!("echo {text}");
            assert_eq!(answer(&mut session, &question), text.trim_end(), "{name}");
        }
        assert_eq!(answer(&mut session, "burst 30000"), "x".repeat(30_000), "{name}");
        assert!(notes > 0, "{name}: no loss was noted");
    }
}

#[test]
fn killing_qemu_closes_the_channel() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let mut session = Session::with(setup.start().unwrap());
    session.read_line();
    session.guest.channel().write_all(b"sleep 1000\n").unwrap();
    kill(Pid::from_raw(session.guest.id().cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(session.read_line(), "");
    assert!(!session.guest.wait(Duration::from_secs(10)).unwrap().success());
}

#[test]
fn dropping_a_guest_kills_qemu() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let guest = setup.start().unwrap();
    let id = guest.id();
    assert!(runs(id));
    drop(guest);
    assert!(!runs(id));
}

/// A killed run cannot clean up. The test starts itself as a child, which it then kills.
#[test]
fn qemu_dies_with_a_run_that_is_killed() {
    const CHILD: &str = "REUSESPEC_TEST_CHILD";
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    if let Some(note) = std::env::var_os(CHILD) {
        let guest = setup.start().unwrap();
        let part = PathBuf::from(&note).with_extension("part");
        fs::write(&part, guest.id().to_string()).unwrap();
        fs::rename(part, note).unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::TempDir::new().unwrap();
    let note = folder.path().join("qemu");
    let mut run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "drills::qemu_dies_with_a_run_that_is_killed"])
        .env(CHILD, &note)
        .spawn()
        .unwrap();
    let id = within(Duration::from_secs(60), || {
        fs::read_to_string(&note).ok()?.parse().ok()
    });
    assert!(runs(id));
    run.kill().unwrap();
    run.wait().unwrap();
    within(Duration::from_secs(10), || (!runs(id)).then_some(()));
}

/// Polls until `look` returns a value.
fn within<T>(budget: Duration, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + budget;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no result within {budget:?}");
        std::thread::yield_now();
    }
}

#[test]
fn an_agent_for_another_machine_is_refused_before_the_boot() {
    let Some(mut setup) = Setup::of("linux-6.12") else {
        return;
    };
    setup.profile.machine = "aarch64".into();
    let error = setup.start().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it is not a program for aarch64; build it with: cargo run -p ci -- agents"),
        "{error}"
    );
}

#[test]
fn a_damaged_kernel_in_the_cache_is_replaced() {
    let Some(mut setup) = Setup::of("linux-6.12") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    // The extracted kernel is the source, so that nothing is downloaded.
    let server = folder.path().join("vmlinux");
    fs::copy(&setup.kernel.image, &server).unwrap();
    setup.qemu().kernel = KernelSource::Path {
        image: server,
        modules: None,
        tree: None,
    };
    setup.qemu().modules.clear();
    setup.qemu().channel_modules.clear();
    let first = kernel::fetch(&setup.profile, &cache, &mut |_| ()).unwrap();
    let whole = fs::read(&first.image).unwrap();
    for damage in [&whole[..whole.len() / 2], b""] {
        fs::write(&first.image, damage).unwrap();
        assert!(kernel::cached(&setup.profile, &cache).is_none());
        let again = kernel::fetch(&setup.profile, &cache, &mut |_| ()).unwrap();
        assert_eq!(fs::read(again.image).unwrap().len(), whole.len());
    }
    setup.kernel = kernel::fetch(&setup.profile, &cache, &mut |_| ()).unwrap();
    assert!(
        Session::with(setup.start().unwrap())
            .read_line()
            .starts_with("hello 6.12")
    );
}

/// Uses a limit on file sizes instead of a full disk: it needs neither privileges nor a file system, and the cache
/// treats both errors alike. The test starts itself again under the limit.
#[test]
fn a_full_disk_is_reported_and_leaves_no_partial_file() {
    const CHILD: &str = "REUSESPEC_TEST_CHILD";
    let folder = tempfile::TempDir::new().unwrap();
    let Some(child_folder) = std::env::var_os(CHILD).map(PathBuf::from) else {
        let test = "drills::a_full_disk_is_reported_and_leaves_no_partial_file";
        let run = std::process::Command::new("/bin/sh")
            // SIGXFSZ is ignored, so that the write fails instead. The limit is in blocks of 512 bytes.
            .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"$1\""])
            .args([std::env::current_exe().unwrap().as_os_str(), test.as_ref()])
            .env(CHILD, folder.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    };
    let cache = Cache::at(&child_folder);
    let error = cache.store(&vec![1; 1 << 20]).unwrap_err();
    assert!(matches!(error, CacheError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("REUSESPEC_CACHE"), "{error}");
    assert_eq!(fs::read_dir(child_folder.join("blobs")).unwrap().count(), 0);
}

#[test]
fn the_error_names_a_file_that_is_no_kernel() {
    let Some(mut setup) = Setup::of("linux-6.12") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let image = folder.path().join("vmlinuz");
    fs::write(&image, "#!/bin/sh\n").unwrap();
    setup.qemu().kernel = KernelSource::Path {
        image: image.clone(),
        modules: None,
        tree: None,
    };
    let error = kernel::fetch(&setup.profile, &Cache::at(folder.path()), &mut |_| ()).unwrap_err();
    assert!(matches!(error, KernelError::Image { .. }));
    assert!(
        chain(&error).contains("vmlinuz: neither an ELF file nor an x86 bzImage"),
        "{}",
        chain(&error)
    );
    setup.qemu().kernel = KernelSource::Path {
        image: folder.path().join("absent"),
        modules: None,
        tree: None,
    };
    let error = kernel::fetch(&setup.profile, &Cache::at(folder.path()), &mut |_| ()).unwrap_err();
    assert!(matches!(error, KernelError::Read { .. }));
}

#[test]
fn a_missing_suite_is_an_error_of_apt() {
    let Some(mut setup) = Setup::of("linux-6.12") else {
        return;
    };
    setup.qemu().kernel = KernelSource::Debian {
        suite: "no-such-suite".into(),
        package: "linux-image-cloud-amd64".into(),
        architecture: "amd64".into(),
    };
    let folder = tempfile::TempDir::new().unwrap();
    let error = kernel::fetch(&setup.profile, &Cache::at(folder.path()), &mut |_| ()).unwrap_err();
    assert!(matches!(error, KernelError::Apt { .. }));
    assert!(
        chain(&error).starts_with("cannot get linux-image-cloud-amd64 of Debian no-such-suite: apt"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_guest_is_used_although_its_state_cannot_be_saved() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    // No state can be created below a regular file.
    fs::write(folder.path().join("states"), "").unwrap();
    let cache = Cache::at(folder.path());
    let guest = Guest::start(Launch {
        warm: true,
        cache: &cache,
        ..setup.launch()
    })
    .unwrap();
    assert!(Session::with(guest).read_line().starts_with("hello"));
}
