//! Options of `serve`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::{
    cli::{Format, RemoteWriteArgs, StreamArgs, ViewArgs, heading},
    config::Config,
    engine::settings::{PrivilegeSettings, RunSettings},
    event_log::{EventTarget, JOURNAL},
    privileges::needs::NetworkUse,
};

/// The port that is listened on by default.
const PORT: u16 = 9466;

/// Options of `serve`: how it serves, and those of the stream that it serves.
#[derive(Args, Clone, Debug)]
#[command(mut_args(fit_for_serve))]
pub struct ServeArgs {
    /// Address and port to answer requests on; port 0 for one of the system's choice
    #[arg(long, short, value_name = "ADDRESS:PORT",
          default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), help_heading = heading::SERVING)]
    pub listen: SocketAddr,
    /// Encrypt with this certificate, followed by those that lead to an authority (PEM); read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = heading::SERVING)]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = heading::SERVING)]
    pub tls_key: Option<PathBuf>,
    /// Answer only clients with a certificate of one of these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = heading::SERVING)]
    pub client_ca: Option<PathBuf>,
    /// Answer only who has a token of this file, which has one in each line; read again when it changes
    #[arg(long, value_name = "FILE", help_heading = heading::SERVING)]
    pub token_file: Option<PathBuf>,
    /// Answer on an address that other hosts reach, without encryption
    #[arg(long, help_heading = heading::SERVING)]
    pub insecure: bool,
    /// Add metrics under the names of another exporter
    #[arg(long, value_enum, value_name = "EXPORTER", help_heading = heading::SERVING)]
    pub compat: Option<CompatArg>,
    /// Write events, bursts, alerts and changes of the verdict, as JSON lines to a file, or to `journald`
    #[arg(long, value_name = "FILE", help_heading = heading::SERVING)]
    pub events_to: Option<PathBuf>,
    /// The journal's socket: for tests
    #[arg(long, value_name = "PATH", default_value = JOURNAL, hide = true)]
    pub journal_socket: PathBuf,
    /// Options of remote write.
    #[command(flatten)]
    pub remote_write: RemoteWriteArgs,
    /// Options of the stream that is served.
    #[command(flatten)]
    pub stream: StreamArgs,
}

/// Exporters whose metrics can be had, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompatArg {
    /// node_nf_conntrack_*, with the kernel's own values in the network namespace of ctpulse itself
    NodeExporter,
}

impl ServeArgs {
    /// The settings of the run that is served, with everything that metrics are made of.
    #[must_use]
    pub fn settings(&self, config: Config) -> RunSettings {
        let settings = self.stream.settings(config);
        let sending = self.remote_write.settings();
        let step = sending.as_ref().map(|sending| sending.step.length());
        RunSettings {
            buckets: true,
            // What is read at the end of each cell is sent.
            interval: step.map_or(settings.interval, |step| step.min(settings.interval)),
            aligned: step.is_some(),
            privileges: PrivilegeSettings {
                network: NetworkUse {
                    accepts: true,
                    connects: sending.is_some(),
                },
                writes_files: sending.is_some_and(|sending| sending.queue.dir.is_some())
                    || self
                        .events_to()
                        .is_some_and(|target| target.file().is_some()),
                ..settings.privileges
            },
            ..settings
        }
    }

    /// Certificate and key, if answers are to be encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        Some((self.tls_cert.as_deref()?, self.tls_key.as_deref()?))
    }

    /// Where events are written to.
    #[must_use]
    pub fn events_to(&self) -> Option<EventTarget> {
        let to = self.events_to.as_ref()?;
        Some(match to.to_str() {
            Some("journald") => EventTarget::Journal(self.journal_socket.clone()),
            _ => EventTarget::File(to.clone()),
        })
    }

    /// Refuses what has no place here, and what would let strangers read.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let stream = &self.stream;
        if stream.view != ViewArgs::default() || stream.format != Format::Text {
            return Err(
                "--format, --columns, --chart, --numbers and --color are for `ctpulse stream`",
            );
        }
        if stream.from.is_given() {
            return Err("--from is for live, stream, record and check: serve on each host itself");
        }
        if self.remote_write.remote_write.is_some() {
            let (step, interval) = (
                self.remote_write.remote_write_step.length(),
                stream.interval,
            );
            if interval < step && !step.as_nanos().is_multiple_of(interval.as_nanos().max(1)) {
                return Err(
                    "--interval must be the time of --remote-write-step, or go into it a whole number of times, so that the counters \
                     are read at the end of each step",
                );
            }
        }
        if self.tls().is_some() || self.insecure {
            return Ok(());
        }
        if !self.listen.ip().to_canonical().is_loopback() {
            return Err(
                "other hosts reach that address, and on the way nothing would be encrypted, tokens neither: encrypt with --tls-cert FILE \
                 --tls-key FILE (--client-ca FILE or --token-file FILE say who may read), listen on 127.0.0.1 or [::1], or accept it \
                 with --insecure",
            );
        }
        Ok(())
    }
}

/// Hides options of a stream that mean nothing here, and reads less often by default: buckets have what happens in between. A service
/// manager starts it again where its probes have to be attached again.
fn fit_for_serve(arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "format" | "buckets" | "columns" | "chart" | "numbers" | "color" => arg.hide(true),
        "from" | "from_token_file" | "ca" | "copy" | "sudo" | "remote_path" | "ssh_option" => {
            arg.hide(true)
        }
        "interval" => arg.default_value("500ms"),
        "privileges" => arg.default_value("drop"),
        _ => arg,
    }
}
