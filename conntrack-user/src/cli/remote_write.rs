//! Options of remote write.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{heading, values::ValueError},
    client::HttpAddress,
    model::cells::GridStep,
    remote_write::{CredentialFile, ExternalLabel, PATH, QueueSettings, RemoteWriteSettings},
};

/// The bound of the queue in MiB by default: in a directory, and in memory.
const QUEUE_MIB: (u64, u64) = (256, 16);

/// Options of remote write.
#[derive(Args, Clone, Debug)]
pub struct RemoteWriteArgs {
    /// Send samples to this address by Prometheus' remote write: to VictoriaMetrics, Prometheus, Mimir, Thanos
    #[arg(long, value_name = "URL", value_parser = address, help_heading = heading::REMOTE_WRITE)]
    pub remote_write: Option<HttpAddress>,
    /// Time between samples, which are of whole multiples of it by the clock: 10ms to 1s, of which a whole number is a second
    #[arg(long, value_name = "TIME", default_value = "100ms", requires = "remote_write",
          help_heading = heading::REMOTE_WRITE)]
    pub remote_write_step: GridStep,
    /// A label that all samples get; several times for several. By default there are job=ctpulse and instance=HOSTNAME; an empty
    /// value leaves one out
    #[arg(long, value_name = "NAME=VALUE", requires = "remote_write", help_heading = heading::REMOTE_WRITE)]
    pub remote_write_label: Vec<ExternalLabel>,
    /// Keep samples in this directory until they are taken, also over restarts; without it, in memory
    #[arg(long, value_name = "DIR", requires = "remote_write", help_heading = heading::REMOTE_WRITE)]
    pub remote_write_queue: Option<PathBuf>,
    /// The most MiB of samples that are kept; the oldest are dropped [default: 256, 16 in memory]
    #[arg(long, value_name = "MIB", requires = "remote_write", value_parser = clap::value_parser!(u64).range(1..=1 << 20),
          help_heading = heading::REMOTE_WRITE)]
    pub remote_write_queue_size: Option<u64>,
    /// A file with the token to send (Authorization: Bearer)
    #[arg(long, value_name = "FILE", requires = "remote_write", conflicts_with = "remote_write_user",
          help_heading = heading::REMOTE_WRITE)]
    pub remote_write_token_file: Option<PathBuf>,
    /// The user's name to send (Authorization: Basic)
    #[arg(long, value_name = "NAME", requires_all = ["remote_write", "remote_write_password_file"],
          help_heading = heading::REMOTE_WRITE)]
    pub remote_write_user: Option<String>,
    /// A file with that user's password
    #[arg(long, value_name = "FILE", requires = "remote_write_user", help_heading = heading::REMOTE_WRITE)]
    pub remote_write_password_file: Option<PathBuf>,
    /// A file (PEM) of the authorities that certify the server, instead of those that the system trusts
    #[arg(long, value_name = "FILE", requires = "remote_write", help_heading = heading::REMOTE_WRITE)]
    pub remote_write_ca_file: Option<PathBuf>,
}

fn address(text: &str) -> Result<HttpAddress, ValueError> {
    let address = text.parse::<HttpAddress>();
    let address = address.map_err(|error| ValueError::new(error.to_string()))?;
    Ok(address.or_path(PATH))
}

impl RemoteWriteArgs {
    /// What is sent; `None` if nothing is.
    #[must_use]
    pub fn settings(&self) -> Option<RemoteWriteSettings> {
        let address = self.remote_write.clone()?;
        let default = match self.remote_write_queue {
            Some(_) => QUEUE_MIB.0,
            None => QUEUE_MIB.1,
        };
        let password = self.remote_write_password_file.clone();
        let basic = self.remote_write_user.clone().zip(password);
        let basic = basic.map(|(user, password)| CredentialFile::Basic { user, password });
        Some(RemoteWriteSettings {
            address,
            step: self.remote_write_step,
            labels: self.remote_write_label.clone(),
            queue: QueueSettings {
                dir: self.remote_write_queue.clone(),
                limit: self.remote_write_queue_size.unwrap_or(default) << 20,
            },
            credentials: self
                .remote_write_token_file
                .clone()
                .map(CredentialFile::Bearer)
                .or(basic),
            authorities: self.remote_write_ca_file.clone(),
        })
    }
}
