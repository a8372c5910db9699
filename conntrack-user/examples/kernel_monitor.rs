//! Has ctpulse judge counters that were read by this program: here of files laid out like /proc, once a second.
//!
//! ```sh
//! cargo +1.98.0 run -p conntrack-user --example kernel_monitor /proc 3
//! ```

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program of its own, which reads files and prints as it likes"
)]

use std::{env, error::Error, fs, path::Path, thread, time::Duration};

use conntrack_user::{
    Clock, KernelMonitor, ParseError, Snapshot, SystemClock,
    record::{Counter, Record},
};

const SECOND: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let root = args.next().unwrap_or_else(|| "/proc".to_owned());
    let seconds: u32 = args.next().map_or(Ok(3), |text| text.parse())?;
    let release = fs::read_to_string(Path::new(&root).join("sys/kernel/osrelease")).ok();
    let release = release.as_deref().map(str::trim);

    let mut monitor = KernelMonitor::new(&root, release, SECOND);
    for _ in 0..seconds {
        show(&observe(Path::new(&root), |now, snapshot| {
            monitor.observe(now, snapshot)
        })?);
        thread::sleep(SECOND);
    }
    show(&observe(Path::new(&root), |now, snapshot| {
        monitor.finish(now, snapshot)
    })?);
    Ok(())
}

/// Reads the files, and gives what the monitor makes of them.
fn observe(
    root: &Path,
    monitor: impl FnOnce(conntrack_user::Instant, &Snapshot<'_>) -> Result<Vec<Record>, ParseError>,
) -> Result<Vec<Record>, ParseError> {
    let number = |file| {
        fs::read_to_string(root.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let stat = fs::read_to_string(root.join("net/stat/nf_conntrack")).ok();
    let snapshot = Snapshot {
        stat: stat.as_deref(),
        count: number("sys/net/netfilter/nf_conntrack_count"),
        max: number("sys/net/netfilter/nf_conntrack_max"),
    };
    monitor(SystemClock.now(), &snapshot)
}

fn show(records: &[Record]) {
    for record in records {
        match record {
            Record::Sample(sample) => println!(
                "{}: {:?} of {:?} entries, {:?} insert failures so far",
                sample.time,
                sample.entries,
                sample.max,
                sample.counters.get(Counter::InsertFailed),
            ),
            Record::Alert(alert) => println!("{}: {} {}", alert.time, alert.name, alert.status),
            _ => {}
        }
    }
}
