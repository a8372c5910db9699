//! What a service manager is told, where there is one (`NOTIFY_SOCKET`). It is no error if it does not listen.

use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::time::sleep;

use super::shared::{Health, Shared};

/// The run has started.
pub(super) fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// The run ends.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Tells it that the run is alive, as often as it wants to know (`WATCHDOG_USEC`), while it is.
pub(super) async fn watchdog(shared: Arc<Shared>) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return;
    };
    loop {
        if matches!(shared.health(), Health::Alive) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        sleep(limit / 3).await;
    }
}
