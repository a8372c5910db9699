//! Files in an archive, and compressed: the same bytes whoever packs them, and when.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::{Compression, GzBuilder};

/// A tar archive of regular files, each with its mode, all of them root's.
///
/// # Errors
/// When a path is too long for the format.
pub(super) fn archive(files: &BTreeMap<String, (Vec<u8>, u32)>, time: u64) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, (bytes, mode)) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive
            .append_data(&mut header, path, bytes.as_slice())
            .with_context(|| format!("cannot put {path} into an archive"))?;
    }
    archive.into_inner().context("cannot end an archive")
}

/// Compressed without a name and a time of its own.
///
/// # Errors
/// Never, as it stays in memory.
pub(super) fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_bytes() -> Result<()> {
        let files = BTreeMap::from([
            ("b/x".to_owned(), (b"program".to_vec(), 0o755)),
            ("a".to_owned(), (b"text".to_vec(), 0o644)),
        ]);
        let once = compressed(&archive(&files, 1_000)?)?;
        assert_eq!(once, compressed(&archive(&files, 1_000)?)?);
        assert_ne!(once, compressed(&archive(&files, 1_001)?)?);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(once.as_slice()));
        let listed = archive
            .entries()?
            .map(|entry| {
                let entry = entry?;
                let header = entry.header();
                let path = entry.path()?.display().to_string();
                Ok((path, header.mode()?, header.mtime()?, header.uid()?))
            })
            .collect::<Result<Vec<_>>>()?;
        assert_eq!(
            listed,
            [
                ("a".to_owned(), 0o644, 1_000, 0),
                ("b/x".to_owned(), 0o755, 1_000, 0)
            ]
        );
        Ok(())
    }
}
