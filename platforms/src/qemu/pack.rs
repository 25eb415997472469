//! Packs the initramfs of a guest: the agent as `/init`, the modules in load order, and the batch input.

use std::{fs, io::Read, path::Path};

use super::{
    error::{GuestError, host},
    guest::Launch,
};
use crate::initramfs::Initramfs;
use crate::root_image::INPUT;

/// Packs the initramfs.
pub(super) fn pack(launch: &Launch<'_>) -> Result<Vec<u8>, GuestError> {
    let read = |path: &Path| fs::read(path).map_err(host(&format!("read {}", path.display())));
    let mut archive = Initramfs::new();
    archive.file("init", 0o755, &read(launch.agent)?);
    let mut list = String::new();
    for module in &launch.kernel.modules {
        let path = format!("/lib/modules/{}.ko", module.name);
        archive.file(&path, 0o644, &read(&module.path)?);
        list += &format!("{path}\n");
    }
    archive.file("etc/modules", 0o644, list.as_bytes());
    if let Some(input) = launch.input {
        archive.file(INPUT, 0o644, input);
    }
    Ok(archive.finish())
}

/// Checks that the agent is an executable for the guest's machine. Otherwise the kernel would panic with no more than
/// "No working init found" or "error -2".
pub(super) fn check_agent(launch: &Launch<'_>) -> Result<(), GuestError> {
    let refused = |what: String| GuestError::Agent {
        path: launch.agent.to_owned(),
        platform: launch.profile.name.clone(),
        what: format!(
            "{what}; build it with: cargo run -p ci -- agents {}",
            launch.profile.target
        ),
    };
    let mut head = [0; 20];
    let read = fs::File::open(launch.agent).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|error| refused(error.to_string()))?;
    let (big_endian, number) = (head[5] == 2, [head[18], head[19]]);
    let machine = if big_endian {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    };
    // EM_* of elf.h
    let fits = match launch.profile.machine.as_str() {
        "x86_64" => [3, 62].contains(&machine),
        "aarch64" => machine == 183,
        "riscv64" => machine == 243,
        "s390x" => machine == 22,
        _ => true,
    };
    if !head.starts_with(b"\x7fELF") || !fits {
        return Err(refused(format!(
            "it is not a program for {}",
            launch.profile.machine
        )));
    }
    Ok(())
}
