//! Converts the subset of Markdown that the manual uses to roff with the macros of man(7).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pulldown_cmark::{Alignment, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::table::{self, Cell};

/// The man page of each file of the manual.
pub(super) type Links = BTreeMap<String, String>;

/// A page, or a section of one.
pub(super) struct Body {
    /// The text above the first heading.
    start: String,
    /// The text from the first heading on.
    rest: String,
}

impl Body {
    /// Converts text of a file.
    pub(super) fn of(text: &str, file: &str, links: &Links) -> Self {
        let mut converter = Converter {
            links,
            own: file,
            ..Converter::new(links)
        };
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            converter.take(event);
        }
        let Converter { start, out, .. } = converter;
        match start {
            Some(start) => Self { start, rest: out },
            None => Self {
                start: out,
                rest: String::new(),
            },
        }
    }

    /// The roff text, with `heading` above the text before the first heading.
    pub(super) fn roff(&self, heading: &str) -> String {
        let start = self.start.trim_start_matches(".PP\n");
        match start {
            "" => self.rest.clone(),
            start => format!(".SH {heading}\n{start}{}", self.rest),
        }
    }
}

/// Text in a line of roff.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '\'' => out.push_str("\\(aq"),
            '"' => out.push_str("\\(dq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    out
}

/// Code, in which hyphens must be ASCII hyphens so that it can be copied.
pub(super) fn code(text: &str) -> String {
    prose(text).replace('-', "\\-")
}

/// A line of text, escaped if it would be taken for a request.
fn line(text: &str) -> String {
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text.to_owned(),
    }
}

/// The text of a paragraph or heading in progress.
#[derive(Default)]
struct Inline {
    roff: String,
    plain: String,
}

impl Inline {
    fn push(&mut self, roff: &str, plain: &str) {
        self.roff.push_str(roff);
        self.plain.push_str(plain);
    }

    /// Adds bold text that is not hyphenated. The mark for that must start a word: within one it is a place to break it.
    fn push_name(&mut self, roff: &str, plain: &str) {
        let word = self.roff.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let text = match self.roff.split_at(word).1 {
            "" => format!("\\fB\\%{roff}\\fR"),
            start => {
                if !start.contains("\\%") {
                    self.roff.insert_str(word, "\\%");
                }
                format!("\\fB{roff}\\fR")
            }
        };
        self.push(&text, plain);
    }
}

/// A link that is open.
struct Link {
    target: String,
    /// Where its text starts in what is put together.
    roff: usize,
    plain: usize,
}

struct Converter<'a> {
    links: &'a Links,
    /// The file that is converted.
    own: &'a str,
    /// Pages that were named already.
    cited: BTreeSet<String>,
    out: String,
    /// The text above the first heading, once that was reached.
    start: Option<String>,
    inline: Inline,
    /// Next numbers of the open lists; `None`: not numbered.
    lists: Vec<Option<u64>>,
    /// Whether an item has just started: its first paragraph is on the item's line.
    in_item: bool,
    /// Whether inside a code block, which keeps its lines.
    in_code: bool,
    /// Whether inside an image, which is skipped.
    in_image: bool,
    open_links: Vec<Link>,
    table: Option<(Vec<Alignment>, Vec<Vec<Cell>>)>,
}

impl<'a> Converter<'a> {
    fn new(links: &'a Links) -> Self {
        Self {
            links,
            own: "",
            cited: BTreeSet::new(),
            out: String::new(),
            start: None,
            inline: Inline::default(),
            lists: Vec::new(),
            in_item: false,
            in_code: false,
            in_image: false,
            open_links: Vec::new(),
            table: None,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::End(TagEnd::Image) => self.in_image = false,
            _ if self.in_image => {}
            Event::Start(tag) => self.begin(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_code => self.inline.push(&text, &text),
            Event::Text(text) => self.inline.push(&prose(&text), &text),
            Event::Code(text) => {
                let roff = code(&text).replace(' ', " \\%");
                self.inline.push_name(&roff, &text);
            }
            Event::SoftBreak => self.inline.push(" ", " "),
            Event::HardBreak => self.inline.push("\n.br\n", " "),
            // Comments are for authors of the manual; the manual uses no other kinds.
            _ => {}
        }
    }

    fn begin(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Image { .. } => self.in_image = true,
            Tag::Emphasis => self.inline.push("\\fI", ""),
            Tag::Strong => self.inline.push("\\fB", ""),
            Tag::Link { dest_url, .. } => self.open_links.push(Link {
                target: dest_url.to_string(),
                roff: self.inline.roff.len(),
                plain: self.inline.plain.len(),
            }),
            Tag::CodeBlock(_) => self.in_code = true,
            Tag::List(first) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.out.push_str(".RS\n");
                }
                self.lists.push(first);
            }
            Tag::Item => {
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        // Writing to a string cannot fail.
                        let _ = writeln!(self.out, ".IP {number}. 4");
                        *number += 1;
                    }
                    _ => self.out.push_str(".IP \\(bu 2\n"),
                }
                self.in_item = true;
            }
            Tag::Table(alignments) => self.table = Some((alignments, Vec::new())),
            Tag::TableHead | Tag::TableRow => {
                if let Some((_, rows)) = &mut self.table {
                    rows.push(Vec::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.heading(level),
            TagEnd::Paragraph | TagEnd::Item => self.flush(),
            TagEnd::Emphasis | TagEnd::Strong => self.inline.push("\\fR", ""),
            TagEnd::Link => self.cite(),
            TagEnd::List(_) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.out.push_str(".RE\n");
                }
            }
            TagEnd::CodeBlock => {
                self.in_code = false;
                let text = std::mem::take(&mut self.inline).plain;
                self.out.push_str(".PP\n.RS 4\n.EX\n");
                for text in text.lines() {
                    self.out.push_str(&line(&code(text)));
                    self.out.push('\n');
                }
                self.out.push_str(".EE\n.RE\n");
            }
            TagEnd::TableCell => {
                let inline = std::mem::take(&mut self.inline);
                if let Some(row) = self.table.as_mut().and_then(|(_, rows)| rows.last_mut()) {
                    row.push(Cell::new(inline.roff, &inline.plain));
                }
            }
            TagEnd::Table => {
                if let Some((alignments, rows)) = self.table.take() {
                    self.out.push_str(&table::roff(&alignments, &rows));
                }
            }
            _ => {}
        }
    }

    fn heading(&mut self, level: HeadingLevel) {
        let text = std::mem::take(&mut self.inline).roff;
        if self.start.is_none() {
            self.start = Some(std::mem::take(&mut self.out));
        }
        let heading = match level {
            HeadingLevel::H1 | HeadingLevel::H2 => format!(".SH {}\n", upper(&text)),
            _ => format!(".SS {text}\n"),
        };
        self.out.push_str(&heading);
    }

    /// Ends a paragraph.
    fn flush(&mut self) {
        let inline = std::mem::take(&mut self.inline);
        let text = inline.roff.trim();
        if text.is_empty() {
            return;
        }
        let last = self.out.trim_end().rsplit('\n').next().unwrap_or_default();
        let after_heading = last.starts_with(".SH ") || last.starts_with(".SS ");
        if !std::mem::take(&mut self.in_item) && !after_heading {
            let macro_ = if self.lists.is_empty() { ".PP" } else { ".IP" };
            self.out.push_str(macro_);
            self.out.push('\n');
        }
        self.out.push_str(&line(text));
        self.out.push('\n');
    }

    /// Names what a link leads to: in place of the text if that is the page's name, else after it, once.
    fn cite(&mut self) {
        let Some(link) = self.open_links.pop() else {
            return;
        };
        if link.target.contains("://") {
            let address = format!(" <{}>", link.target);
            self.inline.push(&prose(&address), &address);
            return;
        }
        let file = link.target.split('#').next().unwrap_or_default();
        let Some(page) = self.links.get(file).filter(|_| file != self.own) else {
            return;
        };
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        let (before, text) = self.inline.plain.split_at(link.plain);
        let first = self.cited.insert(file.to_owned());
        if name.strip_prefix("ctpulse-") == Some(text) {
            self.inline.roff.truncate(link.roff);
            self.inline.plain.truncate(link.plain);
            self.inline.push_name(&code(name), name);
            self.inline
                .push(&format!("({section}"), &format!("({section}"));
        } else if first {
            let in_brackets = before.matches('(').count() > before.matches(')').count();
            let (open, close) = if in_brackets { (", ", "") } else { (" (", ")") };
            self.inline.push(open, open);
            self.inline.push_name(&code(name), name);
            let rest = format!("({section}{close}");
            self.inline.push(&rest, &rest);
        }
    }
}

/// Upper case, except for characters after a backslash, which belong to roff.
fn upper(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_uppercase();
    for part in parts {
        let own = match part.chars().next() {
            Some('(') => 3,
            Some('f') => 2,
            Some(_) => 1,
            None => 0,
        };
        let (own, text) = part.split_at_checked(own).unwrap_or((part, ""));
        out.push('\\');
        out.push_str(own);
        out.push_str(&text.to_uppercase());
    }
    out
}
