use super::*;
use crate::process;
use std::env;
use std::process::{Command, Stdio};

use pulldown_cmark::Alignment;

fn converted(text: &str) -> String {
    let links = Links::from([("live.md".to_owned(), "ctpulse-live(1)".to_owned())]);
    Body::of(text, "this.md", &links).roff("USAGE")
}

#[test]
fn text_is_escaped_for_roff() {
    assert_eq!(
        converted(".begins with a dot, \\n 'quoted' and *marked* - **so**\n"),
        ".SH USAGE\n\\&.begins with a dot, \\en \\(aqquoted\\(aq and \\fImarked\\fR - \\fBso\\fR\n"
    );
    assert_eq!(
        converted("```\n.a --b 'c'\n\n\\d\n```\n"),
        ".SH USAGE\n.RS 4\n.EX\n\\&.a \\-\\-b \\(aqc\\(aq\n\n\\ed\n.EE\n.RE\n"
    );
}

#[test]
fn headings_lists_and_comments() {
    assert_eq!(
        converted(
            "<!-- a comment -->\n![a picture](x.svg)\n\n## Where `it` \\is\n\none\n\n### Then\n\n- a\n  b\n- c\n\n1. d\n2. e\n"
        ),
        ".SH WHERE \\fB\\%IT\\fR \\eIS\none\n.SS Then\n.IP \\(bu 2\na b\n.IP \\(bu 2\nc\n.IP 1. 4\nd\n.IP 2. 4\ne\n"
    );
}

#[test]
fn links_name_the_page_they_lead_to_once() {
    assert_eq!(
        converted(
            "[the view](live.md#keys), [again](live.md), [here](this.md#x), [a](b.json) and [out](https://a.example)\n"
        ),
        ".SH USAGE\nthe view \\%(\\fBctpulse\\-live\\fR(1)), again, here, a and out <https://a.example>\n"
    );
    assert_eq!(
        converted("See [live](live.md), or what is shown ([keys](live.md#keys)).\n"),
        ".SH USAGE\nSee \\fB\\%ctpulse\\-live\\fR(1), or what is shown (keys).\n"
    );
    assert_eq!(
        converted("It is shown (see [the view](live.md); `a-b`).\n"),
        ".SH USAGE\nIt is shown (see the view, \\fB\\%ctpulse\\-live\\fR(1); \\fB\\%a\\-b\\fR).\n"
    );
}

#[test]
fn names_are_not_broken() {
    assert_eq!(
        converted("(`a-b c`) and (**`d`**)\n"),
        ".SH USAGE\n\\%(\\fBa\\-b \\%c\\fR) and \\%(\\fB\\fBd\\fR\\fR)\n"
    );
}

#[test]
fn tables_of_two_columns_are_terms() {
    assert_eq!(
        converted("| key | does |\n|---|---|\n| `q` | quits |\n"),
        ".SH USAGE\n.TP\n\\fB\\%q\\fR\nquits\n"
    );
}

#[test]
fn tables_that_fit_are_columns_and_others_are_folded() {
    let cell = |text: &str| table::Cell::new(text.to_owned(), text);
    let rows = |texts: [&str; 3]| vec![["a", "b", "c"].map(cell).into(), texts.map(cell).into()];
    let left = [Alignment::None, Alignment::Right, Alignment::None];
    assert_eq!(
        table::roff(&left, &rows(["one", "2", "three"])),
        ".PP\n.na\n.TS\nlbw(3n) rbw(1n) lbw(5n)\nlw(3n) rw(1n) lw(5n).\na\tb\tc\n_\none\t2\tthree\n.TE\n.ad\n"
    );
    let long = "words ".repeat(20);
    let folded = table::roff(&left, &rows(["one", "2", long.trim()]));
    assert!(folded.contains("lw(60n).\n"), "{folded}");
    assert!(folded.contains("one\t2\tT{\nwords words"), "{folded}");
    assert_eq!(folded.matches("w(1n)").count(), 2, "{folded}");
    // A word that is too long for any column.
    let word = "w".repeat(80);
    let listed = table::roff(&left, &rows(["one", "2", &word]));
    assert_eq!(listed, format!(".TP\none\nb: 2\n.br\nc: {word}\n"));
}

#[test]
fn parts_are_found_by_their_headings() {
    let text = "a\n\n## One\n\nb\n\n### Sub\n\nc\n\n## Two\nd\n";
    assert_eq!(part(text, "One"), Some("\nb\n\n### Sub\n\nc\n"));
    assert_eq!(part(text, "Two"), Some("d\n"));
    assert_eq!(part(text, "Sub"), None);
}

/// The whole manual, with the pages of the commands: groff has no complaints.
#[test]
fn groff_accepts_the_man_pages_of_the_manual() -> Result<()> {
    let binary = env::var_os("CTPULSE_BIN")
        .context("CTPULSE_BIN does not name ctpulse: run `cargo xtask test`, which builds it")?;
    let dir = tempfile::tempdir()?;
    process::run(
        Command::new(binary)
            .args(["generate", "files"])
            .arg(dir.path()),
    )?;
    let man = dir.path().join("man");
    add(&docs::directory(), &man)?;

    let page = |name: &str| docs::read(&man.join(name));
    for (name, part) in [
        ("ctpulse.1", ".SH BY QUESTION"),
        ("ctpulse-live.1", ".SH KEYS"),
        ("ctpulse-stream.1", ".SH GROUPS OF PROBES"),
        (
            "ctpulse-report.1",
            "draws the charts of the whole recording",
        ),
        ("ctpulse-config.1", "\\fB\\%delay_max\\fR"),
        ("ctpulse-doctor.1", "It changes nothing."),
        ("ctpulse-json.5", "\\fB\\%window_ms\\fR"),
        ("ctpulse-recording.5", ".SH FORMAT"),
        ("ctpulse-counters.7", "\\fB\\%chaintoolong\\fR"),
    ] {
        assert!(page(name)?.contains(part), "{name}: {part}");
    }
    // Tables may not fit a page of paper, unlike an endless terminal.
    let endless = dir.path().join("endless");
    fs::write(&endless, ".pl 100i\n")?;
    for path in commands(&man)?.into_values() {
        let mut groff = Command::new("groff");
        groff
            .args(["-k", "-t", "-man", "-rcR=1", "-ww", "-z", "-Tutf8"])
            .args([&endless, &path])
            .stdout(Stdio::null());
        let output = groff
            .output()
            .context("cannot run groff; on Debian it is in the package groff-base")?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
    Ok(())
}
