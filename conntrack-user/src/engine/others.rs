//! What tracks connections on this host besides nf_conntrack, said once at the start.

use std::path::Path;

use crate::{
    engine::{diagnostics::Diagnostics, settings::Target},
    source::other_tables::{self, PINNED_MAPS},
};

/// Tells users of tables that are not watched. A directory that is watched instead of this host has none.
pub(super) fn notify(target: &Target, diagnostics: &Diagnostics) {
    if matches!(target, Target::ProcRoot(_)) {
        return;
    }
    // Only doctor says that it may not look.
    for table in other_tables::find(Path::new(PINNED_MAPS)).unwrap_or_default() {
        diagnostics.notify(table);
    }
}
