//! Each server starts on any machine, answers, and leaves no process.

use std::fs;

use anyhow::{Result, ensure};

use crate::{
    server::{self, Server},
    sshd,
};

/// Ends a server, and requires that nothing of it is left.
fn ends(server: Server) -> Result<()> {
    let (group, dir) = (server.pid(), server.dir().to_owned());
    ensure!(server::is_alive(group), "it is not running");
    drop(server);
    ensure!(!server::is_alive(group), "a process of it is left");
    ensure!(!dir.exists(), "{} is left", dir.display());
    Ok(())
}

#[test]
fn prometheus() -> Result<()> {
    let mut server = Server::start("Prometheus", |dir, port| {
        let config = dir.join("prometheus.yml");
        fs::write(&config, "global:\n  scrape_interval: 1s\n")?;
        let mut command = server::command("usr/bin/prometheus")?;
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Ok(command)
    })?;
    let http = server.http();
    server.wait_for("readiness", || http.get("/-/ready").map(Some))?;
    ends(server)
}

#[test]
fn node_exporter() -> Result<()> {
    let server = Server::start("node_exporter", |_, port| {
        let mut command = server::command("usr/bin/prometheus-node-exporter")?;
        command
            .args(["--collector.disable-defaults", "--collector.conntrack"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Ok(command)
    })?;
    let metrics = server.http().get("/metrics")?;
    ensure!(metrics.contains("node_scrape_collector_success{collector=\"conntrack\"}"));
    ends(server)
}

#[test]
fn victoria_metrics() -> Result<()> {
    let server = Server::start("VictoriaMetrics", |dir, port| {
        let mut command = server::command("usr/bin/victoria-metrics")?;
        command
            .arg(format!("-storageDataPath={}", dir.join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        Ok(command)
    })?;
    ensure!(server.http().get("/health")? == "OK");
    ends(server)
}

#[test]
fn sshd() -> Result<()> {
    let sshd = sshd::start()?;
    let output = sshd::client(&sshd)
        .args([sshd::HOST, "echo", "there"])
        .output()?;
    ensure!(
        output.stdout == b"there\n",
        "{}; {}",
        String::from_utf8_lossy(&output.stderr),
        sshd.log()
    );
    ends(sshd)
}
