//! The file that all of them read: this kernel's, or a copy with more rows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A directory laid out like procfs that has the statistics.
pub(crate) struct Statistics {
    pub(crate) root: PathBuf,
    /// A row for each CPU that there may be.
    pub(crate) rows: usize,
}

const PROC: &str = "/proc";
const STAT: &str = "net/stat/nf_conntrack";

impl Statistics {
    pub(crate) fn of_this_kernel() -> Result<Self> {
        let root = PathBuf::from(PROC);
        let path = root.join(STAT);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{}: nf_conntrack has to be loaded", path.display()))?;
        Ok(Self {
            root,
            rows: text.lines().skip(1).count(),
        })
    }

    /// With so many rows, each like the first one of this kernel. They are removed when this process's directory for files is.
    pub(crate) fn copied(rows: usize) -> Result<Self> {
        let proc = Path::new(PROC);
        let root = std::env::temp_dir().join(format!("ctpulse-tick-{}", std::process::id()));
        let copy = |file: &str, change: &dyn Fn(String) -> String| -> Result<()> {
            let text = fs::read_to_string(proc.join(file)).with_context(|| file.to_owned())?;
            let path = root.join(file);
            fs::create_dir_all(path.parent().context("a file has a directory")?)?;
            Ok(fs::write(path, change(text))?)
        };
        copy(STAT, &|text| {
            let mut lines = text.lines();
            let (head, row) = (
                lines.next().unwrap_or_default(),
                lines.next().unwrap_or_default(),
            );
            format!("{head}\n{}", format!("{row}\n").repeat(rows))
        })?;
        for file in [
            "sys/net/netfilter/nf_conntrack_max",
            "sys/net/netfilter/nf_conntrack_count",
            "sys/kernel/osrelease",
        ] {
            copy(file, &|text| text)?;
        }
        Ok(Self { root, rows })
    }

    pub(crate) fn is_of_this_kernel(&self) -> bool {
        self.root == Path::new(PROC)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.root.join(STAT)
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if !self.is_of_this_kernel() {
            // What is left is small, and where such things are removed.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// Kernel, processor and day, for whoever reads the numbers later.
pub(crate) fn host() -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |model| {
            model.trim_start_matches([' ', '\t', ':'])
        });
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let count = std::thread::available_parallelism()?;
    Ok(format!("{}, {count} × {model}, {day}", kernel.trim()))
}
