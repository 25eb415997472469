//! No cycle of modules inside a crate: whoever reads a module can read what it builds on without coming back to it.
//!
//! Every folder of modules is looked at by itself. Its modules are the nodes, each together with what is below it; an
//! edge is a path or an import in one that names another. What a module and its own submodules use of each other does
//! not count: a submodule is a part of its parent. Test modules do not count either.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The path of a module, from the crate's root: `["family", "http"]`.
type Module = Vec<String>;

/// Returns a message for every cycle in the crate whose sources are in `folder`.
///
/// # Errors
/// When a source cannot be read or is not Rust.
pub(super) fn check(folder: &Path) -> io::Result<Vec<String>> {
    let mut sources = BTreeMap::new();
    read(folder, &Vec::new(), &mut sources)?;
    Ok(cycles(&sources))
}

fn read(folder: &Path, parent: &Module, sources: &mut BTreeMap<Module, syn::File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut module = parent.clone();
        if !matches!(stem.as_str(), "lib" | "main" | "mod") {
            module.push(stem);
        }
        if path.is_dir() {
            read(&path, &module, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("main.rs") {
            let text = fs::read_to_string(&path)?;
            let file = syn::parse_file(&text)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            sources.insert(module, file);
        }
    }
    Ok(())
}

fn cycles(sources: &BTreeMap<Module, syn::File>) -> Vec<String> {
    let modules: BTreeSet<Module> = sources.keys().cloned().collect();
    let mut edges: BTreeMap<Module, BTreeMap<Module, BTreeSet<Module>>> = BTreeMap::new();
    for (module, file) in sources.iter().filter(|(module, _)| !is_test(module)) {
        let mut uses = Uses {
            module,
            modules: &modules,
            found: BTreeSet::new(),
        };
        uses.visit_file(file);
        for path in uses.found {
            let target = resolve(path, &modules, sources);
            // The edge belongs to the innermost folder that both are in.
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            if let (Some(_), Some(_)) = (module.get(common), target.get(common)) {
                let to = target[..=common].to_vec();
                let from = edges.entry(module[..=common].to_vec()).or_default();
                from.entry(to).or_default().insert(module.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    for start in edges.keys() {
        let mut seen = BTreeSet::new();
        if let Some(path) = path_back(start, start, &edges, &mut seen) {
            let mut members = path.clone();
            members.sort();
            found.insert((members, describe(&path, &edges)));
        }
    }
    let mut reported: Vec<Vec<Module>> = Vec::new();
    let mut messages = Vec::new();
    for (members, message) in found {
        if !reported.contains(&members) {
            reported.push(members);
            messages.push(message);
        }
    }
    messages
}

fn is_test(module: &Module) -> bool {
    module.iter().any(|name| name == "tests")
}

/// Depth-first: the modules on a way from `at` to `start`, if there is one.
fn path_back(
    at: &Module,
    start: &Module,
    edges: &BTreeMap<Module, BTreeMap<Module, BTreeSet<Module>>>,
    seen: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    for next in edges.get(at)?.keys() {
        if next == start {
            return Some(vec![at.clone()]);
        }
        if seen.insert(next.clone())
            && let Some(mut path) = path_back(next, start, edges, seen)
        {
            path.insert(0, at.clone());
            return Some(path);
        }
    }
    None
}

fn describe(path: &[Module], edges: &BTreeMap<Module, BTreeMap<Module, BTreeSet<Module>>>) -> String {
    let next = path.iter().cycle().skip(1);
    let steps: Vec<_> = path
        .iter()
        .zip(next)
        .map(|(from, to)| {
            let files = edges[from][to].iter().map(|file| file.join("::"));
            format!(
                "{} uses {} (in {})",
                from.join("::"),
                to.join("::"),
                files.collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    format!(
        "modules in a cycle: {}; move what they share below both",
        steps.join("; ")
    )
}

/// The module that a path from the crate's root names: its longest prefix that is a module, through re-exports.
fn resolve(path: Module, modules: &BTreeSet<Module>, sources: &BTreeMap<Module, syn::File>) -> Module {
    let mut path = path;
    // A re-export leads to a longer path, so a chain of them ends.
    for _ in 0..8 {
        let length = (0..=path.len())
            .rev()
            .find(|length| *length == 0 || modules.contains(&path[..*length]))
            .unwrap_or(0);
        let module = path[..length].to_vec();
        let Some(item) = path.get(length) else {
            return module;
        };
        let reexported = sources
            .get(&module)
            .and_then(|file| reexport(file, &module, item, modules));
        match reexported {
            Some(longer) if longer != path => path = longer,
            _ => return module,
        }
    }
    path
}

/// Where the module takes `item` from, if it re-exports it.
fn reexport(file: &syn::File, module: &Module, item: &str, modules: &BTreeSet<Module>) -> Option<Module> {
    file.items.iter().find_map(|candidate| {
        let syn::Item::Use(import) = candidate else {
            return None;
        };
        let mut paths = Vec::new();
        flatten(&import.tree, Vec::new(), &mut paths);
        paths.into_iter().find_map(|(path, name)| {
            let path = absolute(&path, module, modules)?;
            (name == item).then_some(path)
        })
    })
}

/// Collects the paths that a module's code names, from the crate's root.
struct Uses<'m> {
    module: &'m Module,
    modules: &'m BTreeSet<Module>,
    found: BTreeSet<Module>,
}

impl Uses<'_> {
    fn add(&mut self, path: &[String]) {
        self.found.extend(absolute(path, self.module, self.modules));
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_cfg_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_cfg_test(&item.attrs) {
            let mut paths = Vec::new();
            flatten(&item.tree, Vec::new(), &mut paths);
            for (path, _) in paths {
                self.add(&path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.add(&names);
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are tokens: paths in them are found by their first word.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let mut paths = Vec::new();
        paths_in(item.tokens.clone(), &mut paths);
        for path in paths {
            self.add(&path);
        }
        visit::visit_macro(self, item);
    }
}

fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// A path from the crate's root; `None` where it begins in another crate or with a local name.
fn absolute(path: &[String], module: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            let parent = module.get(..module.len().checked_sub(up)?)?;
            Some([parent, &path[up..]].concat())
        }
        child => {
            let starts_in_child = modules.contains(&[module, &[child.to_owned()][..]].concat());
            starts_in_child.then(|| [module, path].concat())
        }
    }
}

/// The paths of an import, each with the name it gets.
fn flatten(tree: &syn::UseTree, prefix: Vec<String>, paths: &mut Vec<(Vec<String>, String)>) {
    let with = |name: &syn::Ident| [prefix.clone(), vec![name.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => flatten(&path.tree, with(&path.ident), paths),
        syn::UseTree::Name(name) => paths.push((with(&name.ident), name.ident.to_string())),
        syn::UseTree::Rename(rename) => paths.push((with(&rename.ident), rename.rename.to_string())),
        syn::UseTree::Glob(_) => paths.push((prefix, "*".to_owned())),
        syn::UseTree::Group(group) => {
            for item in &group.items {
                flatten(item, prefix.clone(), paths);
            }
        }
    }
}

fn paths_in(tokens: TokenStream, paths: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut separators = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(name) if separators == 2 || path.is_empty() => {
                path.push(name.to_string());
                separators = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => separators += 1,
            TokenTree::Group(group) => {
                paths.push(std::mem::take(&mut path));
                paths_in(group.stream(), paths);
                separators = 0;
            }
            TokenTree::Ident(name) => {
                paths.push(std::mem::replace(&mut path, vec![name.to_string()]));
                separators = 0;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                paths.push(std::mem::take(&mut path));
                separators = 0;
            }
        }
    }
    paths.push(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: &[(&str, &str)]) -> Vec<String> {
        let parsed = sources.iter().map(|(module, text)| {
            let module = module
                .split("::")
                .filter(|name| !name.is_empty())
                .map(str::to_owned);
            (module.collect(), syn::parse_file(text).unwrap())
        });
        cycles(&parsed.collect())
    }

    #[test]
    fn two_modules_that_import_each_other_are_a_cycle() {
        let found = check(&[
            ("a", "use crate::b::B;"),
            ("b", "fn f() { crate::a::g(); }"),
            ("", "mod a; mod b;"),
        ]);
        assert_eq!(
            found,
            ["modules in a cycle: a uses b (in a); b uses a (in b); move what they share below both"]
        );
    }

    #[test]
    fn a_cycle_through_a_third_module_and_a_macro_is_found() {
        let found = check(&[
            ("", ""),
            ("a", "use crate::{b::B, d};"),
            ("b", "use super::c;"),
            ("c", "fn f() { println!(\"{}\", crate::a::NAME); }"),
            ("d", ""),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("c uses a (in c)"), "{found:?}");
    }

    #[test]
    fn a_re_export_of_the_root_counts_as_the_module_it_comes_from() {
        for import in ["pub use b::B;", "pub use self::b::B;", "pub use crate::b::B;"] {
            let found = check(&[("", import), ("a", "use crate::B;"), ("b", "use crate::a;")]);
            assert_eq!(found.len(), 1, "{import} {found:?}");
        }
    }

    #[test]
    fn siblings_deep_inside_are_held_to_the_same_rule() {
        let found = check(&[
            ("", ""),
            ("f", ""),
            ("f::a", "use super::b::B;"),
            ("f::b", "use crate::f::a::A;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_module_and_its_own_part_and_tests_do_not_count() {
        let found = check(&[
            ("", ""),
            ("a", "mod part; use part::P; struct S;"),
            ("a::part", "use super::S;"),
            ("b", "use crate::a::S;"),
            ("a::tests", "use crate::b::B;"),
            ("c", "#[cfg(test)] mod tests { use crate::d::D; }"),
            ("d", "use crate::c::C;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
