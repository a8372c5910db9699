//! Netdata's agent with one plugin: the program under test.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::Result;
use ctpulse_tests::netdata;

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
    let sections = format!(
        "[logs]\n\
         error = stderr\n\
         debug = none\n\
         access = none\n\
         [web]\n\
         bind to = 127.0.0.1:{port}\n\
         [health]\n\
         script to execute on alarm = /bin/true\n\
         [plugins]\n\
         proc = no\n\
         {}\
         ctpulse = yes\n\
         [plugin:ctpulse]\n\
         command options = {arguments}\n",
        netdata::off(&netdata::OTHERS)
    );
    let config = netdata::configure(dir, &sections)?;
    symlink(program::path()?, dir.join("plugins.d/ctpulse.plugin"))?;
    fs::write(dir.join("health.d/ctpulse.conf"), health)?;
    let mut command = server::command("usr/sbin/netdata")?;
    command.arg("-D").arg("-c").arg(&config);
    if rustix::process::geteuid().is_root() {
        command.args(["-u", "root"]);
    }
    Ok(command)
}
