//! Verdicts for recordings that have none: those by versions before there were any.

use crate::{
    model::{record::Record, verdict::Verdicts},
    text::Text,
};

/// Goes through the records of a recording, and makes the verdicts that it lacks.
#[derive(Debug, Default)]
pub struct Completion {
    verdicts: Verdicts,
    /// The instances of the last hello.
    instances: Vec<Text>,
    /// Whether the recording has verdicts of its own.
    recorded: bool,
    /// Whether the closing ones were made, and no sample came since.
    closed: bool,
}

impl Completion {
    /// The verdicts that belong before the next record; `None`: the end.
    pub fn before(&mut self, next: Option<&Record>) -> Vec<Record> {
        self.recorded |= matches!(next, Some(Record::Verdict(_)));
        if self.recorded {
            return Vec::new();
        }
        let mut made = Vec::new();
        match next {
            Some(Record::Sample(sample)) if self.verdicts.has_taken(&sample.instance) => {
                made = self.verdicts.changed();
            }
            Some(Record::Summary(_)) | None if !self.closed => {
                self.closed = true;
                self.verdicts.changed();
                made = self.verdicts.closing(&self.instances);
            }
            Some(Record::Hello(hello)) => {
                if self.closed {
                    // Another run, appended to the recording: its counts start anew.
                    self.verdicts = Verdicts::default();
                }
                let names = hello.instances.iter().map(|instance| &instance.name);
                self.instances = names.cloned().collect();
            }
            Some(_) | None => {}
        }
        self.closed &= !matches!(next, Some(Record::Sample(_)));
        if let Some(record) = next {
            self.verdicts.take(record);
        }
        made
    }
}
