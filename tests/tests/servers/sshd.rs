//! sshd for whoever runs the tests, with keys of its own.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::server::{self, Server};

/// The name by which [`client`] knows it.
pub(crate) const HOST: &str = "test-server";

/// The client, as a program in the server's directory.
const CLIENT: &str = "bin/ssh";

/// For root sshd wants a user and a directory of its own, which its package would make on this machine. Here they are in namespaces
/// that end with it.
const AS_ROOT: &str = "set -e
cp /etc/passwd \"$0/passwd\"
echo 'sshd:x:64999:65534::/run/sshd:/usr/sbin/nologin' >> \"$0/passwd\"
mount --bind \"$0/passwd\" /etc/passwd
mount -t tmpfs tmpfs /run
mkdir /run/sshd
exec \"$@\"";

/// Starts it.
pub(crate) fn start() -> Result<Server> {
    let server = Server::start("sshd", configure)?;
    configure_client(&server)?;
    Ok(server)
}

fn configure(dir: &Path, port: u16) -> Result<Command> {
    for key in ["host_key", "client_key"] {
        let mut keygen = server::command("usr/bin/ssh-keygen")?;
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        let done = keygen
            .arg(dir.join(key))
            .status()
            .context("run ssh-keygen")?;
        ensure!(done.success(), "ssh-keygen: {done}");
    }
    let authorized = dir.join("authorized_keys");
    fs::copy(dir.join("client_key.pub"), &authorized)?;
    let config = dir.join("sshd_config");
    let text = format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {}\n\
         AuthorizedKeysFile {}\n\
         StrictModes no\n\
         PidFile none\n\
         UsePAM no\n",
        dir.join("host_key").display(),
        authorized.display()
    );
    fs::write(&config, text)?;
    let sshd = server::command("usr/sbin/sshd")?;
    let mut command = if rustix::process::geteuid().is_root() {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", AS_ROOT])
            .arg(dir)
            .arg(sshd.get_program());
        for (name, value) in sshd.get_envs() {
            unshare.env(name, value.unwrap_or_default());
        }
        unshare
    } else {
        sshd
    };
    command.args(["-D", "-e", "-f"]).arg(config);
    Ok(command)
}

/// A program that is `ssh` to whoever looks for that in its directory, and knows the server by the name [`HOST`].
fn configure_client(server: &Server) -> Result<()> {
    let dir = server.dir();
    let config = dir.join("ssh_config");
    let text = format!(
        "Host {HOST}\n\
         HostName 127.0.0.1\n\
         Port {}\n\
         IdentityFile {}\n\
         IdentitiesOnly yes\n\
         BatchMode yes\n\
         StrictHostKeyChecking no\n\
         UserKnownHostsFile /dev/null\n\
         LogLevel ERROR\n",
        server.port(),
        dir.join("client_key").display()
    );
    fs::write(&config, text)?;
    let ssh = server::command("usr/bin/ssh")?;
    let mut script = "#!/bin/sh\n".to_owned();
    for (name, value) in ssh.get_envs() {
        let value = value.unwrap_or_default();
        script += &format!("export {}='{}'\n", name.display(), value.display());
    }
    script += &format!(
        "exec '{}' -F '{}' \"$@\"\n",
        ssh.get_program().display(),
        config.display()
    );
    let client = dir.join(CLIENT);
    fs::create_dir_all(client.parent().unwrap_or(dir))?;
    fs::write(&client, script)?;
    fs::set_permissions(&client, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The client.
pub(crate) fn client(server: &Server) -> Command {
    Command::new(server.dir().join(CLIENT))
}
