//! `run --platform freebsd-14 --kernel K --tree T` starts QEMU with a kernel of this test, which prints its command line
//! and panics.
//!
//! This tests what FreeBSD's kernel is given, not what it does with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reusespec_platforms::qemu::find_program;

use crate::fixture::{Fixture, Output, SHARING, left_out};

/// A small scenario of the keepalive family.
const SWITCH: &str = r#"
title = "The switch of a new socket"
why = "a test"
source = ["posix: setsockopt"]
steps = [
  { open = { socket = "s" } },
  { get-raw = { socket = "s", option = "SO_KEEPALIVE", label = "switch" } },
]
[[claim]]
id = "off"
level = "must"
expect = { switch = 0 }
"#;

const LOAD_AT: u32 = 0x10_0000;

/// A kernel that QEMU starts by the same protocol (PVH) as FreeBSD's. It prints a panic message with its command line on
/// the first serial port, and exits through isa-debug-exit.
fn kernel() -> Vec<u8> {
    const HEADERS: usize = 64 + 2 * 56;
    const NOTE_BYTES: usize = 12 + 4 + 8;
    let code_at = HEADERS + NOTE_BYTES;
    let at = |offset: usize| LOAD_AT + offset as u32;
    // mov esi, TEXT; call print; mov esi, [ebx + 24]; call print; mov esi, LINE_END; call print
    // mov dx, 0xf4; mov al, 0; out dx, al; hlt; jmp hlt
    // print: lodsb; test al, al; jz +7; mov dx, 0x3f8; out dx, al; jmp print; ret
    let mut code = vec![
        0xbe, 0, 0, 0, 0, 0xe8, 23, 0, 0, 0, 0x8b, 0x73, 24, 0xe8, 15, 0, 0, 0, 0xbe, 0, 0, 0, 0, 0xe8, 5, 0,
        0, 0,
    ];
    let end = [0x66, 0xba, 0xf4, 0, 0xb0, 0, 0xee, 0xf4, 0xeb, 0xfd];
    let print = [
        0xac, 0x84, 0xc0, 0x74, 7, 0x66, 0xba, 0xf8, 3, 0xee, 0xeb, 0xf4, 0xc3,
    ];
    for (call, length) in [(5, 10), (13, 18), (23, 28)] {
        let distance = (code.len() + end.len() - length) as u32;
        code[call + 1..call + 5].copy_from_slice(&distance.to_le_bytes());
    }
    code.extend(end);
    code.extend(print);
    let text = code_at + code.len();
    code.extend(b"panic: line \0");
    let line_end = code_at + code.len();
    code.extend(b"\r\n\0");
    code[1..5].copy_from_slice(&at(text).to_le_bytes());
    code[19..23].copy_from_slice(&at(line_end).to_le_bytes());

    let whole = (code_at + code.len()) as u64;
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    let entry = u64::from(at(code_at));
    // ET_EXEC, EM_X86_64, version; entry, program headers, no sections; flags and sizes.
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    elf.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
    // PT_LOAD, everything, readable and executable; PT_NOTE.
    let header = |kind: u32, flags: u32, offset: u64, bytes: u64| {
        let address = u64::from(LOAD_AT) + offset;
        let words = [offset, address, address, bytes, bytes, 4]
            .map(u64::to_le_bytes)
            .concat();
        [&kind.to_le_bytes()[..], &flags.to_le_bytes(), &words].concat()
    };
    elf.extend(header(1, 5, 0, whole));
    elf.extend(header(4, 4, HEADERS as u64, NOTE_BYTES as u64));
    // XEN_ELFNOTE_PHYS32_ENTRY: where to begin in 32-bit mode.
    elf.extend([4u32, 8, 18].map(u32::to_le_bytes).concat());
    elf.extend(b"Xen\0");
    elf.extend(entry.to_le_bytes());
    elf.extend(code);
    elf
}

/// A script that records its arguments and then executes the real QEMU.
fn recording_qemu(folder: &Path, real: &Path) -> PathBuf {
    fs::create_dir(folder.join("bin")).unwrap();
    let program = folder.join("bin/qemu-system-x86_64");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}'\nexec '{}' \"$@\"\n",
        folder.join("line").display(),
        real.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder.join("bin")
}

#[test]
fn qemu_boots_the_given_kernel_with_freebsds_arguments() {
    let Some(qemu) = find_program("x86_64") else {
        left_out(
            "a kernel given by --kernel",
            "qemu-system-x86_64 is not installed",
        );
        return;
    };
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let at = |name: &str| fixture.path().join(name);
    fs::create_dir(at("keepalive")).unwrap();
    fs::write(at("keepalive/switch.toml"), SWITCH).unwrap();
    // The kernel panics before it runs anything, so any program with shared libraries can serve as the agent, and this
    // machine's root as the tree.
    let agent = at("agents/x86_64-unknown-freebsd/reusespec-agent");
    fs::create_dir_all(agent.parent().unwrap()).unwrap();
    fs::copy("/bin/true", agent).unwrap();
    fs::write(at("kernel"), kernel()).unwrap();
    let programs = recording_qemu(fixture.path(), &qemu);
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = fixture.command();
    command
        .env("REUSESPEC_AGENTS", at("agents"))
        .env("REUSESPEC_CACHE", at("cache"))
        .env("PATH", format!("{}:{path}", programs.display()))
        .args(["run", "port-reuse", "keepalive", "--platform", "freebsd-14"])
        .args(["--kernel", "kernel", "--tree", "/", "--format", "json"]);
    let output = Output::of(command.output().unwrap());
    assert_eq!(output.status, 69, "{output:?}");
    let broken: Vec<_> = output
        .json()
        .into_iter()
        .filter(|line| line["verdict"] == "broken")
        .collect();
    assert_eq!(broken.len(), 3, "{}", output.stdout);
    let reason = broken[0]["reason"].as_str().unwrap();
    let console = reason.split_once("panic: line ").map(|(_, line)| line.trim_end());
    let words = console.unwrap_or(reason);
    insta::assert_snapshot!(words.replace(' ', "\n"), @r"
    vfs.root.mountfrom=cd9660:/dev/vtbd0
    init_path=/agent
    boot_serial=yes
    console=uart
    hw.uart.console=io:0x3f8,br:115200
    machdep.disable_tsc_calibration=1
    kern.vty=sc
    hint.uart.0.at=isa
    hint.uart.0.port=0x3F8
    hint.uart.0.irq=4
    hint.uart.0.flags=0x10
    hint.uart.1.at=isa
    hint.uart.1.port=0x2F8
    hint.uart.1.irq=3
    REUSESPEC_CHANNEL=/dev/ttyu1
    ");

    let line = fs::read_to_string(at("line")).unwrap();
    let mut shown = String::new();
    for argument in line.lines() {
        let start = if argument.starts_with('-') { "\n" } else { " " };
        shown += &format!("{start}{argument}");
    }
    // The cache names files after their contents.
    let blobs = at("cache/blobs");
    for entry in fs::read_dir(&blobs).unwrap() {
        let file = entry.unwrap().path();
        let name = if fs::read(&file).unwrap().starts_with(b"\x7fELF") {
            "KERNEL"
        } else {
            "ROOT.iso"
        };
        shown = shown.replace(&file.display().to_string(), name);
    }
    insta::assert_snapshot!(shown.trim_start().replace(words, "WORDS"), @r"
    -machine q35,i8042=off,sata=off,smbus=off
    -accel tcg
    -cpu core2duo,-hypervisor
    -m 256
    -seed 7
    -nodefaults
    -no-user-config
    -no-reboot
    -display none
    -add-fd fd=5,set=1
    -chardev file,id=console,path=/dev/fdset/1
    -chardev socket,id=data,fd=3
    -chardev socket,id=monitor,fd=4
    -mon chardev=monitor,mode=control
    -serial chardev:console
    -device isa-serial,index=1,chardev=data
    -drive file=ROOT.iso,if=none,id=root,format=raw,read-only=on
    -device virtio-blk-pci,drive=root
    -kernel KERNEL
    -device isa-debug-exit,iobase=0xf4,iosize=1
    -append WORDS
    ");
}

#[test]
fn a_bsd_s_kernel_without_tree_is_wrong_input() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    fs::write(fixture.path().join("kernel"), kernel()).unwrap();
    for platform in ["freebsd-14", "dragonfly-6.4"] {
        let output = fixture.run(&["run", "--kernel", "kernel", "--platform", platform]);
        assert_eq!(output.status, 2, "{output:?}");
        assert!(output.stderr.contains("--tree"), "{output:?}");
    }
}
