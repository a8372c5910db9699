//! The configuration of a run, and what is available.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        kernel::per_counter::PerCounter,
        record::wire::{by_name, from_names},
    },
    reading::{probes::Probes, workload::Workload},
    text::Text,
};

/// The configuration of a run, and what is available.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of ctpulse.
    pub version: Text,
    /// Kernel release.
    pub kernel: Text,
    /// Host name.
    pub hostname: Text,
    /// Time between samples, in milliseconds.
    pub interval_ms: f64,
    /// The attached and missing probes.
    pub probes: Probes,
    /// The watched instances.
    pub instances: Vec<Instance>,
    /// Why counters are unavailable.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub unavailable: PerCounter<Text>,
}

/// A watched network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name in records.
    pub name: Text,
    /// Its inode number; `None` for a directory of files.
    pub netns: Option<u32>,
    /// The host it is on, which its name begins with; `None` on this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
    /// The pod, container or unit that it belongs to, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<Workload>>,
}
