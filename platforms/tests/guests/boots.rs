//! Every platform boots, prepares itself, exchanges data with the host and powers off. Saved states are restored.

use std::{
    io::{BufRead, BufReader, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reusespec_core::protocol::Reply;

use reusespec_platforms::{
    cache::Cache,
    profile::Accelerator,
    qemu::{Guest, Launch, Start, decide_accelerator},
};
use rstest::rstest;

use super::setup::{Session, Setup, agent};

#[rstest]
#[case::linux_5_10("linux-5.10", "5.10.")]
#[case::linux_6_1("linux-6.1", "6.1.")]
#[case::linux_6_12("linux-6.12", "6.12.")]
#[case::linux_7("linux-7", "7.")]
#[case::arm64("linux-arm64", "6.1.")]
#[case::riscv64("linux-riscv64", "6.12.")]
#[case::s390x("linux-s390x", "6.1.")]
fn a_guest_boots_prepares_itself_and_powers_off(#[case] platform: &str, #[case] version: &str) {
    let Some(setup) = Setup::of(platform) else { return };
    let mut session = Session::with(setup.start().unwrap());
    let hello = session.read_line();
    assert_eq!(hello, format!("hello {}", setup.kernel.release));
    assert!(setup.kernel.release.starts_with(version), "{hello}");
    assert_eq!(session.ask("echo there and back"), "there and back");
    let modules = session.ask("modules");
    for wanted in ["tun", "veth"] {
        assert!(modules.split(' ').any(|module| module == wanted), "{modules}");
    }
    // IFF_UP | IFF_LOOPBACK
    assert_eq!(session.ask("lo"), "0x9");
    assert_eq!(session.ask("off"), "bye");
    assert!(session.guest.wait(Duration::from_secs(20)).unwrap().success());
    assert_eq!(session.read_line(), "");
}

#[rstest]
#[case::little_endian("linux-6.12")]
#[case::big_endian("linux-s390x")]
fn the_agent_reports_its_machine_and_finishes(#[case] platform: &str) {
    let Some(mut setup) = Setup::of(platform) else {
        return;
    };
    setup.agent = agent("reusespec-agent", &setup.profile.target).unwrap();
    let mut link = setup.start().unwrap().into_link().unwrap();
    link.requests.write_all(b"\"finish\"\n").unwrap();
    let mut lines = BufReader::new(link.replies).lines();
    let mut reply = || serde_json::from_str::<Reply>(&lines.next().unwrap().unwrap()).unwrap();
    let Reply::Hello(hello) = reply() else {
        panic!("the first line is a hello")
    };
    assert_eq!(hello.machine, setup.profile.machine);
    for capability in &setup.profile.capabilities {
        assert_eq!(hello.lacks(capability), None, "{capability}");
    }
    assert_eq!(reply(), Reply::Done { count: 0 });
    assert_eq!(lines.count(), 0);
    assert!(
        link.handle
            .diagnostics()
            .starts_with("QEMU ended with exit status: 0")
    );
}

#[rstest]
#[case::second_serial_port(false, 40_000)]
#[case::virtio_serial(true, 1_000_000)]
fn a_burst_arrives_complete_without_qemus_standard_input(#[case] large_payload: bool, #[case] bytes: usize) {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let mut session = Session::with(
        Guest::start(Launch {
            large_payload,
            ..setup.launch()
        })
        .unwrap(),
    );
    session.read_line();
    assert_eq!(session.ask(&format!("burst {bytes}")).len(), bytes);
}

#[rstest]
#[case::second_serial_port(false)]
#[case::virtio_serial(true)]
fn requests_to_a_busy_guest_are_not_lost(#[case] large_payload: bool) {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let mut session = Session::with(
        Guest::start(Launch {
            large_payload,
            ..setup.launch()
        })
        .unwrap(),
    );
    session.read_line();
    // More than the UART, the terminal's buffer (64 KiB) and its line buffer (4 KiB) can hold.
    let lines: Vec<_> = (0..500)
        .map(|count| format!("{count} {}", "y".repeat(200)))
        .collect();
    let text: String = lines.iter().map(|line| format!("echo {line}\n")).collect();
    session
        .guest
        .channel()
        .write_all(format!("sleep 1\n{text}").as_bytes())
        .unwrap();
    assert!(session.read_line().starts_with("1."));
    for line in lines {
        assert_eq!(session.read_line(), line);
    }
}

#[rstest]
#[case::second_serial_port(false)]
#[case::virtio_serial(true)]
fn a_restored_guest_has_the_current_time_and_its_own_seed(#[case] large_payload: bool) {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let cache = Cache::at(folder.path());
    let start = || {
        Session::with(
            Guest::start(Launch {
                large_payload,
                warm: true,
                cache: &cache,
                ..setup.launch()
            })
            .unwrap(),
        )
    };

    let mut random = Vec::new();
    for expected in [Start::Cold, Start::Warm, Start::Warm] {
        let mut session = start();
        assert_eq!(session.guest.started(), expected);
        assert_eq!(session.read_line(), format!("hello {}", setup.kernel.release));
        let clock: u64 = session.ask("clock").parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(clock) <= 2, "{now} {clock}");
        random.push(session.ask("random"));
        assert_eq!(session.ask("off"), "bye");
    }
    random.sort();
    random.dedup();
    assert_eq!(random.len(), 3);
}

#[test]
fn a_state_that_cannot_be_restored_is_replaced_by_a_boot() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let cache = Cache::at(folder.path());
    let start = || {
        Guest::start(Launch {
            warm: true,
            cache: &cache,
            ..setup.launch()
        })
        .unwrap()
        .started()
    };
    assert_eq!(start(), Start::Cold);
    // A state with the right checksum that QEMU cannot restore.
    let boot = std::fs::read_dir(folder.path().join("states"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for entry in std::fs::read_dir(boot).unwrap().map(Result::unwrap) {
        let content = match entry.path().extension().unwrap().to_str() {
            Some("json") => r#"{"sha256":"","crc32":907060870,"bytes":5}"#,
            _ => "hello",
        };
        std::fs::write(entry.path(), content).unwrap();
    }
    assert_eq!(start(), Start::Cold);
    assert_eq!(start(), Start::Warm);
}

#[test]
fn the_accelerator_decision_holds_for_the_next_guest() {
    let Some(setup) = Setup::of("linux-6.12") else {
        return;
    };
    let verdict = decide_accelerator(setup.launch());
    assert_eq!(verdict.reason.is_some(), verdict.accelerator == Accelerator::Tcg);
    assert_eq!(decide_accelerator(setup.launch()), verdict, "and is remembered");
    let guest = Guest::start(Launch {
        accelerator: verdict.accelerator,
        ..setup.launch()
    })
    .unwrap();
    assert_eq!(
        Session::with(guest).read_line(),
        format!("hello {}", setup.kernel.release)
    );
}
