//! What is sent, where to, and what waits where, as plain values.

use std::path::PathBuf;

use super::ExternalLabel;
use crate::{client::HttpAddress, model::cells::GridStep};

/// What is sent, and where to.
#[derive(Clone, Debug)]
pub struct RemoteWriteSettings {
    pub address: HttpAddress,
    pub step: GridStep,
    pub labels: Vec<ExternalLabel>,
    pub queue: QueueSettings,
    pub credentials: Option<CredentialFile>,
    /// A file of the authorities that certify the server; `None`: those that the system trusts.
    pub authorities: Option<PathBuf>,
}

/// Where samples wait.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// `None`: in memory.
    pub dir: Option<PathBuf>,
    /// The most bytes.
    pub limit: u64,
}

/// Who we are to the server. The first line of the file is the secret.
#[derive(Clone, Debug)]
pub enum CredentialFile {
    /// A token.
    Bearer(PathBuf),
    /// A user's password.
    Basic { user: String, password: PathBuf },
}
