//! Missed hits: calls that reached a probe and were not counted.
//!
//! Two things can keep a probe from being counted: the kprobe itself does not fire (it nests in
//! another one, or all return instances are in use), or it fires but the program does not run
//! (another kprobe program is running on this CPU: `bpf_prog_active`). The kernel counts the first
//! per link (`bpf_link_info.perf_event.kprobe.missed`) and the second per program
//! (`recursion_misses`), both for kprobes since 6.7, and neither before. A trampoline (fentry) always fires; its misses, when the
//! same program already runs on this CPU, are counted since 5.12.
//! (The kernel adds to the first count without a lock, so two CPUs that miss a hit of one probe at the same moment may be counted
//! as one.)

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
};

use aya::Ebpf;

use super::{bpf, facts::Support, fentry::Trampoline};
use crate::{files, privileges::needs::FREE_IF_OPEN};

/// Release since which the kernel counts missed kprobe hits: commits "bpf: Count missed stats in
/// trace_call_bpf" and "bpf: Add missed value to kprobe perf link info".
const SINCE: (u32, u32) = (6, 7);

/// Release since which it counts missed fentry hits: commit "bpf: Count the number of times recursion was prevented".
const SINCE_BY_FENTRY: (u32, u32) = (5, 12);

/// Whether a kernel of this release counts the hits of all probes that it misses; `kprobes` is whether any of them is a kprobe.
/// Where some are and this kernel counts only those of fentry programs, how many were missed is not known.
#[must_use]
pub fn counts_missed_hits(kernel: &str, kprobes: bool) -> Support {
    let no = Support::no;
    match release(kernel) {
        Some(release) if release >= SINCE => Support::Yes,
        Some(release) if release < SINCE_BY_FENTRY => {
            no("this kernel does not count the probe hits that it misses")
        }
        Some(_) if kprobes => no("this kernel does not count the hits that kprobes miss"),
        Some(_) => Support::Yes,
        None => Support::Unknown(format!("odd release {kernel:?}")),
    }
}

/// Reads the kernel's counts of missed hits, of all probes.
pub struct MissedHits {
    /// `None` where the kernel does not count missed hits.
    counters: Option<Vec<MissCounter>>,
}

/// There may be a dozen, which are read at every tick. Descriptors of programs and links stay open as long as they are attached.
enum MissCounter {
    Program(RawFd),
    /// A program's file of text, kept open, which takes six times as long to write and to read.
    ProgramText(File),
    Link(RawFd),
}

impl MissCounter {
    fn of_program(fd: RawFd, kernel: &str) -> io::Result<Self> {
        // Reading goes on when capabilities are given up.
        match release(kernel).is_some_and(|release| release >= FREE_IF_OPEN) {
            true => Ok(Self::Program(fd)),
            false => files::open_in_procfs(&fdinfo_path(fd)).map(Self::ProgramText),
        }
    }

    fn read(&self) -> Option<u64> {
        match self {
            Self::Program(fd) => bpf::program_misses(*fd),
            Self::ProgramText(info) => {
                let mut text = [0; PROGRAM_INFO];
                let read = info.read_at(&mut text, 0).ok()?;
                field(str::from_utf8(text.get(..read)?).ok()?, "recursion_misses")
            }
            Self::Link(fd) => bpf::kprobe_misses(*fd),
        }
    }
}

/// More than the kernel says of a program, which is some 200 bytes (`bpf_prog_show_fdinfo()`).
const PROGRAM_INFO: usize = 1024;

impl MissedHits {
    /// Finds the counts of all loaded programs and of their links. Where one cannot be read, how many were missed is not known.
    pub(super) fn new(
        ebpf: &Ebpf,
        trampolines: &[Trampoline],
        kernel: &str,
        kprobes: bool,
    ) -> Self {
        let counters = match counts_missed_hits(kernel, kprobes) {
            Support::Yes => Self::find(ebpf, trampolines, kernel)
                .inspect_err(|error| log::debug!("missed hits cannot be read: {error}"))
                .ok(),
            _ => None,
        };
        Self { counters }
    }

    fn find(ebpf: &Ebpf, trampolines: &[Trampoline], kernel: &str) -> io::Result<Vec<MissCounter>> {
        let mut counters = Vec::new();
        let mut ids = Vec::new();
        for (_, program) in ebpf.programs() {
            let Ok(fd) = program.fd() else { continue };
            let fd = fd.as_fd().as_raw_fd();
            counters.push(MissCounter::of_program(fd, kernel)?);
            ids.extend(fdinfo(fd, "prog_id"));
        }
        for trampoline in trampolines {
            counters.push(MissCounter::of_program(
                trampoline.program.as_raw_fd(),
                kernel,
            )?);
        }
        // aya does not expose the links' descriptors, so they are found by their fdinfo.
        let links = open_descriptors().into_iter().filter(|&fd| {
            fdinfo_text(fd).is_some_and(|text| {
                field(&text, "link_id").is_some()
                    && field(&text, "prog_id").is_some_and(|id| ids.contains(&id))
                    && !is_trampoline(&text)
            })
        });
        counters.extend(links.map(MissCounter::Link));
        Ok(counters)
    }

    /// Hits missed so far; `None` where the kernel does not count them.
    #[must_use]
    pub fn read(&self) -> Option<u64> {
        self.counters
            .as_ref()?
            .iter()
            .try_fold(0, |sum, counter| Some(sum + counter.read()?))
    }
}

/// Major and minor number of a release such as `6.12.117+deb12-cloud-amd64`.
#[must_use]
pub fn release(kernel: &str) -> Option<(u32, u32)> {
    let mut numbers = kernel.split(['.', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn open_descriptors() -> Vec<RawFd> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn fdinfo_path(fd: RawFd) -> PathBuf {
    Path::new("/proc/self/fdinfo").join(fd.to_string())
}

fn fdinfo_text(fd: RawFd) -> Option<String> {
    files::read_start(&fdinfo_path(fd), 64 << 10).ok()
}

fn fdinfo(fd: RawFd, name: &str) -> Option<u64> {
    field(&fdinfo_text(fd)?, name)
}

/// Whether fdinfo is that of a link to a trampoline, which always fires: `link_type:\ttracing`.
fn is_trampoline(text: &str) -> bool {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.any(|(key, value)| key == "link_type" && value.trim() == "tracing")
}

/// A number from lines like `recursion_misses:\t0`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(release("6.12.117+deb12-cloud-amd64"), Some((6, 12)));
        assert_eq!(release("6.1.0-56-cloud-amd64"), Some((6, 1)));
        assert_eq!(release("7.0-rc1"), Some((7, 0)));
        assert_eq!(release("?"), None);
    }

    #[test]
    fn one_kprobe_makes_missed_hits_unknown_before_6_7() {
        for (kernel, kprobes, counted) in [
            ("6.12.117", true, true),
            ("6.7.0", true, true),
            ("6.6.99", true, false),
            ("6.6.99", false, true),
            ("6.1.0-56-cloud-amd64", true, false),
            ("6.1.0-56-cloud-amd64", false, true),
            ("5.12.0", false, true),
            ("5.11.0", false, false),
        ] {
            let support = counts_missed_hits(kernel, kprobes);
            let context = format!("{kernel}, kprobes: {kprobes}: {support:?}");
            assert_eq!(support == Support::Yes, counted, "{context}");
            // The reason speaks of kprobes only where fentry programs' hits are counted.
            if let Support::No(lack) = support {
                assert_eq!(lack.seen.contains("kprobes"), kprobes, "{context}");
            }
        }
        assert!(matches!(
            counts_missed_hits("?", false),
            Support::Unknown(_)
        ));
    }

    #[test]
    fn fdinfo_fields() {
        let text = "pos:\t0\nprog_type:\t2\nrecursion_misses:\t17\nverified_insns:\t99\n";
        assert_eq!(field(text, "recursion_misses"), Some(17));
        assert_eq!(field(text, "prog_type"), Some(2));
        assert_eq!(field(text, "absent"), None);
        assert!(is_trampoline("pos:\t0\nlink_type:\ttracing\nlink_id:\t3\n"));
        assert!(!is_trampoline("pos:\t0\nlink_type:\tperf\nlink_id:\t3\n"));
    }
}
