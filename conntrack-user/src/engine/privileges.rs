//! Giving up privileges: once its probes are attached, a run keeps only what reading takes.

use std::path::Path;

use crate::{
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        settings::{NamespaceChoice, RunSettings, Target},
    },
    privileges::{
        self, CapabilitySet, filter,
        needs::{NamespaceUse, Need, ProbeUse, Reader, Uses, kept},
        thread,
    },
    probes::missed::release,
    source::{
        kernel::KernelSource,
        proc_fs::{PROC, ProcRoot},
    },
};

/// What a run takes, and whether it still holds more.
pub(super) struct RunPrivileges {
    /// What the run does, but for its probes, which are attached later.
    uses: Uses,
    /// Whether ctnetlink has the kernel's counters where /proc does not have them.
    ctnetlink_if_needed: bool,
    state: PrivilegeState,
    diagnostics: Diagnostics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrivilegeState {
    /// All are kept, so that probes can be attached again.
    Kept,
    /// They are given up as soon as no probe is to be attached any more.
    UntilAttached,
    GivenUp,
}

impl RunPrivileges {
    pub(super) fn new(settings: &RunSettings, kernel: &str, diagnostics: Diagnostics) -> Self {
        let source = match &settings.target {
            Target::Namespaces { source, .. } => Some(*source),
            Target::ProcRoot(_) => None,
        };
        Self {
            uses: Uses {
                probes: None,
                namespaces: namespaces(&settings.target),
                ctnetlink: source == Some(KernelSource::Ctnetlink),
                top: settings.top.is_some(),
                other_user: false,
                writes_files: settings.privileges.writes_files,
                network: settings.privileges.network,
                kernel: release(kernel),
            },
            ctnetlink_if_needed: source == Some(KernelSource::Auto),
            state: match settings.privileges.drop {
                true => PrivilegeState::UntilAttached,
                false => PrivilegeState::Kept,
            },
            diagnostics,
        }
    }

    /// Whether no probe can be attached any more.
    pub(super) fn are_given_up(&self) -> bool {
        self.state == PrivilegeState::GivenUp
    }

    /// What a worker keeps of what this thread holds.
    pub(super) fn of(&self, reader: Reader) -> CapabilitySet {
        kept(&self.needs(true), reader, thread::held())
    }

    /// Gives up what reading does not take, if that was asked for and not done yet. The calling thread is the one that reads.
    ///
    /// # Errors
    ///
    /// When the kernel does not take capabilities back.
    pub(super) fn give_up(&mut self, attached: bool) -> Result<(), EngineError> {
        if self.state != PrivilegeState::UntilAttached {
            return Ok(());
        }
        if self.ctnetlink_if_needed {
            self.uses.ctnetlink = !Path::new(&ProcRoot::new(PROC).stat_path()).exists();
        }
        let keep = kept(&self.needs(attached), Reader::Run, thread::held());
        thread::keep_only(keep).map_err(EngineError::Privileges)?;
        thread::gain_nothing().map_err(EngineError::Privileges)?;
        self.state = PrivilegeState::GivenUp;
        log::info!(
            "privileges given up; capabilities held from now on: {}",
            privileges::names(keep)
        );
        let uses = self.uses(attached);
        if let Err(error) = filter::leave_only(&uses) {
            self.diagnostics.notify(error);
        }
        Ok(())
    }

    fn uses(&self, attached: bool) -> Uses {
        Uses {
            probes: attached.then(ProbeUse::default),
            ..self.uses
        }
    }

    fn needs(&self, attached: bool) -> Vec<Need> {
        self.uses(attached).needs()
    }
}

fn namespaces(target: &Target) -> NamespaceUse {
    let Target::Namespaces { choices, .. } = target else {
        return NamespaceUse::Directory;
    };
    let is_other = |choice: &NamespaceChoice| matches!(choice, NamespaceChoice::Named(_));
    match choices.as_slice() {
        choices if choices.contains(&NamespaceChoice::All) => NamespaceUse::All,
        choices if choices.iter().any(is_other) => NamespaceUse::Named,
        _ => NamespaceUse::Own,
    }
}
