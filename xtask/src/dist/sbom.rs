//! What the program is made of: its crates, their versions and licences, as CycloneDX.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::staging::Staged;
use super::write_file;
use crate::paths;
use crate::process;
use crate::toolchain::Toolchain;

/// Writes the list.
///
/// # Errors
/// When the tool cannot be had, or refuses.
pub(super) fn make(toolchain: &Toolchain, staged: &Staged, dist: &Path) -> Result<()> {
    let mut tool = toolchain.cargo_sbom()?;
    tool.args(["--cargo-package", "conntrack-user"])
        .args(["--output-format", "cyclone_dx_json_1_6"])
        .arg("--project-directory")
        .arg(paths::workspace());
    let text = process::capture(&mut tool).context("cannot list the crates")?;
    let list = without_chance(&text).context("the list of crates")?;
    write_file(&dist.join(format!("{}.cdx.json", staged.name())), list)
}

/// The list without what differs from one run to the next: the moment, and a number by chance.
fn without_chance(text: &str) -> Result<String> {
    let mut list: Value = serde_json::from_str(text)?;
    let fields = list.as_object_mut().context("is no object")?;
    fields.remove("serialNumber");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("timestamp");
    }
    // An order that does not depend on where the sources are: first within each crate's, or that would decide.
    let dependencies = fields.get_mut("dependencies").and_then(Value::as_array_mut);
    for crates in dependencies.into_iter().flatten() {
        if let Some(names) = crates.get_mut("dependsOn").and_then(Value::as_array_mut) {
            names.sort_by_key(ToString::to_string);
        }
    }
    for member in ["components", "dependencies"] {
        if let Some(members) = fields.get_mut(member).and_then(Value::as_array_mut) {
            members.sort_by_key(ToString::to_string);
        }
    }
    let workspace = paths::workspace().to_string_lossy();
    Ok(serde_json::to_string_pretty(&list)?.replace(&*workspace, "ctpulse"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chance_and_order_make_no_difference() -> Result<()> {
        let a = json!({"ref": "a", "dependsOn": ["y", "x"]});
        let b = json!({"ref": "b", "dependsOn": ["z"]});
        let one =
            json!({"serialNumber": "1", "metadata": {"timestamp": "1"}, "dependencies": [a, b]});
        let a = json!({"ref": "a", "dependsOn": ["x", "y"]});
        let other =
            json!({"serialNumber": "2", "metadata": {"timestamp": "2"}, "dependencies": [b, a]});
        let one = without_chance(&one.to_string())?;
        assert_eq!(one, without_chance(&other.to_string())?);
        assert!(
            one.contains("\"z\"") && !one.contains("serialNumber"),
            "{one}"
        );
        Ok(())
    }
}
