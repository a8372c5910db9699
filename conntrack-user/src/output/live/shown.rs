//! What of the history is shown: which instance, and up to when.

use crate::{
    model::{history::time::Nanos, record::Hello},
    output::live::app::App,
    text::Text,
};

impl App {
    /// The name of the shown instance: the chosen one, or else the worst.
    #[must_use]
    pub fn instance_name(&self) -> Option<&Text> {
        let names = self.history.names();
        let known = |name: &Option<Text>| {
            let name = name.as_ref()?;
            names.iter().copied().find(|known| *known == name)
        };
        known(&self.view.instance)
            .or_else(|| known(&self.view.worst))
            .or_else(|| names.first().copied())
    }

    /// The end of the window.
    #[must_use]
    pub fn end(&self) -> Nanos {
        let shown = self.instance_name();
        let end = self.view.at.or_else(|| self.newest(shown?));
        end.or(self.history.last()).unwrap_or_default()
    }

    /// The end of the window for an instance in a list: its host may have another clock.
    #[must_use]
    pub fn end_of(&self, instance: &Text) -> Nanos {
        let end = self.view.at.or_else(|| self.newest(instance));
        end.unwrap_or_else(|| self.end())
    }

    /// The end of the newest sample of an instance on another host. Those of one host are read together.
    fn newest(&self, instance: &Text) -> Option<Nanos> {
        self.history.host_of(instance)?;
        let (_, last) = self.history.instance(instance.raw())?.extent()?;
        Some(last)
    }

    /// What is watched, and how: on the host of the shown instance.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        let shown = self.instance_name();
        let of_host = shown.and_then(|name| self.history.hello_of(name));
        of_host.or_else(|| self.history.hello())
    }
}
