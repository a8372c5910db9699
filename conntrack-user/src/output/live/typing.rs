//! Text that is typed into the prompt.

use ratatui::crossterm::event::KeyCode;

use crate::output::live::app::App;

impl App {
    /// Handles a key while the prompt is open.
    pub(super) fn type_into_prompt(&mut self, key: KeyCode) {
        let Some(prompt) = &mut self.view.prompt else {
            return;
        };
        match key {
            KeyCode::Esc => self.view.prompt = None,
            KeyCode::Enter => match prompt.text.parse() {
                Ok(search) => {
                    self.view.search = search;
                    self.view.search_text = std::mem::take(&mut prompt.text);
                    self.view.prompt = None;
                }
                Err(error) => prompt.error = Some(error),
            },
            KeyCode::Backspace => {
                prompt.error = None;
                if prompt.text.pop().is_none() {
                    self.view.prompt = None;
                }
            }
            KeyCode::Char(c) if !c.is_control() => {
                prompt.error = None;
                prompt.text.push(c);
            }
            _ => {}
        }
    }
}
