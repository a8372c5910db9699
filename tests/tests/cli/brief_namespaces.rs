//! Network namespaces that come and go, at the pace of a busy container host: guests are emulated, and cannot make them as fast.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    fs, process, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use ctpulse_tests::kernel::namespaces::Namespaces;
use serde_json::Value;

use crate::program::Running;

/// Between two new ones.
const EACH: Duration = Duration::from_millis(10);

/// How long each exists, at least.
const LIFE: Duration = Duration::from_secs(1);

/// How many are made.
const NUMBER: usize = 500;

/// Namespaces that exist; those that still do are deleted in the end.
struct Alive {
    namespaces: Namespaces,
    names: VecDeque<(String, Instant)>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        for (name, _) in std::mem::take(&mut self.names) {
            let _ = self.namespaces.delete(&name);
        }
    }
}

#[test]
fn a_hundred_a_second_are_all_seen() -> Result<()> {
    let args = ["stream", "--netns", "all", "--probes", "off"];
    let pace = ["--interval", "500ms", "--format", "json"];
    let mut program = Running::start(&[&args[..], &pace].concat())?;
    program.wait_for_hello()?;
    let before = descriptors(program.pid())?;
    let mut alive = Alive {
        namespaces: Namespaces::new()?,
        names: VecDeque::new(),
    };
    let mut made = BTreeSet::new();
    let mut due = Instant::now();
    while made.len() < NUMBER || !alive.names.is_empty() {
        let aged = |(_, since): &mut (String, Instant)| since.elapsed() >= LIFE;
        if let Some((name, _)) = alive.names.pop_front_if(aged) {
            alive.namespaces.delete(&name)?;
        } else if made.len() < NUMBER && Instant::now() >= due {
            let name = format!("brief-{}-{}", process::id(), made.len());
            alive.namespaces.add(&name)?;
            alive.names.push_back((name.clone(), Instant::now()));
            made.insert(name);
            due += EACH;
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let seen = RefCell::new(BTreeSet::new());
    let all_gone = program.wait_for("the end of the last one", |record| {
        let names = names_of(record);
        seen.borrow_mut().extend(names.iter().flatten().cloned());
        names.is_some_and(|names| names.is_disjoint(&made)) && made.is_subset(&seen.borrow())
    });
    let seen = seen.into_inner();
    let lost: Vec<&String> = made.difference(&seen).collect();
    ensure!(
        lost.is_empty(),
        "{} of {NUMBER} were not seen: {lost:?}",
        lost.len()
    );
    all_gone?;
    let after = descriptors(program.pid())?;
    ensure!(after <= before + 2, "descriptors: {before}, then {after}");
    Ok(())
}

/// The instances of a hello; `None` of another record.
fn names_of(record: &Value) -> Option<BTreeSet<String>> {
    let instances = record["instances"].as_array()?;
    (record["type"] == "hello").then_some(())?;
    let names = instances.iter().filter_map(|one| one["name"].as_str());
    Some(names.map(str::to_owned).collect())
}

fn descriptors(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
