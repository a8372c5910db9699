//! Whether anything tracks connections here. The counters cannot tell "0 because nothing tracks" from "0 because idle".

use crate::reading::hooks::Hooks;
impl Hooks {
    /// Explains to a user why the table is empty; `None` if tracking is enabled, so that it is merely idle.
    #[must_use]
    pub fn explain_empty_table(&self) -> Option<String> {
        let advice = match self {
            Self::Registered => return None,
            Self::Absent => {
                "; one such as nft's `ct state new` or iptables' `-m conntrack` would start it"
            }
            Self::Unknown(_) => {
                ", but `nft list ruleset | grep -w ct` or `iptables-save | grep -i conntrack` may tell"
            }
        };
        self.why_empty().map(|why| why + advice)
    }

    /// Why the table is empty, without advice; `None` if tracking is enabled.
    #[must_use]
    pub fn why_empty(&self) -> Option<String> {
        match self {
            Self::Registered => None,
            Self::Absent => Some(
                "nothing tracks here: no rule in this network namespace uses connection tracking"
                    .to_owned(),
            ),
            Self::Unknown(reason) => Some(format!(
                "no connection is tracked here now; whether any rule asks for it is not known ({reason})"
            )),
        }
    }
}

/// Whether connections are tracked, over time.
#[derive(Debug, Default)]
pub struct Tracking {
    hooks: Option<Hooks>,
}

impl Tracking {
    /// Explains why the table is empty, as far as is known; `None` if it is not empty, or merely idle.
    #[must_use]
    pub fn untracked(&self) -> Option<String> {
        self.hooks.as_ref().and_then(Hooks::explain_empty_table)
    }

    /// Takes the number of entries (`None`: no nf_conntrack), and the hooks if they were just read. Returns a message for the
    /// user when the state changes.
    pub fn observe(&mut self, entries: Option<u64>, asked: Option<&Hooks>) -> Option<String> {
        let hooks = match (entries, asked) {
            (None, _) => {
                *self = Self::default();
                return None;
            }
            // There are entries, so something tracks.
            (Some(1..), _) => Hooks::Registered,
            (Some(0), Some(hooks)) => hooks.clone(),
            (Some(0), None) => return None,
        };
        let message = match (&self.hooks, &hooks) {
            (Some(Hooks::Absent), Hooks::Absent) => None,
            (Some(Hooks::Absent), Hooks::Registered) => {
                Some("connection tracking is in use here now".to_owned())
            }
            // Connections were tracked before, or the message was given before.
            (Some(_), Hooks::Unknown(_)) => None,
            (_, hooks) => hooks.explain_empty_table(),
        };
        self.hooks = Some(hooks);
        message
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reading::hooks::HookSchedule;

    /// Seconds, entries, the hooks if they are to be read, and the start of the expected message.
    type Step<'a> = (u64, Option<u64>, Option<Hooks>, Option<&'a str>);

    fn check(steps: &[Step<'_>]) {
        let mut schedule = HookSchedule::default();
        let mut tracking = Tracking::default();
        for (time, entries, hooks, said) in steps {
            let asked = schedule.is_due(*entries, Duration::from_secs(*time));
            assert_eq!(asked, hooks.is_some(), "at {time}: asked");
            let message = tracking.observe(*entries, hooks.as_ref());
            match said {
                None => assert_eq!(message, None, "at {time}"),
                Some(start) => assert!(
                    message.as_ref().is_some_and(|m| m.starts_with(start)),
                    "at {time}: {message:?}"
                ),
            }
        }
    }

    const NOTHING: Option<&str> = Some("nothing tracks here: ");
    const NOW: Option<&str> = Some("connection tracking is in use here now");

    #[test]
    fn an_empty_table_without_hooks_is_reported_once() {
        check(&[
            (0, Some(0), Some(Hooks::Absent), NOTHING),
            (1, Some(0), None, None),
            (10, Some(0), Some(Hooks::Absent), None),
            (20, Some(0), Some(Hooks::Registered), NOW),
            (30, Some(0), Some(Hooks::Absent), NOTHING),
            (31, Some(5), None, NOW),
            (39, Some(0), None, None),
            (40, Some(0), Some(Hooks::Absent), NOTHING),
        ]);
    }

    #[test]
    fn an_idle_table_is_not_reported() {
        check(&[
            (0, Some(3), None, None),
            (1, Some(0), Some(Hooks::Registered), None),
            (2, Some(0), None, None),
            (3, Some(3), None, None),
        ]);
    }

    #[test]
    fn unknown_hooks_are_reported_as_unknown() {
        let unknown = || Some(Hooks::Unknown("not in this kernel".to_owned()));
        check(&[
            (
                0,
                Some(0),
                unknown(),
                Some(
                    "no connection is tracked here now; whether any rule asks for it is not known \
                     (not in this kernel), ",
                ),
            ),
            (10, Some(0), unknown(), None),
            (11, Some(1), None, None),
            (20, Some(0), unknown(), None),
        ]);
    }

    #[test]
    fn why_the_table_is_empty_is_known_as_long_as_it_is() {
        let mut tracking = Tracking::default();
        assert_eq!(tracking.untracked(), None);
        let said = tracking.observe(Some(0), Some(&Hooks::Absent));
        assert!(said.is_some());
        for _ in 0..2 {
            assert_eq!(tracking.untracked(), said);
            tracking.observe(Some(0), None);
        }
        tracking.observe(Some(1), None);
        assert_eq!(tracking.untracked(), None);
        let unknown = Hooks::Unknown("not in this kernel".to_owned());
        tracking.observe(Some(0), Some(&unknown));
        assert_eq!(tracking.untracked(), unknown.explain_empty_table());
        tracking.observe(None, None);
        assert_eq!(tracking.untracked(), None);
    }

    #[test]
    fn without_nf_conntrack_nothing_is_reported() {
        check(&[
            (0, None, None, None),
            (1, Some(0), Some(Hooks::Absent), NOTHING),
            (2, None, None, None),
            (3, Some(0), Some(Hooks::Absent), NOTHING),
        ]);
    }
}
