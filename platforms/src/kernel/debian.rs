//! Takes kernels, and gVisor, from Debian's packages, with this machine's apt. Nothing is installed or configured on the machine.
//!
//! apt gets a private root in the cache with one suite and one architecture. So neither `dpkg --add-architecture` nor a
//! line in /etc is needed, and an unprivileged user can do it. The mirror, proxies and credentials come from the
//! machine's own configuration. The price: this works only where apt has a Debian archive. Elsewhere the error says to
//! give a kernel by path.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Found, Progress, Watch};
use crate::process;

/// Why no kernel could be taken from Debian's packages.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// The program is not installed.
    #[error("cannot run {program}: on a machine without it, give a kernel by path (--kernel)")]
    Absent {
        /// `apt-get`, `apt-cache` or `dpkg-deb`.
        program: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// apt's configuration has no Debian archive.
    #[error("this machine's apt has no Debian archive configured: give a kernel by path (--kernel)")]
    NotDebian,
    /// The program exited with an error.
    #[error("{program} failed: {stderr}")]
    Failed {
        /// The program and its subcommand.
        program: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The meta package depends on no kernel.
    #[error("{0} depends on no package with a kernel")]
    NoKernel(String),
    /// A file of the private root or of an unpacked package cannot be used.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// Downloads the kernel packages that the meta package `package` depends on in `suite`, and unpacks them under
/// `scratch`. On failure apt's private root at `root` is kept, so that the next attempt continues the download. On
/// success it is removed.
pub(super) fn fetch(
    suite: &str,
    package: &str,
    architecture: &str,
    root: &Path,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Found, AptError> {
    let apt = Apt::with_lists(suite, architecture, root, watch)?;
    let packages = apt.resolve(package)?;
    apt.unpack(&packages, scratch, watch)?;
    let path = kernel_in(scratch)?.ok_or_else(|| AptError::NoKernel(package.to_owned()))?;
    let image = fs::read(&path).map_err(|source| AptError::File {
        path: path.clone(),
        source,
    })?;
    let (name, version) = packages
        .into_iter()
        .next()
        .ok_or_else(|| AptError::NoKernel(package.to_owned()))?;
    let _ = fs::remove_dir_all(root);
    Ok(Found {
        tree: None,
        origin: format!("{name} {version}"),
        image,
        modules: modules_in(scratch)?,
        path,
    })
}

/// Downloads `package` of `suite` without its dependencies, unpacks it under `scratch`, and returns its version. apt's
/// private root at `root` is removed on success only, as in [`fetch`].
pub(crate) fn unpack(
    suite: &str,
    package: &str,
    architecture: &str,
    root: &Path,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<String, AptError> {
    let apt = Apt::with_lists(suite, architecture, root, watch)?;
    let (_, version) = apt.show(package)?;
    apt.unpack(&[(package.to_owned(), version.clone())], scratch, watch)?;
    let _ = fs::remove_dir_all(root);
    Ok(version)
}

/// apt with a private root.
struct Apt {
    root: PathBuf,
    config: PathBuf,
}

impl Apt {
    /// apt with the current package lists of `suite`.
    fn with_lists(suite: &str, architecture: &str, root: &Path, watch: Watch<'_>) -> Result<Self, AptError> {
        let apt = Self::prepare(suite, architecture, root)?;
        watch(Progress::Listing(suite));
        apt.run("apt-get", &["update", "-q"], "", &mut |_| ())?;
        Ok(apt)
    }

    /// Downloads packages, given by name and version, and unpacks them under `scratch`.
    fn unpack(
        &self,
        packages: &[(String, String)],
        scratch: &Path,
        watch: Watch<'_>,
    ) -> Result<(), AptError> {
        for (name, _) in packages {
            self.download(name, watch)?;
            watch(Progress::Unpacking(name));
        }
        for file in list(&self.root)?
            .into_iter()
            .filter(|file| file.extension().is_some_and(|ending| ending == "deb"))
        {
            let (file, scratch) = (file.to_string_lossy(), scratch.to_string_lossy());
            self.run("dpkg-deb", &["-x", &file, &scratch], "", &mut |_| ())?;
        }
        Ok(())
    }

    fn prepare(suite: &str, architecture: &str, root: &Path) -> Result<Self, AptError> {
        let apt = Self {
            root: root.to_owned(),
            config: root.join("apt.conf"),
        };
        for folder in ["state/lists/partial", "archives/partial", "sources"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| AptError::File { path, source })?;
        }
        let archive = archive()?;
        let keyring = ["gpg", "pgp"]
            .map(|ending| format!("/usr/share/keyrings/debian-archive-keyring.{ending}"))
            .into_iter()
            .find(|path| Path::new(path).exists());
        let signed = keyring.map_or(String::new(), |path| format!("Signed-By: {path}\n"));
        apt.write(
            "sources/debian.sources",
            &format!("Types: deb\nURIs: {archive}\nSuites: {suite}\nComponents: main\n{signed}"),
        )?;
        let root = root.display();
        // apt's sandbox user cannot read a cache in a home folder. apt verifies everything it fetches anyway.
        apt.write(
            "apt.conf",
            &format!(
                "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{root}/sources\";\n\
                 Dir::State \"{root}/state\";\nDir::State::status \"/dev/null\";\nDir::Cache \"{root}\";\n\
                 APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\n\
                 APT::Sandbox::User \"root\";\nAPT::Get::List-Cleanup \"false\";\n\
                 APT::Update::Post-Invoke {{}};\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
                 Acquire::Languages \"none\";\nAcquire::Retries \"2\";\nAcquire::http::Timeout \"30\";\n\
                 Acquire::https::Timeout \"30\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
            ),
        )?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), AptError> {
        let path = self.root.join(name);
        fs::write(&path, text).map_err(|source| AptError::File { path, source })
    }

    /// The kernel packages that the meta package `meta` depends on, directly or not, by name and version. Up to Debian
    /// 13 it is `linux-image-VERSION`. In later releases that package is empty too, and depends on
    /// `linux-binary-VERSION`, `linux-modules-VERSION` and `linux-base-VERSION`.
    fn resolve(&self, meta: &str) -> Result<Vec<(String, String)>, AptError> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut open = VecDeque::from([meta.to_owned()]);
        while let Some(name) = open.pop_front() {
            if found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let (depends, version) = self.show(&name)?;
            open.extend(kernel_dependencies(&depends));
            found.push((name, version));
        }
        found.remove(0);
        Ok(found)
    }

    /// The fields `Depends` and `Version` of a package.
    fn show(&self, package: &str) -> Result<(String, String), AptError> {
        let arguments = ["show", "--no-all-versions", package];
        let text = self.run("apt-cache", &arguments, "", &mut |_| ())?;
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                .unwrap_or_default()
                .to_owned()
        };
        Ok((field("Depends"), field("Version")))
    }

    fn download(&self, package: &str, watch: Watch<'_>) -> Result<(), AptError> {
        let arguments = ["download", "-q", "-o", "APT::Status-Fd=1", package];
        self.run("apt-get", &arguments, "dlstatus:", &mut |status| {
            // dlstatus:<item>:<percent>:<text>
            let percent = status
                .split(':')
                .nth(1)
                .and_then(|percent| percent.parse().ok())
                .unwrap_or(0.0_f32);
            watch(Progress::Downloading(package, percent / 100.0));
        })?;
        Ok(())
    }

    /// Runs a program until it exits and returns its standard output. Lines that begin with `mark` go to `marked`
    /// instead.
    fn run(
        &self,
        program: &'static str,
        arguments: &[&str],
        mark: &str,
        marked: &mut dyn FnMut(&str),
    ) -> Result<String, AptError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.root)
            .env("APT_CONFIG", &self.config)
            .env("LC_ALL", "C");
        let mut text = String::new();
        let (status, stderr) = process::run(command, &mut |line| match line.strip_prefix(mark) {
            Some(rest) if !mark.is_empty() => marked(rest),
            _ => text += &format!("{line}\n"),
        })
        .map_err(|source| AptError::Absent { program, source })?;
        if status.success() {
            return Ok(text);
        }
        Err(AptError::Failed {
            program: format!("{program} {}", arguments[0]),
            stderr: last_lines(&stderr, 4),
        })
    }
}

/// The kernel packages in a `Depends` field.
fn kernel_dependencies(field: &str) -> impl Iterator<Item = String> {
    field.split(", ").filter_map(|word| {
        let name = word.split([' ', '(', ':']).next()?;
        let kernel = ["linux-image-", "linux-binary-", "linux-modules-", "linux-base-"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        kernel.then(|| name.to_owned())
    })
}

/// The URI from which this machine's apt gets Debian's main archive.
fn archive() -> Result<String, AptError> {
    let format = "$(IDENTIFIER) $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format]);
    let output = process::output(command).map_err(|source| AptError::Absent {
        program: "apt-get",
        source,
    })?;
    main_archive(&output.stdout).ok_or(AptError::NotDebian)
}

fn main_archive(targets: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // Before the first `apt-get update` the origin is unknown, and apt prints the placeholder.
        let ["Packages", uri, suite, "main", "Debian" | "$(ORIGIN)"] = words[..] else {
            return None;
        };
        // Suites with a hyphen (updates, security, backports) may be in another archive.
        (!suite.contains('-')).then(|| uri.to_owned())
    })
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, AptError> {
    let unusable = |source| AptError::File {
        path: folder.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable)? {
        paths.push(entry.map_err(unusable)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Finds the kernel: `boot/vmlinuz-…` in the older layout (`vmlinux-…` on riscv64), `usr/lib/modules/…/vmlinuz` in the
/// newer one.
fn kernel_in(tree: &Path) -> Result<Option<PathBuf>, AptError> {
    let is_kernel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("vmlinuz") || name.starts_with("vmlinux")
        })
    };
    let mut candidates = Vec::new();
    if tree.join("boot").is_dir() {
        candidates.extend(list(&tree.join("boot"))?);
    }
    if let Some(modules) = modules_in(tree)? {
        candidates.extend(list(&modules)?);
    }
    Ok(candidates.into_iter().find(is_kernel))
}

fn modules_in(tree: &Path) -> Result<Option<PathBuf>, AptError> {
    for place in ["usr/lib/modules", "lib/modules"] {
        let place = tree.join(place);
        if place.is_dir() {
            return Ok(list(&place)?.into_iter().next());
        }
    }
    Ok(None)
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_debians_main_archive() {
        let targets = "Packages https://other/ stable main Other\n\
             Packages http://mirror/debian-security/ bookworm-security main Debian\n\
             DEP-11 http://mirror/debian/ bookworm main Debian\n\
             Packages http://mirror/debian/ bookworm main Debian\n";
        assert_eq!(main_archive(targets).as_deref(), Some("http://mirror/debian/"));
        assert_eq!(
            main_archive("Packages http://mirror/ubuntu/ noble main Ubuntu\n"),
            None
        );
    }

    #[test]
    fn an_unknown_origin_is_accepted() {
        let targets = "Packages http://mirror/debian/ bookworm main $(ORIGIN)\n";
        assert_eq!(main_archive(targets).as_deref(), Some("http://mirror/debian/"));
    }

    #[test]
    fn only_kernel_packages_are_followed() {
        let field =
            "linux-base (= 4.9), linux-base-7, linux-binary-7 (= 7.2-1), linux-modules-7, dracut | kmod";
        assert_eq!(
            kernel_dependencies(field).collect::<Vec<_>>(),
            ["linux-base-7", "linux-binary-7", "linux-modules-7"]
        );
    }

    #[test]
    fn the_kernel_is_found_in_both_layouts() {
        for (files, kernel, modules) in [
            (
                &[
                    "boot/vmlinuz-6.1",
                    "boot/config-6.1",
                    "lib/modules/6.1/modules.builtin",
                ][..],
                "boot/vmlinuz-6.1",
                "lib/modules/6.1",
            ),
            (
                &["usr/lib/modules/7.2/vmlinuz"][..],
                "usr/lib/modules/7.2/vmlinuz",
                "usr/lib/modules/7.2",
            ),
        ] {
            let tree = tempfile::TempDir::new().unwrap();
            for file in files {
                let path = tree.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            assert_eq!(kernel_in(tree.path()).unwrap(), Some(tree.path().join(kernel)));
            assert_eq!(modules_in(tree.path()).unwrap(), Some(tree.path().join(modules)));
        }
    }
}
