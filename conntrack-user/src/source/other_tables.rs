//! Tables of connections that are not nf_conntrack's: those that network plugins keep in maps of eBPF programs. Nothing of them is
//! counted; they are looked for so that users learn that.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use crate::text::PlainPath;

/// Where the plugins pin their maps.
pub const PINNED_MAPS: &str = "/sys/fs/bpf/tc/globals";

/// What the names of their tables begin with, whose they are, and what lists them: `cilium_ct4_global`, `cilium_ct_any4_global`,
/// `cali_v4_ct2`, and the same for IPv6.
const OWNERS: &[(&str, &str, &str)] = &[
    ("cilium_ct", "Cilium", "cilium-dbg bpf ct list global"),
    ("cali_v4_ct", "Calico", "calico-node -bpf conntrack dump"),
    ("cali_v6_ct", "Calico", "calico-node -bpf conntrack dump"),
];

/// A plugin that tracks connections by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherTable {
    /// Name of the plugin.
    pub owner: &'static str,
    /// The plugin's command that lists the table.
    pub tool: &'static str,
    /// One of its tables.
    pub table: PathBuf,
}

impl fmt::Display for OtherTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, table, .. } = self;
        let table = PlainPath(table);
        write!(
            f,
            "{owner} tracks connections in a table of its own ({table}), of which nothing is counted here"
        )
    }
}

/// Looks for such tables in a directory of pinned maps, and gives one for each plugin.
///
/// # Errors
///
/// When the directory cannot be read. That it does not exist is none: nobody has pinned anything, or a container does not see it.
pub fn find(directory: &Path) -> io::Result<Vec<OtherTable>> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = entry?.file_name();
        let owner = OWNERS
            .iter()
            .find(|(start, ..)| name.as_encoded_bytes().starts_with(start.as_bytes()));
        if let Some(&(_, owner, tool)) = owner {
            let table = found.entry((owner, tool)).or_insert_with(|| name.clone());
            *table = name.min(std::mem::take(table));
        }
    }
    let table = |((owner, tool), name)| OtherTable {
        owner,
        tool,
        table: directory.join(name),
    };
    Ok(found.into_iter().map(table).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_plugins_are_found_by_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let pinned = |names: &[&str]| {
            for name in names {
                std::fs::write(directory.path().join(name), "").unwrap();
            }
            let found = find(directory.path()).unwrap();
            let found = found.iter();
            let file = |table: &OtherTable| table.table.file_name().unwrap().to_owned();
            let found: Vec<_> = found.map(|t| (t.owner, file(t))).collect();
            found
        };
        assert_eq!(pinned(&["cilium_calls_15124", "cali_v4_nat_fe3"]), []);
        let cilium = ("Cilium", "cilium_ct4_global".into());
        let more = ["cilium_ct_any4_global", "cilium_ct4_global"];
        assert_eq!(pinned(&more), std::slice::from_ref(&cilium));
        let calico = ("Calico", "cali_v4_ct2".into());
        assert_eq!(pinned(&["cali_v4_ct2"]), [calico, cilium]);
    }

    #[test]
    fn nothing_pinned_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(find(&directory.path().join("none")).unwrap(), []);
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(find(&file).is_err());
    }
}
