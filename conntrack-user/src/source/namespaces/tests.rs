//! Finding, opening and refusing.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use crate::source::namespaces::*;

fn refused(text: &str) -> String {
    Namespace::named(text).unwrap_err().to_string()
}

#[test]
fn our_own_is_there_and_comes_first() {
    let own = Namespace::own().unwrap();
    let (all, _) = Namespace::all().unwrap();
    assert_eq!(all[0].inode, own.inode);
    assert_eq!(all[0].name, "self");
    assert!(all.iter().skip(1).all(|other| other.inode != own.inode));
}

/// The tests run beside other processes in their namespace.
#[test]
fn known_ones_are_not_found_again() {
    let own = Namespace::own().unwrap().inode;
    let finds_own = |known: &mut KnownNamespaces, taken: bool| {
        let mut found = false;
        let take = |namespace: Namespace| {
            found |= namespace.inode == own;
            taken
        };
        known.scan(take).unwrap();
        found
    };
    let (_, mut known) = Namespace::all().unwrap();
    assert!(!finds_own(&mut known, true));
    let mut known = KnownNamespaces::default();
    for (taken, found) in [(false, true), (true, true), (true, false)] {
        assert_eq!(finds_own(&mut known, taken), found);
    }
}

#[test]
fn a_process_id_leads_to_its_namespace() {
    let me = Namespace::named(&std::process::id().to_string()).unwrap();
    assert_eq!(me.inode, Namespace::own().unwrap().inode);
}

#[test]
fn a_missing_namespace_is_named() {
    assert!(refused("no-such-name").contains("ip netns list"));
    assert!(refused("4294967294").contains("no process"));
    assert!(refused("/no/such/path").contains("/no/such/path"));
}

#[test]
fn a_file_that_is_no_namespace_is_refused_without_blocking() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = files::testing::fifo(dir.path());
    for path in [
        &*fifo,
        dir.path(),
        Path::new("/etc/passwd"),
        Path::new("/dev/null"),
    ] {
        let error = refused(path.to_str().unwrap());
        assert!(error.contains("is no network namespace"), "{error}");
    }
}

#[test]
fn errors_show_names_neutralised() {
    let error = refused("\u{1b}[2J");
    assert!(
        error.starts_with("--netns \\u{1b}[2J: /run/netns/\\u{1b}[2J does not"),
        "{error}"
    );
}

#[test]
fn names_that_are_not_utf8_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    for name in [&b"web"[..], b"bad\xff"] {
        fs::write(dir.path().join(OsStr::from_bytes(name)), "").unwrap();
    }
    let names: Vec<_> = scan::by_name(dir.path()).map(|(name, _)| name).collect();
    assert_eq!(names, ["web", "bad\u{fffd}"]);
}

#[test]
fn a_path_that_leads_elsewhere_by_now_is_gone() {
    let elsewhere = Namespace {
        name: "other".into(),
        inode: Namespace::own().unwrap().inode ^ 1,
        place: Location::Visited(OWN.into()),
    };
    assert!(!elsewhere.is_there());
    let error = elsewhere.within(|| ()).unwrap_err();
    assert!(error.is_gone());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
}
