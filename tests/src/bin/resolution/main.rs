//! Measures which bursts are seen, and how long they seem to be: by ctpulse, which is niced and stopped meanwhile, and by programs
//! that read the number of entries a thousand times a second and once a second. All CPUs are busy with other work.
//!
//! Only for guests, as root: it makes flows and flushes the table.

mod made;
mod poller;
mod seen;

use std::{
    fs, hint,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use ctpulse_tests::{
    cpu_time::cpu_time,
    cpus,
    ctpulse::{Ended, Stream},
    kernel::{table_buckets, tracking},
    markdown,
};
use rustix::process::{Pid, Signal, setpriority_process};

use made::{Kind, Maker, Sent};
use poller::{Polled, poll};
use seen::Seen;

/// Measures which bursts are seen.
#[derive(Parser)]
struct Options {
    /// How often each burst is made
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
}

/// The lengths of bursts, in milliseconds.
const LENGTHS: [u32; 6] = [1, 5, 20, 50, 100, 500];

/// How long ctpulse is stopped at each burst.
const STOPPED: Duration = Duration::from_millis(500);

/// From the stop to the burst.
const BEFORE: Duration = Duration::from_millis(100);

/// From one burst to the next, at least. It varies, so that bursts are anywhere in a second.
const PERIOD: Duration = Duration::from_millis(1_600);

fn main() -> Result<()> {
    let options = Options::parse();
    tracking()?;
    // Flushing walks over all of them.
    table_buckets(512)?;
    let over = AtomicBool::new(false);
    let busy = cpus::available()?;
    let run = thread::scope(|scope| -> Result<Run> {
        for &cpu in &busy {
            let over = &over;
            scope.spawn(move || work(cpu, over));
        }
        let often = scope.spawn(|| poll(Duration::from_millis(1), &over));
        let rarely = scope.spawn(|| poll(Duration::from_secs(1), &over));
        let made = bursts(options.repetitions);
        over.store(true, Ordering::Relaxed);
        let joined = |thread: thread::ScopedJoinHandle<'_, Result<Polled>>| {
            let polled = thread.join();
            polled.map_err(|_| anyhow!("a thread panicked"))?
        };
        let (often, rarely) = (joined(often)?, joined(rarely)?);
        let (sent, ended, cpu) = made?;
        Ok(Run {
            sent,
            ended,
            cpu,
            often,
            rarely,
        })
    })?;
    print!("{}", report(&run, busy.len())?);
    Ok(())
}

/// What was made, and what was seen of it.
struct Run {
    sent: Vec<Sent>,
    ended: Ended,
    /// The CPU time that ctpulse took meanwhile.
    cpu: Duration,
    often: Polled,
    rarely: Polled,
}

/// Other work that keeps a CPU busy.
fn work(cpu: usize, over: &AtomicBool) {
    // Anywhere is good, too.
    let _here = cpus::stay_on(cpu);
    let mut number = 1_u64;
    while !over.load(Ordering::Relaxed) {
        // Where the clock counts instructions, many of them without a jump are what takes the emulator the least time.
        for _ in 0..10_000 {
            for _ in 0..16 {
                number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            }
        }
        hint::black_box(number);
    }
}

/// Makes all bursts while ctpulse runs with the lowest priority.
fn bursts(repetitions: u32) -> Result<(Vec<Sent>, Ended, Duration)> {
    let stream = Stream::start(&["--interval", "1s"])?;
    be_nice(stream.pid())?;
    // It learns the usual rate.
    thread::sleep(Duration::from_secs(3));
    let before = cpu_time(stream.pid())?;
    let mut maker = Maker::new()?;
    let mut sent = Vec::new();
    for repetition in 0..repetitions {
        for (number, ms) in (0..).zip(LENGTHS) {
            for kind in [Kind::Stays, Kind::Goes] {
                stream.signal(Signal::STOP)?;
                thread::sleep(BEFORE);
                let burst = maker.make(ms, kind)?;
                let passed = BEFORE + burst.took();
                thread::sleep(STOPPED.saturating_sub(passed));
                stream.signal(Signal::CONT)?;
                let rest = PERIOD.saturating_sub(passed.max(STOPPED));
                let shift = (repetition * 170 + number * 90) % 400;
                thread::sleep(rest + Duration::from_millis(shift.into()));
                maker.clear()?;
                sent.push(burst);
            }
        }
    }
    let cpu = cpu_time(stream.pid())?.saturating_sub(before);
    thread::sleep(Duration::from_secs(3));
    Ok((sent, stream.stop()?, cpu))
}

/// Gives all threads of a process the lowest priority.
fn be_nice(pid: u32) -> Result<()> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let id = thread?.file_name().to_string_lossy().parse()?;
        let id = Pid::from_raw(id).context("a thread has a number")?;
        setpriority_process(Some(id), 19).context("lower the priority of ctpulse")?;
    }
    Ok(())
}

fn report(run: &Run, cpus: usize) -> Result<String> {
    let reported = run.ended.bursts("new")?;
    let mut rows = Vec::new();
    for kind in [Kind::Stays, Kind::Goes] {
        for ms in LENGTHS {
            let of: Vec<&Sent> = run
                .sent
                .iter()
                .filter(|sent| sent.kind == kind && sent.ms == ms)
                .collect();
            let lengths = of.iter().map(|sent| sent.took());
            let row = |seen: Vec<Option<Seen>>| cell(&seen);
            rows.push([
                kind.words().to_owned(),
                of.first().map_or(0, |sent| sent.flows).to_string(),
                millis(&mut lengths.collect::<Vec<_>>()),
                row(of
                    .iter()
                    .map(|sent| seen::by_ctpulse(sent, &reported))
                    .collect()),
                row(of
                    .iter()
                    .map(|sent| seen::by_poller(sent, &run.often))
                    .collect()),
                row(of
                    .iter()
                    .map(|sent| seen::by_poller(sent, &run.rarely))
                    .collect()),
            ]);
        }
    }
    let table = markdown::table(
        [
            "flows of the burst",
            "number",
            "sent in, ms",
            "ctpulse",
            "reading the count, 1,000/s",
            "reading the count, 1/s",
        ],
        1,
        &rows,
    );
    let elsewhere = reported
        .iter()
        .filter(|burst| {
            !run.sent
                .iter()
                .any(|sent| burst.overlaps([sent.start, sent.end]))
        })
        .count();
    let exact = run
        .sent
        .iter()
        .filter_map(|sent| seen::by_ctpulse(sent, &reported).map(|seen| (sent, seen)))
        .filter(|(sent, seen)| seen.count == u64::from(sent.flows))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
    Ok(format!(
        "{table}\n\
         Bursts found of bursts made, and the median of the lengths that were seen, in ms. Of {} bursts ctpulse reported {exact} with \
         exactly as many flows as were sent; it reported {elsewhere} where there was none. {} busy with other work; ctpulse at the \
         lowest priority (`nice -n 19`, a tick a second), and stopped for {} ms from {} ms before each burst. The readers of \
         nf_conntrack_count have the priority of the other work; the one that wants to read each millisecond read {:.0} times a second, \
         was away for {} ms at the longest, and took {:.1} % of a CPU; ctpulse took {:.2} %. A burst counts as seen by them when the \
         count rises by half of its flows from one reading to a later one. Linux {}, in a guest whose clock counts instructions \
         (software emulation), {}.\n",
        run.sent.len(),
        match cpus {
            1 => "The one CPU is".to_owned(),
            more => format!("All {more} CPUs are"),
        },
        STOPPED.as_millis(),
        BEFORE.as_millis(),
        run.often.rate(),
        run.often.longest().as_millis(),
        run.often.share() * 100.0,
        run.cpu.as_secs_f64() / run.often.lasted().as_secs_f64() * 100.0,
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    ))
}

/// How many were found, and the median of their lengths.
fn cell(seen: &[Option<Seen>]) -> String {
    let mut lengths: Vec<Duration> = seen.iter().flatten().map(|seen| seen.length).collect();
    let found = format!("{} of {}", lengths.len(), seen.len());
    match lengths.is_empty() {
        true => found,
        false => format!("{found}: {}", millis(&mut lengths)),
    }
}

/// The median in milliseconds.
fn millis(lengths: &mut [Duration]) -> String {
    let median = ctpulse_tests::cpu_time::median(lengths);
    format!("{:.1}", median.as_secs_f64() * 1e3)
}
