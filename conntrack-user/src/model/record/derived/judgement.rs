//! What an alert says of an interval. Only the alert itself knows the thresholds that are configured.

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        record::{check::Verdict, sample::Sample},
    },
    text::Text,
};

/// What an alert says at the end of an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Its status.
    Judged(AlertStatus),
    /// Nothing, and why. That is not [`AlertStatus::Clear`].
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
    /// Whether the probes' count is known to be wrong.
    #[must_use]
    pub(crate) fn is_bad(self) -> bool {
        self >= Self::Undercount
    }
}

impl Sample {
    /// What an alert says. One that is raised persists while there is nothing to judge it by; one that is
    /// not is then not judged.
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

    /// Whether the table holds as much as it may: the next flow is refused, or evicts another. A table whose
    /// maximum was lowered holds more. Whatever an alert says of that, it is so.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        match (self.entries, self.max) {
            (Some(entries), Some(max)) => max > 0 && entries >= max,
            _ => false,
        }
    }

    /// The alerts that are raised, by name, without that on the table's utilization.
    pub(crate) fn other_raised_alerts(
        &self,
    ) -> impl Iterator<Item = (&Text, AlertStatus, Option<f64>)> {
        self.alerts
            .0
            .iter()
            .filter(|(name, alert)| alert.status.is_raised() && *name != AlertId::Full.spec().name)
            .map(|(name, alert)| (name, alert.status, alert.value))
    }
}
