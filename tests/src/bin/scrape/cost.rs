//! What answering a request takes: time, and CPU time of the process that answers.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use ctpulse_tests::{
    cpu_time::{cpu_time, median},
    serving::{Answer, Server},
};

/// How long a process may go on working once the answer is there: what it does then belongs to the request.
const AFTER: Duration = Duration::from_millis(20);

/// Time between two requests: longer than between two readings, so that no answer is that of the request before. It is no multiple
/// of that either, so requests come anywhere between two readings.
const BETWEEN: Duration = Duration::from_millis(613);

/// What requests for one page took.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Until the whole answer was there.
    pub(crate) took: Vec<Duration>,
    /// CPU time meanwhile, without that of the same time when nothing was asked.
    pub(crate) cpu: Vec<Duration>,
    /// The last answer.
    pub(crate) answer: Option<Answer>,
}

/// Asks for a page this many times.
pub(crate) fn measure(server: &Server, page: &str, accept: &str, rounds: usize) -> Result<Cost> {
    let mut cost = Cost::default();
    let mut idle = Vec::new();
    for _ in 0..rounds {
        thread::sleep(BETWEEN);
        let before = cpu_time(server.pid())?;
        let start = Instant::now();
        let answer = server.get(page, accept)?;
        let took = start.elapsed();
        thread::sleep(AFTER);
        let after = cpu_time(server.pid())?;
        thread::sleep(BETWEEN);
        let rest = cpu_time(server.pid())?;
        thread::sleep(took + AFTER);
        idle.push(cpu_time(server.pid())?.saturating_sub(rest));
        cost.took.push(took);
        cost.cpu.push(after.saturating_sub(before));
        cost.answer = Some(answer);
    }
    let idle = median(&mut idle);
    for cpu in &mut cost.cpu {
        *cpu = cpu.saturating_sub(idle);
    }
    Ok(cost)
}
