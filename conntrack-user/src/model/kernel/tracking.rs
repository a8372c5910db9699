//! Whether anything tracks connections here. "0 because nothing tracks" and "0 because idle" are not
//! the same, and the counters do not tell them apart.

use crate::reading::hooks::Hooks;
impl Hooks {
    /// What to tell someone who sees an empty table; `None` when that only means that it is quiet.
    #[must_use]
    pub fn explain_empty_table(&self) -> Option<String> {
        match self {
            Self::Registered => None,
            Self::Absent => Some(
                "nothing tracks here: no rule in this network namespace uses connection tracking; \
                 one such as nft's `ct state new` or iptables' `-m conntrack` would start it"
                    .to_owned(),
            ),
            Self::Unknown(reason) => Some(format!(
                "no connection is tracked here now; whether any rule asks for it is not known \
                 ({reason}), but `nft list ruleset | grep -w ct` or `iptables-save | grep -i conntrack` \
                 may tell"
            )),
        }
    }
}

/// Follows whether anything tracks.
#[derive(Debug, Default)]
pub struct Tracking {
    hooks: Option<Hooks>,
}

impl Tracking {
    /// What explains an empty table, as far as is known by now; `None` when it is not empty, or nothing happens.
    #[must_use]
    pub fn untracked(&self) -> Option<String> {
        self.hooks.as_ref().and_then(Hooks::explain_empty_table)
    }

    /// Takes in the number of entries (`None`: no nf_conntrack), and what the kernel says of hooks if it was just asked.
    /// Gives what a user should know, when that changes.
    pub fn observe(&mut self, entries: Option<u64>, asked: Option<&Hooks>) -> Option<String> {
        let hooks = match (entries, asked) {
            (None, _) => {
                *self = Self::default();
                return None;
            }
            // Whatever tracks them.
            (Some(1..), _) => Hooks::Registered,
            (Some(0), Some(hooks)) => hooks.clone(),
            (Some(0), None) => return None,
        };
        let message = match (&self.hooks, &hooks) {
            (Some(Hooks::Absent), Hooks::Absent) => None,
            (Some(Hooks::Absent), Hooks::Registered) => {
                Some("connection tracking is in use here now".to_owned())
            }
            // It tracked, or this was said already.
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

    /// Seconds, entries, the hooks if they are to be asked for, and the start of what is said.
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
    fn an_empty_table_without_hooks_is_told_once() {
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
    fn a_quiet_table_needs_no_words() {
        check(&[
            (0, Some(3), None, None),
            (1, Some(0), Some(Hooks::Registered), None),
            (2, Some(0), None, None),
            (3, Some(3), None, None),
        ]);
    }

    #[test]
    fn what_cannot_be_told_is_told_as_such() {
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
    fn without_nf_conntrack_there_is_nothing_to_ask() {
        check(&[
            (0, None, None, None),
            (1, Some(0), Some(Hooks::Absent), NOTHING),
            (2, None, None, None),
            (3, Some(0), Some(Hooks::Absent), NOTHING),
        ]);
    }
}
