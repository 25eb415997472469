//! Selects the modules a guest needs, sorts them by dependency, and decompresses them.
//!
//! Dependencies are read from the modules (`depends=` in `.modinfo`), because Debian's packages contain no
//! `modules.dep`: depmod(8) creates it at installation. The string is searched for in the whole file. An ELF reader
//! would only narrow the search to one section.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Why modules cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The module is neither built in nor in the modules folder.
    #[error(
        "the module {0:?} is neither built in nor in the modules folder: remove it from the profile, or give a folder that \
         has it"
    )]
    Missing(String),
    /// The modules folder or a file in it cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error, or the damage.
        source: io::Error,
    },
}

/// The modules of a kernel: files by name, and the names of those that are built in.
#[derive(Default)]
pub(super) struct Tree {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

impl Tree {
    /// Reads the folder `lib/modules/VERSION`. Without one the result is empty.
    pub(super) fn read(folder: Option<&Path>) -> Result<Self, ModuleError> {
        let mut tree = Self::default();
        let Some(folder) = folder else { return Ok(tree) };
        let list = folder.join("modules.builtin");
        let text = fs::read_to_string(&list).map_err(|source| ModuleError::Read { path: list, source })?;
        tree.built_in = text.lines().map(|line| name_of(Path::new(line))).collect();
        tree.walk(&folder.join("kernel"))?;
        Ok(tree)
    }

    /// Whether `name` is built in or available as a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.built_in.contains(name) || self.files.contains_key(name)
    }

    /// The contents of `names` and of all their dependencies, dependencies first, each once.
    pub(super) fn closure<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<(String, Vec<u8>)>, ModuleError> {
        let mut chosen = Vec::new();
        for name in names {
            self.add(name, &mut chosen)?;
        }
        Ok(chosen)
    }

    fn add(&mut self, name: &str, chosen: &mut Vec<(String, Vec<u8>)>) -> Result<(), ModuleError> {
        if self.built_in.contains(name) {
            return Ok(());
        }
        let path = self
            .files
            .get(name)
            .ok_or_else(|| ModuleError::Missing(name.to_owned()))?;
        let content = load(path).map_err(|source| ModuleError::Read {
            path: path.clone(),
            source,
        })?;
        // Marked before its dependencies are added, so that a cycle ends.
        self.built_in.insert(name.to_owned());
        for dependency in dependencies(&content) {
            self.add(&dependency, chosen)?;
        }
        chosen.push((name.to_owned(), content));
        Ok(())
    }

    fn walk(&mut self, folder: &Path) -> Result<(), ModuleError> {
        let unreadable = |source| ModuleError::Read {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_type().map_err(unreadable)?.is_dir() {
                self.walk(&path)?;
            } else if path.to_string_lossy().contains(".ko") {
                self.files.insert(name_of(&path), path);
            }
        }
        Ok(())
    }
}

/// The module's name: `virtio_console` for `kernel/drivers/char/virtio-console.ko.xz`.
fn name_of(path: &Path) -> String {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .replace('-', "_");
    file.split(".ko").next().unwrap_or_default().to_owned()
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    let mut content = Vec::new();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("xz") => lzma_rust2::XzReader::new(&bytes[..], false).read_to_end(&mut content)?,
        Some("gz") => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut content)?,
        Some("zst") => ruzstd::decoding::StreamingDecoder::new(&bytes[..])
            .map_err(io::Error::other)?
            .read_to_end(&mut content)?,
        _ => return Ok(bytes),
    };
    Ok(content)
}

/// The names in `depends=virtio,virtio_ring` of a module. Strings in `.modinfo` end with NUL.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    let value = String::from_utf8_lossy(value).replace('-', "_");
    value
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(modules: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("kernel/drivers")).unwrap();
        fs::write(
            folder.path().join("modules.builtin"),
            "kernel/net/packet/af-packet.ko\n",
        )
        .unwrap();
        for (file, depends) in modules {
            let content = format!("ELF\0license=GPL\0depends={depends}\0name=x\0");
            fs::write(folder.path().join("kernel/drivers").join(file), content).unwrap();
        }
        let tree = Tree::read(Some(folder.path())).unwrap();
        (folder, tree)
    }

    #[test]
    fn dependencies_come_first_once_and_without_built_in_modules() {
        let (_folder, mut tree) = tree(&[
            ("virtio_console.ko", "virtio,virtio-ring"),
            ("virtio-ring.ko", "virtio"),
            ("virtio.ko", ""),
            ("tun.ko", "af_packet"),
        ]);
        let wanted = ["virtio_console", "tun", "virtio", "af_packet"].map(String::from);
        let names: Vec<_> = tree
            .closure(wanted.iter())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["virtio", "virtio_ring", "virtio_console", "tun"]);
    }

    #[test]
    fn the_error_names_the_missing_module() {
        let (_folder, mut tree) = tree(&[("a.ko", "b")]);
        assert!(tree.has("a") && !tree.has("b"));
        let error = tree.closure(["a".to_owned()].iter()).unwrap_err();
        assert!(matches!(error, ModuleError::Missing(name) if name == "b"));
    }
}
