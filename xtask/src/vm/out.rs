//! Files that a guest leaves: what the user wants of them, and putting them where he wants them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// A file or directory of the guest that the host is to have when the command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    guest: String,
    host: PathBuf,
}

impl Out {
    /// Parses `GUEST[:HOST]`.
    ///
    /// # Errors
    /// When GUEST is not absolute or has no name.
    pub(super) fn parse(arg: &str) -> Result<Self> {
        let (guest, host) = match arg.split_once(':') {
            Some((guest, host)) => (guest, host),
            None => (arg, "."),
        };
        if !guest.starts_with('/') || guest.contains('\n') {
            bail!("the guest's path must start with / (and have no line break)");
        }
        let name = Path::new(guest)
            .file_name()
            .with_context(|| format!("{guest} has no name"))?;
        if host.is_empty() {
            bail!("nothing after the colon");
        }
        let host_path = Path::new(host);
        // As cp does it.
        let into = host.ends_with('/') || host_path.is_dir();
        Ok(Self {
            guest: guest.to_owned(),
            host: if into {
                host_path.join(name)
            } else {
                host_path.to_owned()
            },
        })
    }
}

/// The list that the guest's first process reads.
pub(super) fn list(outs: &[Out]) -> String {
    outs.iter().map(|out| format!("{}\n", out.guest)).collect()
}

/// Puts what the guest sent where the user wants it; `dir` is for what is needed on the way.
///
/// # Errors
/// When the guest did not have some of it (the rest is there then), or it cannot be written.
pub(super) fn unpack(archive: &Path, outs: &[Out], dir: &Path) -> Result<()> {
    let unpacked = dir.join("out");
    fs::create_dir_all(&unpacked)
        .with_context(|| format!("cannot create {}", unpacked.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--no-same-owner", "-xf"])
        .arg(archive)
        .arg("-C")
        .arg(&unpacked);
    process::run(&mut tar).context("cannot unpack what the guest sent")?;
    let mut missing = Vec::new();
    for (number, out) in (1..).zip(outs) {
        let from = unpacked.join(number.to_string());
        if !from.exists() {
            missing.push(out.guest.as_str());
            continue;
        }
        let parent = out.host.parent().filter(|dir| !dir.as_os_str().is_empty());
        if let Some(parent) = parent {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let mut copy = Command::new("cp");
        copy.args(["-R", "--preserve=mode,timestamps,links", "-T", "--"]);
        process::run(copy.arg(&from).arg(&out.host))
            .with_context(|| format!("cannot copy {} out of the guest", out.guest))?;
    }
    if !missing.is_empty() {
        bail!("the guest has no {}", missing.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(guest: &str, host: impl Into<PathBuf>) -> Out {
        Out {
            guest: guest.to_owned(),
            host: host.into(),
        }
    }

    #[test]
    fn where_files_go_is_as_with_cp() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let dir = dir.path().to_string_lossy();
        assert_eq!(Out::parse("/tmp/a.json")?, out("/tmp/a.json", "./a.json"));
        assert_eq!(Out::parse("/tmp/a:b")?, out("/tmp/a", "b"));
        assert_eq!(Out::parse("/tmp/a:new/")?, out("/tmp/a", "new/a"));
        assert_eq!(
            Out::parse(&format!("/tmp/a:{dir}"))?,
            out("/tmp/a", format!("{dir}/a"))
        );
        for refused in ["", "a", "tmp/a:b", "/", "/:b", "/a:", "/a\nb"] {
            assert!(Out::parse(refused).is_err(), "{refused:?}");
        }
        Ok(())
    }

    #[test]
    fn what_the_guest_sent_is_put_in_place_and_what_it_lacked_is_named() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("sent/2/below"))?;
        fs::write(at("sent/1"), "one")?;
        fs::write(at("sent/2/below/file"), "two")?;
        let archive = at("out.tar");
        let mut tar = Command::new("tar");
        tar.arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(at("sent"))
            .arg(".");
        process::run(&mut tar)?;
        let outs = [
            out("/one", at("new/one")),
            out("/var/two", at("two")),
            out("/three", at("three")),
        ];
        assert_eq!(list(&outs), "/one\n/var/two\n/three\n");
        let error = unpack(&archive, &outs, dir.path()).map_err(|error| error.to_string());
        assert_eq!(error, Err("the guest has no /three".to_owned()));
        assert_eq!(fs::read_to_string(at("new/one"))?, "one");
        assert_eq!(fs::read_to_string(at("two/below/file"))?, "two");
        assert!(!at("three").exists());
        Ok(())
    }
}
