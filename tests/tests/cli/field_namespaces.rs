//! Namespaces: those that monitors take for others, those where nothing tracks, and those that may not be opened.

use std::{fs, net::Ipv4Addr, os::fd::AsFd, path::Path, process::Command, thread};

use anyhow::{Context, Result, anyhow};
use ctpulse_tests::drive::ctnetlink::{Ctnetlink, Flow, Tuple, status};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{
    elsewhere::Elsewhere,
    field::{check, text_of},
    program::{Running, path},
};

fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: {what} takes root");
    }
    root
}

/// Output and exit status of ctpulse with these arguments, after what a shell does in new namespaces.
fn behind(unshare: &[&str], setup: &str, args: &[&str]) -> Result<(String, Option<i32>)> {
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-c"])
        .arg(format!("{setup} && exec \"$@\""))
        .arg("sh")
        .arg(path()?)
        .args(args)
        .output()
        .context("run unshare")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8(text)?, output.status.code()))
}

/// `IPS_CONFIRMED`: newer kernels want it of what is put into the table.
const CONFIRMED: u32 = 1 << 3;

/// A network namespace with entries: so many assured, so many without a reply. `None` where they cannot be made.
fn with_entries(assured: u16, unreplied: u16) -> Result<Option<Elsewhere>> {
    if !is_root("making entries") {
        return Ok(None);
    }
    let Some(elsewhere) = Elsewhere::start(b"entries")? else {
        return Ok(None);
    };
    let namespace = fs::File::open(format!("/proc/{}/ns/net", elsewhere.pid()))?;
    // A thread of its own, which stays there.
    let made = thread::spawn(move || -> Result<bool> {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let ctnetlink = Ctnetlink::open()?;
        for port in 0..assured + unreplied {
            let flow = Flow {
                status: match port < assured {
                    true => status::SEEN_REPLY | status::ASSURED | CONFIRMED,
                    false => 0,
                },
                ..Flow::of(Tuple {
                    protocol: 17,
                    from: (Ipv4Addr::new(10, 0, 0, 1), 1024 + port),
                    to: (Ipv4Addr::new(10, 0, 0, 2), 53),
                })
            };
            if let Err(error) = ctnetlink.insert(&flow)? {
                eprintln!("skipped: this kernel makes no entries: {error}");
                return Ok(false);
            }
        }
        Ok(true)
    });
    let made = made.join().map_err(|_| anyhow!("the thread panicked"))??;
    Ok(made.then_some(elsewhere))
}

#[test]
fn ctnetlink_has_the_counters_too() -> Result<()> {
    let Some(elsewhere) = with_entries(3, 0)? else {
        return Ok(());
    };
    let netns = elsewhere.pid().to_string();
    let line = check(&["--netns", &netns, "--source", "ctnetlink", "-v"], 0)?;
    for part in [
        "3 of ",
        " drop=0c early_drop=0c insert_failed=0c",
        "counters of: ctnetlink",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // Where procfs has no statistics they come from there by themselves.
    let setup = "mount -t proc -o subset=pid proc /proc";
    let (hidden, status) = behind(&["-m"], setup, &["check", "-v"])?;
    assert!(
        hidden.contains("counters of: ctnetlink") && status == Some(0),
        "{hidden}"
    );
    Ok(())
}

#[test]
fn the_proc_of_another_host_is_not_taken_for_its_counters() -> Result<()> {
    let Some(elsewhere) = with_entries(0, 50)? else {
        return Ok(());
    };
    let place = tempfile::tempdir()?;
    let root = text_of(place.path())?;
    let bind = format!("mount -o bind /proc {root}");
    let here = ["check", "--proc-root", root];
    let (line, status) = behind(&["-n", "-m"], &bind, &here)?;
    assert_eq!(status, Some(3), "{line}");
    assert!(
        line.contains(&format!("take --proc-root {root}/1, or --netns")),
        "{line}"
    );
    let stream = ["stream", "--duration", "50ms", "--proc-root", root];
    let (stderr, status) = behind(&["-n", "-m"], &bind, &stream)?;
    assert_eq!((stderr.lines().count(), status), (1, Some(1)), "{stderr}");

    // The directory of a process is of its namespace, whoever reads it; the limit is one for all.
    let process = format!("{root}/{}", elsewhere.pid());
    let (line, status) = behind(&["-n", "-m"], &bind, &["check", "--proc-root", &process])?;
    let max = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max")?;
    assert_eq!(status, Some(0), "{line}");
    assert!(
        line.contains(&format!("50 of {} entries", max.trim())),
        "{line}"
    );
    let path = format!("{process}/ns/net");
    let (line, _) = behind(&["-n", "-m"], &bind, &["check", "--netns", &path])?;
    assert!(line.contains("- 50 of "), "{line}");

    // In the namespace of its first process, as with the host's network in a container, it is what it seems to be.
    let own = fs::read_link("/proc/self/ns/net")?;
    if fs::read_link("/proc/1/ns/net").is_ok_and(|first| first == own) {
        let (line, status) = behind(&["-m"], &bind, &here)?;
        assert!(status != Some(3) && line.contains(" entries ("), "{line}");
    }
    Ok(())
}

#[test]
fn an_empty_table_says_whether_anything_tracks() -> Result<()> {
    if !is_root("a network namespace") {
        return Ok(());
    }
    let says = |line: &str| {
        line.contains("nothing tracks here: no rule")
            || line.contains("no connection is tracked here now; whether any rule asks")
    };
    let (line, status) = behind(&["-n"], ":", &["check"])?;
    assert!(status == Some(0) && says(&line), "{line}");
    let (line, status) = behind(&["-n"], ":", &["check", "--require-tracking"])?;
    assert!(status == Some(3) && says(&line), "{line}");
    Ok(())
}

#[test]
fn entries_are_told_apart_by_what_a_full_table_spares() -> Result<()> {
    let Some(elsewhere) = with_entries(200, 70)? else {
        return Ok(());
    };
    let netns = elsewhere.pid().to_string();
    let args = [
        "stream",
        "--probes",
        "off",
        "--top",
        "--format",
        "json",
        "--duration",
        "3s",
        "--netns",
        &netns,
    ];
    let ended = Running::start(&args)?.wait()?.successful()?;
    let tops = ended.of("top")?;
    let tables = tops
        .iter()
        .filter_map(|top| top["tables"].as_array())
        .flatten();
    let mut by_status = tables.filter(|table| table["by"] == "entries" && table["of"] == "status");
    let table = by_status
        .next()
        .with_context(|| format!("no table: {tops:?}"))?;
    assert_eq!(table["total"], 270);
    let rows = table["rows"].as_array().context("rows")?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&row["key"], &row["count"]))
        .collect();
    let expected = [
        (&"ASSURED".into(), &200.into()),
        (&"UNREPLIED".into(), &70.into()),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn a_root_that_lacks_a_capability_is_told_which() -> Result<()> {
    let setpriv = "/usr/bin/setpriv";
    if !is_root("giving up a capability") || !Path::new(setpriv).exists() {
        return Ok(());
    }
    let output = Command::new(setpriv)
        .args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
        .arg(path()?)
        .args(["check", "--netns", "1"])
        .output()?;
    let line = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(3), "{line}");
    for name in ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN"] {
        assert!(line.contains(name), "{line}");
    }
    assert!(!line.contains("run as root"), "{line}");

    let (line, status) = behind(&["-U", "-r"], ":", &["check", "--netns", "1"])?;
    assert_eq!(status, Some(3), "{line}");
    assert!(line.contains("root of a user namespace"), "{line}");
    Ok(())
}
