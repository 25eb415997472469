//! Builds QEMU's command line from a profile. This is a pure function, and a snapshot test covers all platforms.
//!
//! `process` starts QEMU and provides the three file descriptors; `warm` hashes the command line. The options for one
//! operating system, or for complete systems, are in the modules below this one.
//!
//! Channel, monitor and console are inherited file descriptors with fixed numbers instead of paths. So no other process
//! can open them, no path is too long for a socket, and the command line is the same in every run. QEMU's standard
//! input is not used: when it is at end of file, as under a CI runner, `-chardev stdio` drops the guest's output.

use std::path::Path;

mod disk;
mod dragonfly;
mod freebsd;
mod linux;

use reusespec_core::handshake::PORT_NAME;

use crate::profile::{Accelerator, BootMethod, Clock, MachineType, PlatformProfile};
use crate::root_image::INPUT;

/// The channel: a connected socket, or with batch input a pipe.
pub(super) const DATA_FD: i32 = 3;
/// The monitor (QMP): a connected socket.
pub(super) const MONITOR_FD: i32 = 4;
/// The console: a write-only file, or a connected socket if the host logs in at it.
pub(super) const CONSOLE_FD: i32 = 5;

/// What the command line depends on besides the profile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// KVM or TCG.
    pub(super) accelerator: Accelerator,
    /// Whether the kernel has a driver for virtio-serial.
    pub(super) virtio_console: bool,
    /// The kernel, or the image of a complete system.
    pub(super) image: &'a Path,
    /// The initramfs, for kernels that take one.
    pub(super) initramfs: Option<&'a Path>,
    /// Our Multiboot loader, for kernels that QEMU cannot start.
    pub(super) loader: Option<&'a Path>,
    /// The root image, which the kernel or the initramfs mounts. For a complete system, the medium that carries the
    /// agent.
    pub(super) root: Option<&'a Path>,
    /// Whether the channel will carry a large payload.
    pub(super) large_payload: bool,
    /// Whether the agent reads batch input from `/input` on its first root file system.
    pub(super) input: bool,
    /// QEMU's random seed.
    pub(super) seed: u64,
}

/// The arguments after the program's name.
pub(super) fn arguments(
    profile: &PlatformProfile,
    boot_method: BootMethod,
    choice: Choice<'_>,
) -> Vec<String> {
    let qemu = profile.qemu();
    let machine_type = machine_type(profile, choice);
    let mut line = Line::default();
    line.pair(
        "-machine",
        match boot_method {
            BootMethod::Initramfs => linux::machine(machine_type),
            BootMethod::RootImage => freebsd::machine(profile),
            BootMethod::Loader => dragonfly::machine(profile),
            BootMethod::Disk => disk::MACHINE,
        },
    );
    line.pair(
        "-accel",
        if choice.accelerator == Accelerator::Kvm {
            "kvm"
        } else {
            "tcg"
        },
    );
    line.pair("-cpu", &qemu.cpu);
    line.pair("-m", &qemu.memory_mib.to_string());
    if qemu.processors != 1 {
        line.pair("-smp", &qemu.processors.to_string());
    }
    line.pair("-seed", &choice.seed.to_string());
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        line.0.push(flag.into());
    }
    line.pair("-display", "none");
    if profile.clock == Clock::Virtual {
        // An idle CPU skips to its next timer. The clock starts at the same moment in every run.
        line.pair(
            "-icount",
            match boot_method {
                BootMethod::Initramfs => linux::ICOUNT,
                BootMethod::RootImage | BootMethod::Loader | BootMethod::Disk => freebsd::ICOUNT,
            },
        );
        line.pair("-rtc", "base=2026-01-01,clock=vm");
    }
    if boot_method == BootMethod::Disk {
        line.pair("-chardev", &format!("socket,id=console,fd={CONSOLE_FD}"));
    } else {
        line.pair("-add-fd", &format!("fd={CONSOLE_FD},set=1"));
        line.pair("-chardev", "file,id=console,path=/dev/fdset/1");
    }
    if choice.input && profile.clock == Clock::Virtual {
        // With batch input in virtual time the guest only sends, through a pipe; `output_pipe` explains why. Without `append=on` QEMU
        // would truncate the file, which fails on a pipe.
        line.pair("-add-fd", &format!("fd={DATA_FD},set=2"));
        line.pair("-chardev", "file,id=data,path=/dev/fdset/2,append=on");
    } else {
        line.pair("-chardev", &format!("socket,id=data,fd={DATA_FD}"));
    }
    line.pair("-chardev", &format!("socket,id=monitor,fd={MONITOR_FD}"));
    line.pair("-mon", "chardev=monitor,mode=control");
    match boot_method {
        BootMethod::Loader => dragonfly::serial_ports(&mut line),
        BootMethod::Initramfs | BootMethod::RootImage | BootMethod::Disk => {
            devices(&mut line, machine_type, channel(profile, boot_method, choice));
        }
    }
    match boot_method {
        BootMethod::Disk => disk::media(&mut line, choice),
        BootMethod::Loader => dragonfly::boot(&mut line, profile, choice),
        BootMethod::Initramfs | BootMethod::RootImage => {
            direct(&mut line, choice);
            let words = match boot_method {
                BootMethod::RootImage => freebsd::command_line(profile, choice.input),
                _ => linux::command_line(
                    profile,
                    machine_type,
                    channel(profile, boot_method, choice),
                    choice,
                ),
            };
            if boot_method == BootMethod::RootImage {
                line.pair("-device", freebsd::EXIT);
            }
            line.pair("-append", &words);
        }
    }
    line.0
}

/// The word that tells the agent of its input file: it goes on with the channel in real time only.
fn input_word(profile: &PlatformProfile) -> String {
    let name = match profile.clock {
        Clock::Real => "REUSESPEC_PRELOAD",
        Clock::Virtual => "REUSESPEC_INPUT",
    };
    format!("{name}={INPUT}")
}

/// Adds a kernel that QEMU starts directly, and its file systems.
fn direct(line: &mut Line, choice: Choice<'_>) {
    if let Some(root) = choice.root {
        let file = root.to_string_lossy();
        line.pair(
            "-drive",
            &format!("file={file},if=none,id=root,format=raw,read-only=on"),
        );
        line.pair("-device", "virtio-blk-pci,drive=root");
    }
    line.pair("-kernel", &choice.image.to_string_lossy());
    if let Some(initramfs) = choice.initramfs {
        line.pair("-initrd", &initramfs.to_string_lossy());
    }
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn pair(&mut self, option: &str, value: &str) {
        self.0.extend([option.to_owned(), value.to_owned()]);
    }
}

/// The device of the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    /// virtio-serial: 25 to 55 MiB/s on an emulated CPU.
    Virtio,
    /// The second UART: 0.1 MiB/s, but it needs neither an extra driver nor PCI.
    Serial,
}

fn channel(profile: &PlatformProfile, boot_method: BootMethod, choice: Choice<'_>) -> Channel {
    if boot_method != BootMethod::Initramfs {
        // The kernels of the BSDs have no driver for virtio-serial.
        return Channel::Serial;
    }
    match machine_type(profile, choice) {
        // Its only virtio transport needs ACPI, or a kernel option that distributions do not set.
        MachineType::Microvm => Channel::Serial,
        // The virtual clock orders the bytes of a UART, but not the work of virtio's threads.
        MachineType::Q35 if profile.clock == Clock::Virtual || !choice.virtio_console => Channel::Serial,
        MachineType::Q35 | MachineType::Virt | MachineType::S390 => Channel::Virtio,
    }
}

/// The machine type. `microvm` boots fastest, but `q35` replaces it in three cases. In virtual time, because without
/// ACPI only the PIT can wake an idle guest, which is ten times slower. For a large payload, because virtio-serial
/// needs PCI, and its speed outweighs the half second that PCI costs. For a root image, because a disk needs PCI.
fn machine_type(profile: &PlatformProfile, choice: Choice<'_>) -> MachineType {
    let fast = choice.large_payload && choice.virtio_console;
    match profile.qemu().machine_type {
        MachineType::Microvm if profile.clock == Clock::Virtual || fast || choice.root.is_some() => {
            MachineType::Q35
        }
        machine_type => machine_type,
    }
}

fn devices(line: &mut Line, machine_type: MachineType, channel: Channel) {
    match machine_type {
        MachineType::S390 => line.pair("-device", "sclpconsole,chardev=console"),
        MachineType::Microvm | MachineType::Q35 | MachineType::Virt => {
            line.pair("-serial", "chardev:console");
        }
    }
    match (channel, machine_type) {
        (Channel::Serial, _) => line.pair("-device", "isa-serial,index=1,chardev=data"),
        (Channel::Virtio, machine_type) => {
            line.pair(
                "-device",
                match machine_type {
                    MachineType::Microvm | MachineType::Q35 => "virtio-serial-pci",
                    MachineType::Virt => "virtio-serial-device",
                    MachineType::S390 => "virtio-serial-ccw",
                },
            );
            line.pair(
                "-device",
                &format!("virtserialport,chardev=data,name={PORT_NAME}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Boot, names};

    #[test]
    fn every_platform_has_the_measured_command_line() {
        let mut text = String::new();
        for name in names() {
            let profile = PlatformProfile::find(&name).unwrap();
            let boot_method = profile.boot_method().unwrap();
            let input = profile.clock == Clock::Virtual;
            let choice = Choice {
                accelerator: Accelerator::Tcg,
                virtio_console: true,
                image: Path::new(if boot_method == BootMethod::Disk {
                    "SYSTEM"
                } else {
                    "KERNEL"
                }),
                loader: (boot_method == BootMethod::Loader).then_some(Path::new("LOADER")),
                initramfs: (boot_method == BootMethod::Initramfs).then_some(Path::new("INITRAMFS")),
                root: match boot_method {
                    BootMethod::Initramfs => None,
                    BootMethod::RootImage | BootMethod::Loader => Some(Path::new("ROOT.iso")),
                    BootMethod::Disk => Some(Path::new("AGENT")),
                },
                large_payload: false,
                input,
                seed: 7,
            };
            text += &format!("{name}: qemu-system-{}\n", profile.qemu().emulator);
            for pair in arguments(&profile, boot_method, choice).chunk_by(|_, next| !next.starts_with('-')) {
                text += &format!("    {}\n", pair.join(" "));
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn without_a_virtio_driver_the_channel_is_the_second_serial_port() {
        let profile = PlatformProfile::find("linux-6.1").unwrap();
        let path = Path::new("x");
        let line = |large_payload, virtio_console| {
            let accelerator = Accelerator::Tcg;
            let choice = Choice {
                accelerator,
                virtio_console,
                image: path,
                initramfs: Some(path),
                loader: None,
                root: None,
                large_payload,
                input: false,
                seed: 0,
            };
            arguments(&profile, BootMethod::Initramfs, choice).join(" ")
        };
        assert!(line(true, true).contains("q35") && line(true, true).contains("virtserialport"));
        for (large_payload, virtio_console) in [(false, true), (true, false), (false, false)] {
            let line = line(large_payload, virtio_console);
            assert!(
                line.contains("microvm") && line.contains("isa-serial,index=1"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_second_processor_is_an_option() {
        let mut profile = PlatformProfile::find("freebsd-14").unwrap();
        let Boot::Qemu(qemu) = &mut profile.boot;
        qemu.processors = 2;
        let choice = Choice {
            accelerator: Accelerator::Tcg,
            virtio_console: false,
            image: Path::new("KERNEL"),
            initramfs: None,
            loader: None,
            root: Some(Path::new("ROOT.iso")),
            large_payload: false,
            input: false,
            seed: 0,
        };
        let line = arguments(&profile, BootMethod::RootImage, choice).join(" ");
        assert!(line.contains("-m 256 -smp 2 "), "{line}");
    }

    #[test]
    fn each_word_for_a_bsd_has_its_reason() {
        let lines: Vec<_> = (freebsd::WORDS.iter())
            .chain(&dragonfly::WORDS)
            .map(|(word, reason)| format!("{word:40} {reason}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_root_image_is_a_disk_and_a_disk_needs_pci() {
        let profile = PlatformProfile::find("linux-6.12").unwrap();
        let choice = Choice {
            accelerator: Accelerator::Tcg,
            virtio_console: false,
            image: Path::new("KERNEL"),
            initramfs: Some(Path::new("INITRAMFS")),
            loader: None,
            root: Some(Path::new("ROOT.iso")),
            large_payload: false,
            input: false,
            seed: 0,
        };
        let line = arguments(&profile, BootMethod::Initramfs, choice).join(" ");
        for part in [
            "-machine q35",
            "-device virtio-blk-pci,drive=root",
            "isa-serial,index=1,chardev=data",
            "REUSESPEC_ROOT=/dev/vda",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
