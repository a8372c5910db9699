//! What is served with: certificate, key, the authority of clients, tokens. All come from files, and again when those change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::time::sleep;

use crate::{
    engine::diagnostics::Diagnostics,
    files::{self, Remedied},
    text::PlainPath,
};

/// The most bytes of such a file: a chain of certificates has some KiB, the authorities of a system some hundred.
const FILE_BYTES: u64 = 1 << 20;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often in a row they must be unusable before that is said: whoever replaces several does it one by one.
const FAILURES: u32 = 3;

/// Why credentials cannot be used.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Read { path: PathBuf, source: io::Error },
    /// A file is not what it should be.
    #[error("{}: {what}", PlainPath(path))]
    Contents { path: PathBuf, what: &'static str },
    /// Certificates or keys are damaged, or do not belong together.
    #[error("{}: {what}: {source}", PlainPath(path))]
    Tls {
        path: PathBuf,
        what: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Files, and what is made of them.
pub(super) trait MadeOfFiles {
    type Made;
    fn paths(&self) -> Vec<&Path>;
    /// Makes it of the contents, in the order of the paths.
    fn make(&self, contents: &[Vec<u8>]) -> Result<Self::Made, CredentialsError>;
}

/// What was made of files when they were last usable.
pub(super) struct Reread<F: MadeOfFiles> {
    files: F,
    state: Mutex<RereadState<F::Made>>,
}

struct RereadState<T> {
    made: Arc<T>,
    /// Of the contents that it was made of; keys stay in memory no more often than they have to.
    digest: [u8; 32],
    failures: u32,
}

impl<F: MadeOfFiles> Reread<F> {
    /// Reads them for the first time.
    ///
    /// # Errors
    ///
    /// When they cannot be used.
    pub(super) fn new(files: F) -> Result<Self, CredentialsError> {
        let contents = read(&files)?;
        let state = RereadState {
            made: Arc::new(files.make(&contents)?),
            digest: digest(&contents),
            failures: 0,
        };
        Ok(Self {
            files,
            state: Mutex::new(state),
        })
    }

    pub(super) fn current(&self) -> Arc<F::Made> {
        Arc::clone(&self.state().made)
    }

    /// Looks at them again and again. What cannot be used is not: the last that could stays.
    pub(super) async fn watch(self: Arc<Self>, what: &'static str, diagnostics: Diagnostics) {
        loop {
            sleep(LOOK_AGAIN).await;
            match self.look() {
                Ok(true) => {
                    diagnostics.notify(format_args!("{what} changed and is used from now on"))
                }
                Ok(false) => {}
                Err(error) if self.fails() == FAILURES => diagnostics.notify(format_args!(
                    "{what} changed and cannot be used; the last one stays in use: {error}"
                )),
                Err(_) => {}
            }
        }
    }

    /// Whether there is something new.
    fn look(&self) -> Result<bool, CredentialsError> {
        let contents = read(&self.files)?;
        let digest = digest(&contents);
        let is_new = self.state().digest != digest;
        let made = match is_new {
            true => Some(Arc::new(self.files.make(&contents)?)),
            false => None,
        };
        let mut state = self.state();
        if let Some(made) = made {
            (state.made, state.digest) = (made, digest);
        }
        state.failures = 0;
        Ok(is_new)
    }

    fn fails(&self) -> u32 {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.failures
    }

    fn state(&self) -> MutexGuard<'_, RereadState<F::Made>> {
        // Every update of the state is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(files: &impl MadeOfFiles) -> Result<Vec<Vec<u8>>, CredentialsError> {
    let read = |path: &Path| {
        files::read(path, FILE_BYTES).map_err(|source| CredentialsError::Read {
            path: path.to_owned(),
            source,
        })
    };
    files.paths().into_iter().map(read).collect()
}

fn digest(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for content in contents {
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(content);
    }
    digest.finalize().into()
}
