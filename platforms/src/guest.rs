//! Starts agents in virtual machines: obtains everything that a profile names, then boots the guest.
//!
//! `kernel` provides the kernel, `agents` the agent, and `qemu` the machine. They are obtained when the first agent is
//! started, not when the platform is created: a run over several platforms must not fail at its start because the last
//! platform's emulator is not installed.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::agents;
use crate::cache::{Cache, CacheError};
use crate::kernel::{self, Kernel};
use crate::link::{LaunchRequest, Link, PlatformTraits, StartError, Starter};
use crate::profile::{
    Accelerator, Boot, BootMethod, Clock, KernelSource, PlatformProfile, PlatformProfileError,
};
use crate::qemu::{DROP_EVERY, Guest, GuestError, Launch, decide_accelerator, require_program};
use crate::remote::RemotePlatform;
use crate::root_image;
use crate::runsc;

/// QEMU's random seed. It is the same for all guests, so a difference between two runs comes from the kernel or the
/// clock.
const SEED: u64 = 7;

/// Starts guests of one profile.
#[derive(Debug)]
pub struct GuestStarter {
    profile: PlatformProfile,
    /// Whether saved states are used.
    warm: bool,
    components: Mutex<Option<Components>>,
}

/// Everything a guest needs, found on this machine.
#[derive(Clone, Debug)]
struct Components {
    cache: Cache,
    kernel: Kernel,
    agent: PathBuf,
    /// The root image, or the medium that carries the agent. `None` if the guest boots into an initramfs.
    root: Option<PathBuf>,
    accelerator: Accelerator,
}

impl GuestStarter {
    /// A starter for this profile. It does not search for anything yet.
    pub fn new(profile: PlatformProfile) -> Self {
        Self {
            profile,
            warm: true,
            components: Mutex::default(),
        }
    }

    /// Replaces the kernel by a local file. `modules` is its `lib/modules/VERSION`; `tree` is the unpacked system from
    /// which a root image is made.
    ///
    /// # Errors
    /// When this operating system cannot boot from these files.
    pub fn with_kernel(
        mut self,
        image: &Path,
        modules: Option<&Path>,
        tree: Option<&Path>,
    ) -> Result<Self, PlatformProfileError> {
        let Boot::Qemu(qemu) = &mut self.profile.boot;
        qemu.kernel = KernelSource::Path {
            image: image.to_owned(),
            modules: modules.map(Path::to_owned),
            tree: tree.map(Path::to_owned),
        };
        if modules.is_none() {
            // Without a modules folder, drivers must be built in.
            qemu.modules.clear();
            qemu.channel_modules.clear();
        }
        self.profile.boot_method()?;
        Ok(self)
    }

    /// Boots every guest instead of restoring a saved state.
    #[must_use]
    pub fn cold(mut self) -> Self {
        self.warm = false;
        self
    }

    /// The profile of its guests.
    pub fn profile(&self) -> &PlatformProfile {
        &self.profile
    }

    fn components(&self, notify: &mut dyn FnMut(String)) -> Result<Components, StartError> {
        let mut components = self.components.lock().expect("preparing does not panic");
        if let Some(components) = &*components {
            return Ok(components.clone());
        }
        let prepared = self.prepare(notify)?;
        Ok(components.insert(prepared).clone())
    }

    fn prepare(&self, notify: &mut dyn FnMut(String)) -> Result<Components, StartError> {
        require_program(&self.profile.qemu().emulator)?;
        let agent = agents::find(&self.profile.target)?;
        let cache = Cache::from_environment()?;
        let mut last = String::new();
        let kernel = kernel::fetch(&self.profile, &cache, &mut |progress| {
            let text = progress.to_string();
            if text != last {
                last.clone_from(&text);
                notify(text);
            }
        })?;
        let root = match self.root_image(&kernel, &agent, None)? {
            Some(image) => cache.path(&cache.store(&image)?),
            None => None,
        };
        let mut components = Components {
            cache,
            kernel,
            agent,
            root,
            accelerator: Accelerator::Tcg,
        };
        let verdict = decide_accelerator(self.launch(&components, &LaunchRequest::default()));
        if let Some(reason) = verdict.reason {
            notify(format!("the CPU is emulated: {reason}"));
        }
        components.accelerator = verdict.accelerator;
        Ok(components)
    }

    fn launch<'l>(&'l self, components: &'l Components, launch: &LaunchRequest<'l>) -> Launch<'l> {
        Launch {
            profile: &self.profile,
            kernel: &components.kernel,
            agent: &components.agent,
            root: components.root.as_deref(),
            accelerator: components.accelerator,
            input: self.input(launch),
            large_payload: launch.large_payload,
            warm: self.warm,
            seed: SEED,
            drop_every: drop_every(),
            console: None,
            cache: &components.cache,
        }
    }

    /// Starts the guest. Without batch input, waits until its agent serves.
    ///
    /// # Errors
    /// When something the guest needs is missing, or it does not boot.
    pub fn boot(
        &self,
        launch: &LaunchRequest<'_>,
        notify: &mut dyn FnMut(String),
    ) -> Result<Guest, StartError> {
        let mut components = self.components(notify)?;
        let scratch = components.cache.scratch()?;
        if let Some(input) = self.input(launch)
            && let Some(image) = self.root_image(&components.kernel, &components.agent, Some(input))?
        {
            let file = scratch.path().join("root.iso");
            fs::write(&file, image).map_err(CacheError::writing(&file))?;
            components.root = Some(file);
        }
        let guest: Result<Guest, GuestError> = Guest::start(self.launch(&components, launch));
        Ok(guest?.with_folder(scratch))
    }

    /// The requests that the agent reads from a file instead of the channel. In virtual time these are all requests.
    /// For a guest with a root image these are a program and its files, which would take minutes through the serial
    /// port.
    fn input<'e>(&self, launch: &LaunchRequest<'e>) -> Option<&'e [u8]> {
        let traits = self.traits();
        let batch = traits.batch_input || traits.batch_files;
        (batch && !launch.requests.is_empty()).then_some(launch.requests)
    }

    /// The image with the agent; `None` if the agent is in an initramfs.
    fn root_image(
        &self,
        kernel: &Kernel,
        agent: &Path,
        input: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, StartError> {
        Ok(match (self.profile.boot_method()?, &kernel.tree) {
            (BootMethod::Disk, _) => Some(root_image::agent_medium(agent)?),
            (BootMethod::Initramfs | BootMethod::RootImage | BootMethod::Loader, Some(tree)) => {
                Some(root_image::build(agent, tree, input)?)
            }
            (BootMethod::Initramfs | BootMethod::RootImage | BootMethod::Loader, None) => None,
        })
    }
}

/// The drill that the environment asks for. A value that is no number asks for none.
fn drop_every() -> Option<NonZeroU32> {
    env::var(DROP_EVERY).ok()?.parse().ok()
}

/// Checks that the guest or sandbox `name` can be started without downloading or building anything.
///
/// # Errors
/// The first thing that is missing, and how to get it.
pub fn check_available(name: &str) -> Result<(), StartError> {
    if let Some(platform) = RemotePlatform::find(name)
        && let Some(runsc) = platform?.runsc()
    {
        return runsc::check_available(name, runsc).map(drop);
    }
    let profile = PlatformProfile::find(name)?;
    require_program(&profile.qemu().emulator)?;
    agents::find(&profile.target)?;
    match kernel::cached(&profile, &Cache::from_environment()?) {
        Some(_) => Ok(()),
        None if profile.is_local() => Err(kernel::KernelError::Local {
            platform: profile.name,
        }
        .into()),
        None => Err("its kernel is not in the cache: the first run on this platform downloads it".into()),
    }
}

/// Whether a test may start the guest `name`: everything is available, and `REUSESPEC_GUESTS` is not `0`. If not, the
/// reason is written to standard error, past the test runner's capture.
///
/// # Panics
/// When something is missing although `REUSESPEC_GUESTS` is `require`.
pub fn is_tested(name: &str) -> bool {
    let wish = env::var("REUSESPEC_GUESTS").unwrap_or_default();
    let reason = match check_available(name) {
        Ok(()) if wish == "0" => "REUSESPEC_GUESTS is 0".to_owned(),
        Ok(()) => return true,
        Err(error) => error.to_string(),
    };
    assert_ne!(wish, "require", "{name}: {reason}");
    // A closed standard error is no reason to fail the test.
    let _ = writeln!(io::stderr(), "left out: {name}: {reason}");
    false
}

impl Starter for GuestStarter {
    fn start(&self, launch: &LaunchRequest<'_>, notify: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        Ok(self.boot(launch, notify)?.into_link()?)
    }

    fn traits(&self) -> PlatformTraits {
        PlatformTraits {
            // A virtual clock counts instructions, so emulation does not make the guest slower on its own clock.
            slower: match self.profile.clock {
                Clock::Real => self.profile.timing.slower,
                Clock::Virtual => 1,
            },
            batch_input: self.profile.clock == Clock::Virtual,
            batch_files: matches!(
                self.profile.boot_method(),
                Ok(BootMethod::RootImage | BootMethod::Loader)
            ),
            dedicated_machine: true,
            target: Some(self.profile.target.clone()),
            capabilities: self.profile.capabilities.clone(),
        }
    }
}
