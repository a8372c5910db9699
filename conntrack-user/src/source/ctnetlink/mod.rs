//! The kernel's own counters through ctnetlink: for kernels without `/proc/net/stat/nf_conntrack`
//! (CONFIG_NF_CONNTRACK_PROCFS, off by default since 5.15.65).
//!
//! The counters are the same memory as in procfs, so they have the same values, but reading them takes CAP_NET_ADMIN and three
//! requests. To answer, the kernel loads its module nf_conntrack_netlink, and nf_conntrack with it: ask only where nf_conntrack
//! is loaded, because otherwise the reading itself would start connection tracking.

pub mod entries;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod stats;
pub mod timeouts;

use std::cell::RefCell;

use self::{
    entries::{DYING, ENTRIES},
    stats::{CPU, EXPECT_CPU, EXPECTATIONS, GLOBAL, cpu_counters, global, table},
    timeouts::PolicyKind,
};
use crate::{
    reading::{
        entries::{Entry, Listing},
        proc_stat::ProcStat,
        table_limits::PolicyReading,
    },
    source::nfnetlink::{
        attribute::{Malformed, Object},
        message::NetlinkRequest,
        socket::{Asked, NetlinkError, NetlinkSocket},
    },
};

/// How often a request is made, at most, while its answer does not arrive whole.
const TRIES: u32 = 3;

/// Reads counters through ctnetlink.
///
/// They are those of the network namespace of the thread that reads first, and after an error, of the
/// thread that reads next: a socket belongs to the namespace it was opened in, is kept open, and is
/// replaced after an error. While it is open the namespace stays, even when no process is left in it.
#[derive(Debug, Default)]
pub struct Ctnetlink {
    socket: Option<NetlinkSocket>,
}

/// The kernel's own counters, as ctnetlink reports them.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Counters per CPU, and the number of entries.
    pub stat: ProcStat,
    /// `nf_conntrack_max`; absent before 4.18 (`ctnetlink_stat_ct_fill_info()`).
    pub max: Option<u32>,
}

impl Ctnetlink {
    /// Reads all counters. As with procfs that is not atomic: CPUs go on counting meanwhile.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]; without CAP_NET_ADMIN, [`NetlinkError::NotPermitted`].
    pub fn read(&mut self) -> Result<Counters, NetlinkError> {
        let global = self
            .ask(&GLOBAL, global)?
            .pop()
            .ok_or_else(|| nothing(&GLOBAL))?;
        let cpus = self.ask(&CPU, cpu_counters)?;
        let expect = self.ask(&EXPECT_CPU, cpu_counters)?;
        Ok(Counters {
            stat: table(&cpus, &expect, global.entries)
                .map_err(|e| NetlinkError::Malformed(CPU, e))?,
            max: global.max,
        })
    }

    /// The number of expectations that the namespace holds.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]; without CAP_NET_ADMIN, [`NetlinkError::NotPermitted`].
    pub fn expectations(&mut self) -> Result<u64, NetlinkError> {
        self.ask(&EXPECTATIONS, |_| Ok(()))
            .map(|held| held.len() as u64)
    }

    /// Gives the entries of the namespace to `each`, until `enough` says so. Entries that come and go meanwhile may be given or not.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]; without CAP_NET_ADMIN, [`NetlinkError::NotPermitted`]. `each` may have been given a part.
    pub fn entries(
        &mut self,
        each: impl FnMut(Entry),
        enough: impl Fn() -> bool,
    ) -> Result<Listing, NetlinkError> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => NetlinkSocket::open()?,
        };
        let each = RefCell::new(each);
        let decode = |object: &Object<'_>| {
            each.borrow_mut()(entries::parse(object)?);
            Ok(())
        };
        Ok(match socket.ask_until(&ENTRIES, decode, enough)? {
            Asked::Whole(_, changed) => {
                self.socket = Some(socket);
                if changed {
                    Listing::Changed
                } else {
                    Listing::Whole
                }
            }
            // The kernel drops the rest with the socket.
            Asked::Enough => Listing::Sampled,
            Asked::Lost => Listing::Partial,
        })
    }

    /// The number of entries that are removed from the table, and wait until listeners of events have been told.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]; without CAP_NET_ADMIN, [`NetlinkError::NotPermitted`].
    pub fn dying(&mut self) -> Result<u64, NetlinkError> {
        self.ask(&DYING, |_| Ok(())).map(|dying| dying.len() as u64)
    }

    /// The timeouts that rules give to chosen flows, of one of the two kinds that there are.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]; without CAP_NET_ADMIN, [`NetlinkError::NotPermitted`].
    pub fn policies(&mut self, kind: PolicyKind) -> Result<Vec<PolicyReading>, NetlinkError> {
        self.ask(kind.request(), |object| kind.parse(object))
    }

    fn ask<T>(
        &mut self,
        request: &NetlinkRequest,
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..TRIES {
            let mut socket = match self.socket.take() {
                Some(socket) => socket,
                None => NetlinkSocket::open()?,
            };
            if let Some((items, interrupted)) = socket.ask(request, &decode)? {
                self.socket = Some(socket);
                if !interrupted {
                    return Ok(items);
                }
            }
        }
        Err(NetlinkError::Incomplete(*request, TRIES))
    }
}

fn nothing(request: &NetlinkRequest) -> NetlinkError {
    NetlinkError::Malformed(*request, Malformed::Content("it is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{
        proc_files::ProcFiles,
        proc_fs::{PROC, ProcRoot},
    };

    /// Compares both on this machine, if it has both and lets us read them.
    #[test]
    fn ctnetlink_and_procfs_agree_on_this_kernel() {
        let proc = ProcRoot::new(PROC);
        let mut files = ProcFiles::new(proc.clone());
        let mut ctnetlink = Ctnetlink::default();
        // It counts on while we read: compare with two equal readings of procfs around it.
        for _ in 0..100 {
            let Some(before) = files.read().kernel.stat else {
                eprintln!("skipped: {} cannot be read", proc.stat_path().display());
                return;
            };
            let counters = match ctnetlink.read() {
                Ok(counters) => counters,
                Err(error) => {
                    eprintln!("skipped: {error}");
                    return;
                }
            };
            let after = files.read().kernel;
            if after.stat.as_ref() != Some(&before) {
                continue;
            }
            let stat = counters.stat;
            assert_eq!(stat.entries(), before.entries());
            assert_eq!(counters.max.map(u64::from).or(after.max), after.max);
            assert_eq!(stat.row_count(), before.row_count());
            for (row, proc_row) in stat.rows().zip(before.rows()) {
                for (column, cell) in stat.columns().iter().zip(row) {
                    let at = before.column_index(column).expect("a column of procfs");
                    assert_eq!(*cell, proc_row[at], "{column}");
                }
            }
            return;
        }
        eprintln!("skipped: this kernel counts without a pause");
    }
}
