//! Netdata's agent with a directory of its own, and nothing on that is not asked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Plugins besides that of /proc, and what else can be turned off as they can.
pub const OTHERS: [&str; 11] = [
    "diskspace",
    "cgroups",
    "tc",
    "idlejitter",
    "checks",
    "timex",
    "statsd",
    "netdata monitoring",
    "enable running new plugins",
    "go.d",
    "apps",
];

const DIRECTORIES: [&str; 10] = [
    "config",
    "stock",
    "health.d",
    "stock.d",
    "log",
    "web",
    "cache",
    "lib",
    "home",
    "plugins.d",
];

/// Lines that turn these off.
pub fn off(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name} = no\n")).collect()
}

/// Makes the directories and the configuration, whose path is returned. `sections` is the rest of it.
pub fn configure(dir: &Path, sections: &str) -> Result<PathBuf> {
    for name in DIRECTORIES {
        fs::create_dir_all(dir.join(name)).with_context(|| format!("make {name}"))?;
    }
    fs::write(dir.join("config/.opt-out-from-anonymous-statistics"), "")?;
    let config = dir.join("config/netdata.conf");
    let dir = dir.display();
    let text = format!(
        "[directories]\n\
         config = {dir}/config\n\
         stock config = {dir}/stock\n\
         health config = {dir}/health.d\n\
         stock health config = {dir}/stock.d\n\
         log = {dir}/log\n\
         web = {dir}/web\n\
         cache = {dir}/cache\n\
         lib = {dir}/lib\n\
         home = {dir}/home\n\
         lock = {dir}/lib\n\
         plugins = \"{dir}/plugins.d\"\n\
         [db]\n\
         mode = alloc\n\
         [ml]\n\
         enabled = no\n\
         [registry]\n\
         enabled = no\n\
         {sections}"
    );
    fs::write(&config, text)?;
    Ok(config)
}
