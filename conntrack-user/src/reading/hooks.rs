//! Whether conntrack is hooked into a network namespace.

use std::time::Duration;

/// How long an answer about hooks is used before the kernel is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What is known of conntrack's hooks in a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// They are registered: packets are tracked.
    Registered,
    /// They are not: no packet can be tracked, except by Open vSwitch or by act_ct of `tc`.
    Absent,
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// Decides when to ask the kernel about hooks: every 10 s, and only while the table is empty, because a table with entries
/// proves that packets are tracked.
#[derive(Debug, Default)]
pub struct HookSchedule {
    asked: Option<Duration>,
}

impl HookSchedule {
    /// Whether to ask now; `entries` is `None` where there is no nf_conntrack, `now` a time since boot.
    pub fn is_due(&mut self, entries: Option<u64>, now: Duration) -> bool {
        match entries {
            None => {
                self.asked = None;
                false
            }
            Some(1..) => false,
            Some(0) => {
                let fresh = |asked| now.saturating_sub(asked) < ASK_AGAIN_AFTER;
                let due = !self.asked.is_some_and(fresh);
                if due {
                    self.asked = Some(now);
                }
                due
            }
        }
    }
}
