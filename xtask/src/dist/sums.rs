//! Checksums of the packages, as `sha256sum --check` reads them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::write_file;

/// Writes those of all files in a directory, but not of what is in directories in it.
///
/// # Errors
/// When a file cannot be read, or theirs not written.
pub(super) fn make(dist: &Path) -> Result<()> {
    let cannot = || format!("cannot read the directory {}", dist.display());
    let mut lines = Vec::new();
    for entry in fs::read_dir(dist).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.is_file() {
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            lines.push((
                name.clone().into_owned(),
                format!("{}  {name}\n", of(&bytes)),
            ));
        }
    }
    lines.sort();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    write_file(&dist.join("SHA256SUMS"), text)
}

/// The checksum of bytes in hexadecimal digits.
pub(super) fn of(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_sha256sum() {
        assert_eq!(
            of(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
