//! The status of an alert in a sample. Only the alert itself knows its configured thresholds.

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        record::{check::Verdict, sample::Sample},
    },
    text::Text,
};

/// The status of an alert at the end of an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It was evaluated, with this status.
    Judged(AlertStatus),
    /// It could not be evaluated, for this reason. This is not [`AlertStatus::Clear`].
    NotJudged(Text),
}

impl Judgement {
    /// The status, if there is one.
    #[must_use]
    pub(crate) fn status(&self) -> Option<AlertStatus> {
        match self {
            Self::Judged(status) => Some(*status),
            Self::NotJudged(_) => None,
        }
    }
}

impl AlertStatus {
    /// Whether it is worse than [`Self::Clear`].
    #[must_use]
    pub(crate) fn is_raised(self) -> bool {
        self > Self::Clear
    }
}

impl Verdict {
    /// Whether it means that the probes' count is wrong.
    #[must_use]
    pub(crate) fn is_bad(self) -> bool {
        self >= Self::Undercount
    }
}

impl Sample {
    /// The status of an alert. While its input is unavailable, a raised alert persists, and any other is not evaluated.
    #[must_use]
    pub(crate) fn judgement(&self, alert: AlertId) -> Judgement {
        let name = alert.spec().name;
        let unavailable = || {
            let why = self.alerts_unavailable.get(name).cloned();
            why.unwrap_or_else(|| Text::fixed("its status is not in the record"))
        };
        let Some(status) = self.alerts.get(name).map(|state| state.status) else {
            return Judgement::NotJudged(unavailable());
        };
        if status.is_raised() || alert != AlertId::Full {
            return Judgement::Judged(status);
        }
        match (&self.untracked, self.entries, self.max) {
            (Some(why), ..) => Judgement::NotJudged(why.clone()),
            (None, None, _) => {
                Judgement::NotJudged(Text::fixed("the number of entries cannot be read"))
            }
            (None, _, None | Some(0)) => {
                Judgement::NotJudged(Text::fixed("there is no limit to judge by"))
            }
            (None, Some(_), Some(_)) => Judgement::Judged(status),
        }
    }

    /// Whether the table is full: the next flow is rejected, or evicts another one. After the maximum was lowered it holds even
    /// more. This does not depend on the alert's thresholds.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        match (self.entries, self.max) {
            (Some(entries), Some(max)) => max > 0 && entries >= max,
            _ => false,
        }
    }
}
