//! Platforms that this program does not boot: a command that acts as an agent, and a machine reached by ssh.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use reusespec_channel::relay::{self, Guest};
use reusespec_core::handshake::{READY, serving};

use crate::deaths::wait_for;
use crate::fixture::{Fixture, SHARING, left_out};

#[test]
fn a_command_that_acts_as_an_agent_is_a_platform() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let program = env!("CARGO_BIN_EXE_reusespec");
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("box.toml");
    fs::write(
        &file,
        format!("[boot.command]\nprogram = [{program:?}, \"agent\"]\n"),
    )
    .unwrap();
    let answer = fixture.run(&["run", "--platform", &file.to_string_lossy(), "--format", "json"]);
    assert_eq!(answer.summary()["cases"], 2, "{answer:?}");
    assert!(
        answer.json().iter().any(|line| line["platform"] == "box"),
        "{}",
        answer.stdout
    );
    assert_eq!(answer.summary()["broken"], 0, "{answer:?}");
}

#[test]
fn a_failing_command_breaks_the_cases_with_its_error_output() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("box.toml");
    let text = "[boot.command]\nprogram = [\"sh\", \"-c\", \"echo no such box >&2; exit 7\"]\n";
    fs::write(&file, text).unwrap();
    let answer = fixture.run(&["run", "--platform", &file.to_string_lossy(), "--format", "json"]);
    assert_eq!(answer.status, 69, "{answer:?}");
    assert_eq!(answer.summary()["broken"], 2);
    assert!(answer.stdout.contains("no such box"), "{}", answer.stdout);
}

/// An ssh server that is stopped when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts it with keys in `folder`.
    ///
    /// # Errors
    /// What this machine lacks for it.
    fn start(folder: &Path) -> Result<Self, String> {
        let program = "/usr/sbin/sshd";
        if !Path::new(program).exists() {
            return Err("there is no sshd (Debian: apt install openssh-server)".to_owned());
        }
        let user = nix::unistd::User::from_uid(nix::unistd::getuid());
        let shell = user
            .ok()
            .flatten()
            .map_or_else(Default::default, |user| user.shell);
        if ["", "/bin/false", "/usr/sbin/nologin"]
            .iter()
            .any(|none| shell == Path::new(none))
        {
            return Err("this user has no shell to log in to".to_owned());
        }
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", key])
                .current_dir(folder)
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Err("ssh-keygen failed".to_owned());
            }
        }
        fs::copy(folder.join("user.pub"), folder.join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let at = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n",
            at("host"),
            at("authorized")
        );
        // The test looks here for files that a login leaves behind.
        fs::create_dir(folder.join("tmp")).unwrap();
        let config = format!("{config}SetEnv TMPDIR={}\n", at("tmp"));
        fs::write(folder.join("config"), config).unwrap();
        let log = folder.join("log");
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(folder.join("config"))
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .map_err(|error| format!("sshd does not start: {error}"))?;
        let mut server = Self { child, port };
        wait_for("an ssh server, or its end", || {
            let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
            let connected = TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok();
            if connected {
                return Some(Ok(()));
            }
            let ended = server.child.try_wait().unwrap().is_some();
            ended.then(|| {
                Err(format!(
                    "sshd ended: {}",
                    fs::read_to_string(&log).unwrap_or_default().trim()
                ))
            })
        })
        .map(|()| server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_sent_by_ssh_leaves_no_files() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let needed =
        reusespec_platforms::agents::find("x86_64-unknown-linux-musl").map_err(|error| error.to_string());
    let own = tempfile::tempdir().unwrap();
    let server = needed.and_then(|_| Server::start(own.path()));
    let server = match server {
        Ok(server) => server,
        Err(why) => {
            left_out("ssh", &why);
            return;
        }
    };
    let options = [
        "-p".to_owned(),
        server.port.to_string(),
        "-i".to_owned(),
        own.path().join("user").display().to_string(),
        "-F/dev/null".to_owned(),
        "-oStrictHostKeyChecking=no".to_owned(),
        "-oUserKnownHostsFile=/dev/null".to_owned(),
        "-oBatchMode=yes".to_owned(),
    ];
    let file = own.path().join("box.toml");
    fs::write(
        &file,
        format!("[boot.ssh]\nhost = \"127.0.0.1\"\noptions = {options:?}\n"),
    )
    .unwrap();
    let answer = fixture.run(&["run", "--platform", &file.to_string_lossy(), "--format", "json"]);
    assert_eq!(answer.summary()["cases"], 2, "{answer:?}");
    assert_eq!(answer.summary()["broken"], 0, "{answer:?}");
    // The remote shell removes its folder when the connection ends.
    wait_for("an empty folder", || {
        fs::read_dir(own.path().join("tmp"))
            .unwrap()
            .next()
            .is_none()
            .then_some(())
    });
}

/// The test starts itself as the command, which then behaves as the first process of a guest.
#[test]
fn a_command_platform_gets_the_time_of_day_and_its_channel_is_relayed() {
    const GUEST: &str = "REUSESPEC_TEST_GUEST";
    if let Some(answer) = std::env::var_os(GUEST) {
        be_a_guest(Path::new(&answer));
        return;
    }
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let own = tempfile::tempdir().unwrap();
    let answer = own.path().join("answer");
    let script = format!(
        "{GUEST}='{}' exec '{}' --nocapture --exact remote::a_command_platform_gets_the_time_of_day_and_its_channel_is_relayed",
        answer.display(),
        std::env::current_exe().unwrap().display()
    );
    let file = own.path().join("box.toml");
    fs::write(
        &file,
        format!("[boot.command]\nprogram = [\"sh\", \"-c\", {script:?}]\n"),
    )
    .unwrap();
    let run = fixture.run(&["run", "--platform", &file.to_string_lossy(), "--format", "json"]);
    assert_eq!(run.summary()["cases"], 2, "{run:?}");
    assert_eq!(run.summary()["broken"], 0, "{run:?}");
    let go = fs::read_to_string(answer).unwrap();
    let words: Vec<_> = go.split_whitespace().collect();
    assert!(
        words.len() == 3 && words[0] == "go" && words[1].parse::<u64>().is_ok(),
        "{go}"
    );
}

/// Prints what the first process of a guest prints, records the host's answer, and relays between standard streams and an
/// agent.
fn be_a_guest(answer: &Path) {
    let mut input = fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut output = fs::File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    output
        .write_all(format!("booting\n{READY}\n").as_bytes())
        .unwrap();
    let (mut go, mut byte) = (Vec::new(), [0]);
    while !go.ends_with(b"\n") {
        input.read_exact(&mut byte).unwrap();
        go.extend(byte);
    }
    fs::write(answer, go).unwrap();
    output
        .write_all(format!("{}\n", serving(300)).as_bytes())
        .unwrap();
    let (line, middle) = UnixStream::pair().unwrap();
    let mut to_line = middle.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut input, &mut to_line));
    let mut from_line = middle;
    let sent = std::thread::spawn(move || std::io::copy(&mut from_line, &mut output));
    let (local, ours) = UnixStream::pair().unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_reusespec"))
        .arg("agent")
        .stdin(OwnedFd::from(local.try_clone().unwrap()))
        .stdout(OwnedFd::from(local))
        .spawn()
        .unwrap();
    relay::run(line, &ours, Guest::default(), relay::TO_HOST_WINDOW, Vec::new()).unwrap();
    drop(ours);
    agent.wait().unwrap();
    sent.join().unwrap().unwrap();
}
