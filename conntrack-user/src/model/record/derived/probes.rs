//! How the probes are attached, or why none is.

use std::collections::HashMap;

use crate::{reading::probes::Probes, text::Text};

/// Functions that are probed by kprobe for one reason, while others are by fentry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KprobeGroup {
    /// Their names.
    pub functions: Vec<Text>,
    /// Why not by fentry; `None` in recordings that do not have it.
    pub reason: Option<Text>,
}

impl Probes {
    /// Whether any probe is attached.
    #[must_use]
    pub(crate) fn is_attached(&self) -> bool {
        self.mode != "off"
    }

    /// Why no probe is attached.
    #[must_use]
    pub(crate) fn why_off(&self) -> Text {
        self.reason
            .clone()
            .unwrap_or_else(|| Text::fixed("none could be attached"))
    }

    /// The functions that are probed by kprobe although others are by fentry, by reason.
    #[must_use]
    pub(crate) fn by_kprobe_and_why(&self) -> Vec<KprobeGroup> {
        let functions = self.functions.iter();
        let reasons: HashMap<&str, Option<&Text>> = functions
            .map(|probed| (probed.function.raw(), probed.reason.as_ref()))
            .collect();
        let mut groups: Vec<KprobeGroup> = Vec::new();
        let mut group_of: HashMap<Option<&Text>, usize> = HashMap::new();
        for function in &self.by_kprobe {
            let reason = reasons.get(function.raw()).copied().flatten();
            let index = *group_of.entry(reason).or_insert_with(|| {
                groups.push(KprobeGroup {
                    functions: Vec::new(),
                    reason: reason.cloned(),
                });
                groups.len() - 1
            });
            groups[index].functions.push(function.clone());
        }
        groups
    }
}
