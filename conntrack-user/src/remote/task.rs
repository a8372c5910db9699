//! What follows one source by a connection, and makes it again.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    client::{Backoff, random},
    clock::Clock,
    remote::{
        error::ConnectionError,
        feed::{HostEvent, HostFeed, LineFeed},
        http::HttpSource,
        ssh::SshSource,
    },
    text::Text,
};

/// The first wait before connecting again is up to this,
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// and the longest.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a connection is made to.
pub(super) enum HostConnection {
    Http(HttpSource),
    Ssh(SshSource),
}

impl HostConnection {
    /// Whether a run there that has ended may be followed by another: a server that is restarted.
    const fn may_start_again(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Reads until the connection ends.
    async fn read<C: Clock>(&self, lines: &mut LineFeed<'_, C>) -> Result<(), ConnectionError> {
        match self {
            Self::Http(http) => http.read(lines).await,
            Self::Ssh(ssh) => ssh.read(lines).await,
        }
    }
}

/// Reads, and connects again when that ends before the run there has.
pub(super) async fn follow<C: Clock>(connection: HostConnection, feed: HostFeed<C>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let mut lines = LineFeed::new(&feed);
        let read = connection.read(&mut lines).await;
        let is_over = lines.has_summary || feed.is_ending();
        if lines.has_lines {
            backoff.reset();
        }
        let reason = match read {
            Ok(()) => ConnectionError::Closed,
            Err(error) => error,
        };
        let text = Text::from(reason.to_string());
        if is_over {
            feed.send(HostEvent::Ended).await;
            if feed.is_ending() || !connection.may_start_again() {
                return;
            }
        } else if reason.is_final() {
            feed.send(HostEvent::Refused(text)).await;
            return;
        } else {
            feed.send(HostEvent::Lost(text)).await;
        }
        tokio::select! {
            () = sleep(backoff.next(random())) => {}
            () = feed.ending() => {
                feed.send(HostEvent::Ended).await;
                return;
            }
        }
    }
}
