//! The manual as man pages. ctpulse generates a page for each command from the definition of its command line. Pages of the
//! manual are added to the page of their command, or become man pages of their own.

mod markdown;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::docs;
use markdown::{Body, Links};

/// Pages about files and their formats, in section 5. The others are in section 7, except pages of commands.
const FORMATS: [&str; 3] = ["ctpulse-alerts", "ctpulse-json", "ctpulse-recording"];

/// Commands without a page in the manual: the page and the section that describe them.
const SECTIONS: [(&str, &str, &str); 5] = [
    ("ctpulse-config", "ctpulse-alerts", "Configuration"),
    ("ctpulse-doctor", "ctpulse-kernels", "doctor"),
    ("ctpulse-record", "ctpulse-recording", "Record"),
    ("ctpulse-replay", "ctpulse-recording", "Replay"),
    ("ctpulse-report", "ctpulse-recording", "Report"),
];

/// A page of the manual.
struct Page {
    /// Name of its file.
    file: String,
    /// `ctpulse-live`
    name: String,
    /// Its subject, in one line.
    about: String,
    /// Everything below the title.
    text: String,
}

impl Page {
    fn read(path: &Path) -> Result<Self> {
        let text = docs::read(path)?;
        let (heading, text) = text.split_once('\n').unwrap_or((&text, ""));
        let (name, about) = heading
            .strip_prefix("# ")
            .and_then(|heading| heading.split_once(" — "))
            .with_context(|| format!("{}: no `# NAME — TEXT` first", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            file: file.into_owned(),
            name: name.to_owned(),
            about: about.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Adds the manual's pages to the man pages that ctpulse generated in a directory.
///
/// # Errors
/// When a page cannot be read, made or written, or is about a command that is not there.
pub(crate) fn add(manual: &Path, man: &Path) -> Result<()> {
    let pages: Vec<Page> = docs::manual(manual)?
        .iter()
        .map(|path| Page::read(path))
        .collect::<Result<_>>()?;
    let commands = commands(man)?;
    let section = |name: &str| match name {
        _ if commands.contains_key(name) => 1,
        _ if FORMATS.contains(&name) => 5,
        _ => 7,
    };
    let mut all: Vec<(&str, u8)> = commands.keys().map(|name| (name.as_str(), 1)).collect();
    let names = pages.iter().map(|page| page.name.as_str());
    all.extend(names.map(|name| (name, section(name))));
    all.sort_unstable();
    all.dedup();
    let links: Links = pages
        .iter()
        .map(|page| {
            let section = section(&page.name);
            (page.file.clone(), format!("{}({section})", page.name))
        })
        .collect();

    for page in &pages {
        let body = Body::of(&page.text, &page.file, &links);
        let (path, start, roff) = match commands.get(&page.name) {
            Some(path) => (path.clone(), docs::read(path)?, body.roff("USAGE")),
            None => {
                let section = section(&page.name);
                let path = man.join(format!("{}.{section}", page.name));
                (path, head(page, section), body.roff("DESCRIPTION"))
            }
        };
        write(&path, &(start + &roff + &see_also(&all, &page.name)))?;
    }
    for (command, about, heading) in SECTIONS {
        let path = commands
            .get(command)
            .with_context(|| format!("there is no command {command}"))?;
        let page = pages.iter().find(|page| page.name == about);
        let page = page.with_context(|| format!("there is no page {about}"))?;
        let part = part(&page.text, heading)
            .with_context(|| format!("{} has no section {heading}", page.file))?;
        let body = Body::of(part, &page.file, &links);
        let roff = docs::read(path)? + &body.roff("USAGE") + &see_also(&all, command);
        write(path, &roff)?;
    }
    Ok(())
}

/// The pages that ctpulse generated, by name.
fn commands(man: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut commands = BTreeMap::new();
    for entry in fs::read_dir(man).with_context(|| format!("cannot read {}", man.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        commands.insert(name.into_owned(), path.clone());
    }
    if commands.is_empty() {
        bail!("there are no man pages in {}", man.display());
    }
    Ok(commands)
}

/// The section below a heading of the second level, up to the next one.
fn part<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let (_, part) = text.split_once(&format!("\n## {heading}\n"))?;
    Some(part.split_once("\n## ").map_or(part, |(part, _)| part))
}

fn head(page: &Page, section: u8) -> String {
    format!(
        "'\\\" t\n.TH {} {section} \"\" \"ctpulse {}\" \"ctpulse manual\"\n.SH NAME\n{} \\- {}\n",
        page.name,
        env!("CARGO_PKG_VERSION"),
        markdown::code(&page.name),
        markdown::prose(&page.about)
    )
}

/// All pages except this one.
fn see_also(all: &[(&str, u8)], name: &str) -> String {
    let others: Vec<String> = all
        .iter()
        .filter(|(other, _)| *other != name)
        .map(|(other, section)| format!("\\fB\\%{}\\fR({section})", markdown::code(other)))
        .collect();
    format!(".SH SEE ALSO\n{}\n", others.join(",\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    // man runs tbl on pages that start like this.
    let text = match text.starts_with("'\\\" t\n") {
        true => text.to_owned(),
        false => format!("'\\\" t\n{text}"),
    };
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
