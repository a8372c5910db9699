//! The core as a package of its own: copies of its files, with the dependencies that they need.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::paths;

/// What the core consists of, in conntrack-user/src: the model, what it models, and what both name.
const MODULES: [&str; 4] = ["clock.rs", "model", "reading", "text.rs"];

/// The crates that it names.
const DEPENDENCIES: [&str; 8] = [
    "conntrack-ebpf",
    "hdrhistogram",
    "ipnet",
    "jiff",
    "rustix",
    "serde",
    "serde_json",
    "thiserror",
];

/// Those that its tests name.
const OF_TESTS: [&str; 2] = ["insta", "proptest"];

/// Makes the package in the directory `tree`, in place of an older one, with the tests of one room or of all; returns its path. It is
/// as deep in the tree as conntrack-user is in the workspace, for the paths of fixtures.
///
/// # Errors
/// When the files cannot be copied.
pub(super) fn make(tree: &Path, room: Option<&str>) -> Result<PathBuf> {
    let workspace = paths::workspace();
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| tree.display().to_string())?;
    }
    let package = tree.join("conntrack-user");
    for module in MODULES {
        let path = Path::new("src").join(module);
        copy(
            &workspace.join("conntrack-user").join(&path),
            &package.join(&path),
        )?;
    }
    if let Some(room) = room {
        leave_out_tests(&package.join("src"), room)?;
    }
    let fixtures = Path::new("tests/fixtures");
    copy(&workspace.join(fixtures), &tree.join(fixtures))?;
    copy(&workspace.join("Cargo.lock"), &package.join("Cargo.lock"))?;
    let root = fs::read_to_string(workspace.join("Cargo.toml")).context("Cargo.toml")?;
    // By different names: cargo takes packages of one name in two places for the same.
    let name = room.map_or("ctpulse-core", |_| "ctpulse-core-of-a-room");
    let manifest = manifest(name, &root, workspace)?;
    write(&package.join("Cargo.toml"), &manifest)?;
    write(&package.join("src/lib.rs"), &library())?;
    Ok(package)
}

/// Leaves out the modules of tests of all rooms but one: most of what there is to compile.
fn leave_out_tests(source: &Path, room: &str) -> Result<()> {
    for file in files(source)? {
        if super::room(&file).as_deref() == Some(room) {
            continue;
        }
        let path = source.join(&file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        // In lines of the same number: what is changed is known by its place.
        let without = text.replace("#[cfg(test)]\nmod ", "#[cfg(any())]\nmod ");
        if without != text {
            write(&path, &without)?;
        }
    }
    Ok(())
}

/// All files below a directory, by their paths in it, in order.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn files(directory: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        let entries = fs::read_dir(&next).with_context(|| next.display().to_string())?;
        for entry in entries {
            let path = entry.with_context(|| next.display().to_string())?.path();
            match path.is_dir() {
                true => directories.push(path),
                false => files.extend(
                    path.strip_prefix(directory)
                        .map(|path| path.display().to_string()),
                ),
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Copies a file, or a directory with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().unwrap_or(to)).with_context(|| to.display().to_string())?;
        fs::copy(from, to).with_context(|| from.display().to_string())?;
        return Ok(());
    }
    for file in files(from)? {
        copy(&from.join(&file), &to.join(&file))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

fn library() -> String {
    let modules = MODULES.map(|name| format!("pub mod {};\n", name.trim_end_matches(".rs")));
    // Much is used by the rest of ctpulse alone.
    format!(
        "//! The core of ctpulse.\n#![allow(warnings)]\n{}",
        modules.concat()
    )
}

/// The package's manifest, with dependencies as the workspace's has them.
fn manifest(name: &str, root: &str, workspace: &Path) -> Result<String> {
    let listed = |names: &[&str]| -> Result<String> {
        let lines = names.iter().map(|name| {
            let is_it = |line: &&str| {
                line.split_once(" = ")
                    .is_some_and(|(first, _)| first == *name)
            };
            let line = root.lines().find(is_it);
            let line = line.with_context(|| format!("{name} is no dependency of the workspace"))?;
            let own = format!("path = \"{}/", workspace.display());
            Ok(format!("{}\n", line.replace("path = \"", &own)))
        });
        lines.collect()
    };
    // Compiling takes longer than running, and most of what is run are the dependencies of tests.
    Ok(format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
        [workspace]\n\n[lib]\ndoctest = false\n\n[dependencies]\n{}\n[dev-dependencies]\n{}\n\
        [profile.dev]\ndebug = 0\ncodegen-units = 256\n\n[profile.dev.package.\"*\"]\nopt-level = 2\n",
        listed(&DEPENDENCIES)?,
        listed(&OF_TESTS)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_those_of_the_workspace() -> Result<()> {
        let root = fs::read_to_string(paths::workspace().join("Cargo.toml"))?;
        let manifest = manifest("core", &root, Path::new("/somewhere"))?;
        assert!(
            manifest.contains("\nconntrack-ebpf = { path = \"/somewhere/conntrack-ebpf\" }\n"),
            "{manifest}"
        );
        assert!(manifest.contains("\nserde = { version"), "{manifest}");
        assert!(super::manifest("core", "[workspace]\n", Path::new("/")).is_err());
        Ok(())
    }

    #[test]
    fn what_is_copied_is_complete() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let package = make(directory.path(), None)?;
        let source = paths::workspace().join("conntrack-user/src");
        let copied = |file: &str| fs::read_to_string(package.join("src").join(file));
        assert_eq!(
            files(&package.join("src/model"))?,
            files(&source.join("model"))?
        );
        assert!(
            package
                .join("../tests/fixtures/records/view.jsonl")
                .is_file()
        );
        assert!(copied("lib.rs")?.contains("pub mod clock;\n"));
        let rooms = ["model/forecast/mod.rs", "model/burst/mod.rs"];
        for file in rooms {
            assert_eq!(copied(file)?, fs::read_to_string(source.join(file))?);
        }
        // A file that is there no more is not in the next one; with the tests of a room, the others' are not.
        fs::write(package.join("src/model/gone.rs"), "")?;
        make(directory.path(), Some("model/forecast"))?;
        assert!(!package.join("src/model/gone.rs").exists());
        let has_tests =
            rooms.map(|file| copied(file).map(|text| text.contains("#[cfg(test)]\nmod tests")));
        assert!(matches!(has_tests, [Ok(true), Ok(false)]), "{has_tests:?}");
        Ok(())
    }
}
