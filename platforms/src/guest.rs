//! A guest as a platform: from its profile to an agent that serves, everything it needs fetched on the way.
//!
//! Neighbours: `kernel` has the kernel, `agents` the agent, `qemu` the machine. What is missing is found when the
//! first agent is asked for, and kept: a run over several platforms must not fail at its start because the last one's
//! emulator is not installed.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::agents;
use crate::cache::{Cache, CacheError};
use crate::kernel::{self, Kernel};
use crate::link::{LaunchRequest, Link, PlatformTraits, StartError, Starter};
use crate::profile::{Accelerator, Boot, BootMethod, Clock, KernelSource, PlatformProfile, ProfileError};
use crate::qemu::{Guest, GuestError, Launch, decide_accelerator, require_program};
use crate::root_image;

/// Decides what would otherwise be random in a guest. One number for all: what differs between two runs is then the
/// kernel's doing or the clock's.
const SEED: u64 = 7;

/// Cases are about a kilobyte long, and the queue of DragonFly's serial port is one, FreeBSD's twenty.
pub(crate) const SERIAL_MAX_OUTSTANDING: usize = 2;

/// A guest that can be started again and again.
#[derive(Debug)]
pub struct GuestStarter {
    profile: PlatformProfile,
    /// Whether a saved state may be restored.
    warm: bool,
    ready: Mutex<Option<Ready>>,
}

/// What a guest is made of, once it is there.
#[derive(Clone, Debug)]
struct Ready {
    cache: Cache,
    kernel: Kernel,
    agent: PathBuf,
    /// Where it is not an initramfs.
    root: Option<PathBuf>,
    accelerator: Accelerator,
}

impl GuestStarter {
    /// A guest of this profile. Nothing is looked for yet.
    pub fn new(profile: PlatformProfile) -> Self {
        Self {
            profile,
            warm: true,
            ready: Mutex::default(),
        }
    }

    /// The same with a kernel of one's own, the `lib/modules/VERSION` that belongs to it, and the unpacked
    /// system a root image is made from.
    ///
    /// # Errors
    /// Where a kernel of this system cannot be started so.
    pub fn with_kernel(
        mut self,
        image: &Path,
        modules: Option<&Path>,
        tree: Option<&Path>,
    ) -> Result<Self, ProfileError> {
        let Boot::Qemu(qemu) = &mut self.profile.boot;
        qemu.kernel = KernelSource::Path {
            image: image.to_owned(),
            modules: modules.map(Path::to_owned),
            tree: tree.map(Path::to_owned),
        };
        if modules.is_none() {
            // Without a folder nothing is known to be there: what a kernel of one's own has is built in.
            qemu.modules.clear();
            qemu.channel_modules.clear();
        }
        self.profile.boot_method()?;
        Ok(self)
    }

    /// The same, booted each time instead of restored.
    #[must_use]
    pub fn cold(mut self) -> Self {
        self.warm = false;
        self
    }

    /// The profile.
    pub fn profile(&self) -> &PlatformProfile {
        &self.profile
    }

    fn ready(&self, notify: &mut dyn FnMut(String)) -> Result<Ready, StartError> {
        let mut ready = self.ready.lock().expect("preparing does not panic");
        if let Some(ready) = &*ready {
            return Ok(ready.clone());
        }
        let prepared = self.prepare(notify)?;
        Ok(ready.insert(prepared).clone())
    }

    fn prepare(&self, notify: &mut dyn FnMut(String)) -> Result<Ready, StartError> {
        require_program(&self.profile.qemu().emulator)?;
        let agent = agents::find(&self.profile.target)?;
        let cache = Cache::from_environment()?;
        let mut told = String::new();
        let kernel = kernel::fetch(&self.profile, &cache, &mut |progress| {
            let text = progress.to_string();
            if text != told {
                told.clone_from(&text);
                notify(text);
            }
        })?;
        let root = match self.root_image(&kernel, &agent, None)? {
            Some(image) => cache.path(&cache.store(&image)?),
            None => None,
        };
        let mut ready = Ready {
            cache,
            kernel,
            agent,
            root,
            accelerator: Accelerator::Tcg,
        };
        let verdict = decide_accelerator(self.launch(&ready, &LaunchRequest::default()));
        if let Some(reason) = verdict.reason {
            notify(format!("the CPU is emulated: {reason}"));
        }
        ready.accelerator = verdict.accelerator;
        Ok(ready)
    }

    fn launch<'l>(&'l self, ready: &'l Ready, launch: &LaunchRequest<'l>) -> Launch<'l> {
        Launch {
            profile: &self.profile,
            kernel: &ready.kernel,
            agent: &ready.agent,
            root: ready.root.as_deref(),
            accelerator: ready.accelerator,
            input: self.input(launch),
            large_payload: launch.large_payload,
            warm: self.warm,
            seed: SEED,
            console: None,
            cache: &ready.cache,
        }
    }

    /// Start the machine and wait until its agent serves.
    ///
    /// # Errors
    /// When something it is made of is missing, or it does not come up.
    pub fn boot(
        &self,
        launch: &LaunchRequest<'_>,
        notify: &mut dyn FnMut(String),
    ) -> Result<Guest, StartError> {
        let mut ready = self.ready(notify)?;
        let scratch = ready.cache.scratch()?;
        if let Some(input) = self.input(launch)
            && let Some(image) = self.root_image(&ready.kernel, &ready.agent, Some(input))?
        {
            let file = scratch.path().join("root.iso");
            fs::write(&file, image).map_err(CacheError::writing(&file))?;
            ready.root = Some(file);
        }
        let guest: Result<Guest, GuestError> = Guest::start(self.launch(&ready, launch));
        Ok(guest?.keeping(scratch))
    }

    /// What the agent reads instead of the channel: everything, where its clock would run away meanwhile, and a program
    /// with its files, where they would take minutes through a serial port and can be on the disk instead.
    fn input<'e>(&self, launch: &LaunchRequest<'e>) -> Option<&'e [u8]> {
        let traits = self.traits();
        let beforehand = traits.batch_input || traits.batch_files;
        (beforehand && !launch.requests.is_empty()).then_some(launch.requests)
    }

    /// The image that brings the agent; none where an archive does.
    fn root_image(
        &self,
        kernel: &Kernel,
        agent: &Path,
        input: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, StartError> {
        Ok(match (self.profile.boot_method()?, &kernel.tree) {
            (BootMethod::Disk(entry), _) => Some(root_image::agent_medium(entry, agent)?),
            (BootMethod::Archive | BootMethod::RootImage, Some(tree)) => {
                Some(root_image::build(agent, tree, input)?)
            }
            (BootMethod::Archive | BootMethod::RootImage, None) => None,
        })
    }
}

/// Whether the guest called `name` can be started with nothing fetched or built before.
///
/// # Errors
/// What is missing, with the way to get it.
pub fn at_hand(name: &str) -> Result<(), StartError> {
    let profile = PlatformProfile::find(name)?;
    require_program(&profile.qemu().emulator)?;
    agents::find(&profile.target)?;
    match kernel::cached(&profile, &Cache::from_environment()?) {
        Some(_) => Ok(()),
        None => Err("its kernel is not in the cache: the first run on it fetches it".into()),
    }
}

/// Whether a test may start the guest called `name`: everything is at hand, and `REUSESPEC_GUESTS` is not 0. What is
/// left out is said on standard error past the capture of tests, with the way to get it.
///
/// # Panics
/// Where something is missing although `REUSESPEC_GUESTS` is `require`.
pub fn is_tested(name: &str) -> bool {
    let wish = env::var("REUSESPEC_GUESTS").unwrap_or_default();
    let why = match at_hand(name) {
        Ok(()) if wish == "0" => "REUSESPEC_GUESTS is 0".to_owned(),
        Ok(()) => return true,
        Err(error) => error.to_string(),
    };
    assert_ne!(wish, "require", "{name}: {why}");
    // A standard error that is closed has no reader to miss the line.
    let _ = writeln!(io::stderr(), "left out: {name}: {why}");
    false
}

impl Starter for GuestStarter {
    fn start(&self, launch: &LaunchRequest<'_>, notify: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        Ok(self.boot(launch, notify)?.into_link()?)
    }

    fn traits(&self) -> PlatformTraits {
        PlatformTraits {
            // A virtual clock counts instructions: its CPU is never late.
            slower: match self.profile.clock {
                Clock::Real => self.profile.timing.slower,
                Clock::Virtual => 1,
            },
            batch_input: self.profile.clock == Clock::Virtual,
            batch_files: matches!(self.profile.boot_method(), Ok(BootMethod::RootImage)),
            boot_timeout: Duration::from_secs(self.profile.timing.boot_secs.into()),
            max_outstanding: match self.profile.boot_method() {
                Ok(BootMethod::Archive) => None,
                _ => Some(SERIAL_MAX_OUTSTANDING),
            },
            dedicated_machine: true,
            capabilities: self.profile.capabilities.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_but_one_started_from_its_own_disk_takes_a_program_s_files() {
        let takes_none =
            |profile: &PlatformProfile| !GuestStarter::new(profile.clone()).traits().takes_files();
        let names: Vec<_> = PlatformProfile::all()
            .filter(takes_none)
            .map(|profile| profile.name)
            .collect();
        assert_eq!(names, ["dragonfly-5.6", "dragonfly-6.4", "freebsd-14-ci"]);
    }
}
