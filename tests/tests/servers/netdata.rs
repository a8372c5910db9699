//! Netdata's agent with one plugin: the program under test.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    program,
    server::{self, Server},
};

/// Starts an agent whose plugin has more arguments, and which has these alerts alone.
pub(crate) fn start(arguments: &str, health: &str) -> Result<Server> {
    Server::start("Netdata", |dir, port| {
        configure(dir, port, arguments, health)
    })
}

fn configure(dir: &Path, port: u16, arguments: &str, health: &str) -> Result<Command> {
    let made = [
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
    for name in made {
        fs::create_dir_all(dir.join(name)).with_context(|| format!("make {name}"))?;
    }
    symlink(program::path()?, dir.join("plugins.d/ctpulse.plugin"))?;
    fs::write(dir.join("health.d/ctpulse.conf"), health)?;
    // It tells nobody of itself, and no other alerts or plugins run.
    fs::write(dir.join("config/.opt-out-from-anonymous-statistics"), "")?;
    let config = dir.join("config/netdata.conf");
    let off = [
        "proc",
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
    let off: String = off.iter().map(|name| format!("{name} = no\n")).collect();
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
         [logs]\n\
         error = stderr\n\
         debug = none\n\
         access = none\n\
         [db]\n\
         mode = alloc\n\
         [ml]\n\
         enabled = no\n\
         [web]\n\
         bind to = 127.0.0.1:{port}\n\
         [registry]\n\
         enabled = no\n\
         [health]\n\
         script to execute on alarm = /bin/true\n\
         [plugins]\n\
         {off}\
         ctpulse = yes\n\
         [plugin:ctpulse]\n\
         command options = {arguments}\n"
    );
    fs::write(&config, text)?;
    let mut command = server::command("usr/sbin/netdata")?;
    command.arg("-D").arg("-c").arg(&config);
    if rustix::process::geteuid().is_root() {
        command.args(["-u", "root"]);
    }
    Ok(command)
}
