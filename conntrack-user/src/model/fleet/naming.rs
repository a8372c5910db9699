//! The names of hosts, and of the instances on them.

use crate::{
    model::record::{Hello, Record, Summary},
    text::Text,
};

/// The most characters of a name that are kept.
const CHARS: usize = 64;

/// The name of a host, by which its instances are told from those of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming(Text);

impl Naming {
    /// A name that was given.
    pub(super) const fn given(name: Text) -> Self {
        Self(name)
    }

    /// The host's own name, with a number if another has it.
    pub(super) fn of(hello: &Hello, taken: &[&Text]) -> Self {
        let own: String = hello.hostname.raw().chars().take(CHARS).collect();
        let own = match own.is_empty() {
            true => "unknown".to_owned(),
            false => own.replace('/', "_"),
        };
        let numbered = |n: usize| match n {
            1 => own.clone(),
            n => format!("{own}-{n}"),
        };
        let free = |name: &String| !taken.iter().any(|taken| **taken == name.as_str());
        let name = (1..).map(numbered).find(free);
        Self(name.unwrap_or(own).into())
    }

    pub(super) const fn name(&self) -> &Text {
        &self.0
    }

    /// The name of an instance on it.
    pub(super) fn instance(&self, name: &Text) -> Text {
        format!("{}/{}", self.0.raw(), name.raw()).into()
    }

    /// Gives a record's instance its name here.
    pub(super) fn apply(&self, record: &mut Record) {
        let name = match record {
            Record::Hello(hello) => {
                self.apply_to_hello(hello);
                return;
            }
            Record::Summary(summary) => {
                self.apply_to_summary(summary);
                return;
            }
            Record::Host(host) => {
                host.name = self.instance(&host.name);
                if let Some(hello) = &mut host.hello {
                    self.apply_to_hello(hello);
                }
                return;
            }
            Record::Sample(sample) => &mut sample.instance,
            Record::Crosscheck(crosscheck) => &mut crosscheck.instance,
            Record::Event(event) => &mut event.instance,
            Record::Alert(alert) => &mut alert.instance,
            Record::Burst(burst) => &mut burst.instance,
            Record::Top(top) => &mut top.instance,
            Record::Contents(contents) => &mut contents.instance,
            Record::Limits(limits) => &mut limits.instance,
            Record::Verdict(verdict) => &mut verdict.instance,
            Record::Advice(advice) => &mut advice.instance,
        };
        *name = self.instance(name);
    }

    fn apply_to_hello(&self, hello: &mut Hello) {
        for instance in &mut hello.instances {
            instance.name = self.instance(&instance.name);
            // Those of a recording of several hosts have one already.
            instance.host = Some(match &instance.host {
                Some(host) => self.instance(host),
                None => self.0.clone(),
            });
        }
    }

    fn apply_to_summary(&self, summary: &mut Summary) {
        for instance in &mut summary.instances {
            instance.name = self.instance(&instance.name);
            for (_, bursts) in instance.bursts.iter_mut() {
                bursts.largest.instance = instance.name.clone();
            }
        }
    }
}

/// The instance that a record is about, as its host names it.
pub(super) fn instance_of(record: &Record) -> Option<&Text> {
    match record {
        Record::Sample(sample) => Some(&sample.instance),
        Record::Crosscheck(crosscheck) => Some(&crosscheck.instance),
        Record::Alert(alert) => Some(&alert.instance),
        Record::Burst(burst) => Some(&burst.instance),
        Record::Top(top) => Some(&top.instance),
        Record::Contents(contents) => Some(&contents.instance),
        Record::Limits(limits) => Some(&limits.instance),
        Record::Verdict(verdict) => Some(&verdict.instance),
        Record::Advice(advice) => Some(&advice.instance),
        // Events may be of namespaces that are not watched.
        Record::Event(_) | Record::Hello(_) | Record::Host(_) | Record::Summary(_) => None,
    }
}
