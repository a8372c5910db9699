//! The container image: the program alone, in the layout of the Open Container Initiative, written without a container engine.
//!
//! `skopeo copy oci-archive:FILE …` and `podman load -i FILE` read it.
//! Its format: image-spec 1.1, `image-layout.md`, `manifest.md`, `config.md`, `layer.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::staging::Staged;
use super::{VERSION, pack, sums, write_file};
use crate::process;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes it.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn make(staged: &Staged, dist: &Path) -> Result<()> {
    let staged_files = staged.files()?;
    let files: BTreeMap<_, _> = [
        ("ctpulse", "ctpulse"),
        ("LICENSE-APACHE", "licenses/LICENSE-APACHE"),
        ("LICENSE-MIT", "licenses/LICENSE-MIT"),
    ]
    .into_iter()
    .map(|(from, to)| {
        let file = staged_files
            .get(from)
            .with_context(|| format!("no {from}"))?;
        Ok((to.to_owned(), file.clone()))
    })
    .collect::<Result<_>>()?;
    let created = process::capture(Command::new("date").args([
        "--utc",
        "+%Y-%m-%dT%H:%M:%SZ",
        &format!("--date=@{}", staged.time),
    ]))?;
    let image = Image {
        architecture: staged.architecture.debian(),
        created: created.trim_end(),
        layer: pack::archive(&files, staged.time)?,
    };
    let archive = pack::archive(&image.layout()?, staged.time)?;
    write_file(&dist.join(format!("{}.oci.tar", staged.name())), archive)
}

struct Image<'a> {
    /// As Go calls it, which is as Debian does.
    architecture: &'a str,
    /// When, as RFC 3339.
    created: &'a str,
    /// The archive of its only layer.
    layer: Vec<u8>,
}

impl Image<'_> {
    /// The files of its layout.
    fn layout(&self) -> Result<BTreeMap<String, (Vec<u8>, u32)>> {
        let mut blobs = Blobs::default();
        let layer = blobs.add(LAYER, pack::compressed(&self.layer)?);
        let config = blobs.add(
            CONFIG,
            serde_json::to_vec(&json!({
                "created": self.created,
                "architecture": self.architecture,
                "os": "linux",
                "config": {
                    // As the DaemonSet runs it; a container's own namespace tells nothing about the host.
                    "Entrypoint": ["/ctpulse"],
                    "Cmd": ["serve"],
                    "ExposedPorts": {"9466/tcp": {}},
                    "Labels": {
                        "org.opencontainers.image.title": "ctpulse",
                        "org.opencontainers.image.version": VERSION,
                        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
                    },
                },
                "rootfs": {"type": "layers", "diff_ids": [digest(&self.layer)]},
                "history": [{"created": self.created, "created_by": "cargo xtask dist"}],
            }))?,
        );
        let mut manifest = blobs.add(
            MANIFEST,
            serde_json::to_vec(&json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [layer],
            }))?,
        );
        manifest["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        // `podman load` takes this for the whole name: a version alone would be the image's.
        let name = format!("ctpulse:{VERSION}");
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
        let mut files = blobs.files;
        files.insert(
            "index.json".to_owned(),
            (serde_json::to_vec(&index)?, 0o644),
        );
        let layout = json!({"imageLayoutVersion": "1.0.0"});
        files.insert(
            "oci-layout".to_owned(),
            (serde_json::to_vec(&layout)?, 0o644),
        );
        Ok(files)
    }
}

/// Files that are named by what is in them.
#[derive(Default)]
struct Blobs {
    files: BTreeMap<String, (Vec<u8>, u32)>,
}

impl Blobs {
    /// Adds one, and returns what refers to it.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let descriptor =
            json!({"mediaType": media_type, "digest": digest(&bytes), "size": bytes.len()});
        let name = format!("blobs/sha256/{}", sums::of(&bytes));
        self.files.insert(name, (bytes, 0o644));
        descriptor
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sums::of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows every reference, as who loads it does.
    #[test]
    fn every_reference_leads_to_what_it_says() -> Result<()> {
        let layer = b"an archive".to_vec();
        let image = Image {
            architecture: "amd64",
            created: "2026-11-27T15:00:00Z",
            layer: layer.clone(),
        };
        let files = image.layout()?;
        let blob = |descriptor: &Value| -> Result<Vec<u8>> {
            let digest = descriptor["digest"].as_str().context("a digest")?;
            let hex = digest.strip_prefix("sha256:").context("sha256")?;
            let (bytes, _) = &files[&format!("blobs/sha256/{hex}")];
            assert_eq!(sums::of(bytes), hex);
            assert_eq!(descriptor["size"], bytes.len());
            Ok(bytes.clone())
        };
        let index: Value = serde_json::from_slice(&files["index.json"].0)?;
        assert_eq!(index["manifests"][0]["platform"]["architecture"], "amd64");
        assert_eq!(
            index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"],
            format!("ctpulse:{VERSION}")
        );
        let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])?)?;
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])?)?;
        assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&layer)]));
        let packed = blob(&manifest["layers"][0])?;
        let mut unpacked = Vec::new();
        std::io::copy(
            &mut flate2::read::GzDecoder::new(packed.as_slice()),
            &mut unpacked,
        )?;
        assert_eq!(unpacked, layer);
        // Nothing else is in it.
        assert_eq!(files.len(), 5);
        Ok(())
    }
}
