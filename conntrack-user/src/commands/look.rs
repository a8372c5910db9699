//! How the live view looks and what its keys do, by options and configuration.

use jiff::tz::TimeZone;

use crate::{
    cli::ThemeArg,
    config::LiveConfig,
    output::live::{
        App, Theme,
        state::ScreenLayout,
        theme::{Palette, ThemeChoice},
    },
};

/// The options of commands that have a live view.
pub(super) struct Look {
    pub(super) ascii: bool,
    pub(super) theme: Option<ThemeArg>,
    pub(super) mouse: bool,
}

impl Look {
    /// A view that looks so.
    pub(super) fn app(&self, config: &LiveConfig) -> App {
        let mut app = App::new(self.theme(config));
        app.bindings = config.keys.clone();
        app.local = TimeZone::try_system().ok();
        app.view.local_time = config.local_time && app.local.is_some();
        app.view.layout = match config.layout {
            "charts" => ScreenLayout::Charts,
            "events" => ScreenLayout::Events,
            _ => ScreenLayout::Overview,
        };
        app
    }

    /// Whether the mouse is used.
    pub(super) fn mouse(&self, config: &LiveConfig) -> bool {
        self.mouse || config.mouse
    }

    /// An option overrides the environment, and that the configuration.
    fn theme(&self, config: &LiveConfig) -> Theme {
        let mut theme = Theme::detect(self.ascii, &|name| std::env::var(name).ok());
        let configured = ThemeChoice::named(config.theme);
        theme.palette = match (self.theme.map(ThemeArg::choice), theme.palette, configured) {
            (Some(ThemeChoice::Palette(palette)), ..) => palette,
            (Some(ThemeChoice::Auto), detected, _) => detected,
            (None, Palette::Mono, _) => Palette::Mono,
            (None, _, ThemeChoice::Palette(palette)) => palette,
            (None, detected, ThemeChoice::Auto) => detected,
        };
        theme
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LAYOUTS, THEMES};

    #[test]
    fn every_word_of_the_configuration_means_something_else() {
        let look = Look {
            ascii: false,
            theme: None,
            mouse: false,
        };
        let layouts: Vec<ScreenLayout> = LAYOUTS
            .iter()
            .map(|layout| {
                let config = LiveConfig {
                    layout,
                    ..LiveConfig::default()
                };
                look.app(&config).view.layout
            })
            .collect();
        let all = [
            ScreenLayout::Overview,
            ScreenLayout::Charts,
            ScreenLayout::Events,
        ];
        assert_eq!(layouts, all);
        let themes: Vec<ThemeChoice> = THEMES.iter().map(|name| ThemeChoice::named(name)).collect();
        for (i, theme) in themes.iter().enumerate() {
            assert!(!themes[..i].contains(theme), "{theme:?}");
        }
    }
}
