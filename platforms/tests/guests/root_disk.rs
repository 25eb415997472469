//! Boots a guest whose root file system is our ISO 9660 image, as the BSD guests do: a real kernel mounts it, and a
//! real run-time linker finds the libraries in it.

use std::path::Path;

use reusespec_platforms::kernel;
use reusespec_platforms::qemu::{Guest, Launch};
use reusespec_platforms::root_image;

use super::setup::{Session, Setup, chain, dynamic_agent, left_out};

#[test]
fn a_guest_boots_a_dynamic_agent_from_a_root_image() {
    let name = "linux-6.12";
    let Some(mut setup) = Setup::of(name) else {
        return;
    };
    let more = ["virtio_pci", "virtio_blk", "isofs"].map(String::from);
    setup.qemu().modules.extend(more);
    setup.kernel = kernel::fetch(&setup.profile, &setup.cache, &mut |_| ())
        .map_err(|error| chain(&error))
        .expect("the modules are beside the kernel");
    // The channel is the second serial port, as for a kernel without a virtio driver.
    setup.kernel.virtio_console = false;
    let image = dynamic_agent("reusespec-drill-agent")
        .and_then(|agent| root_image::build(&agent, Path::new("/"), None).map_err(|error| chain(&error)));
    let image = match image {
        Ok(image) => image,
        Err(reason) => return left_out("a root image of this machine's libraries", &reason),
    };
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("root.iso");
    std::fs::write(&file, image).unwrap();
    let guest = Guest::start(Launch {
        root: Some(&file),
        ..setup.launch()
    });
    let mut session = Session::with(guest.unwrap_or_else(|error| panic!("{error}")));
    assert!(session.read_line().starts_with("hello"));
    assert_eq!(session.ask("echo from the disk"), "from the disk");
}
