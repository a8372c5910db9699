//! `ctpulse generate`: what is made from the program itself, so that it stays true. Files for other programs come from the tables of
//! counters and alerts, completions and man pages from the definition of the command line; `cargo xtask dist` packs them. The
//! manual's tables and what the JSON Schema says of counters come from their rows, the picture of the live view from a recording;
//! `cargo xtask docs` puts them in their places.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate, generate_to};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::stdout;
use crate::{
    cli::{
        Cli,
        generate::{CompletionShell, CompletionsArgs, GenerateArgs, Generated, PictureArgs},
    },
    commands::Failure,
    model::verdict::Completion,
    output::{
        counters, fleet,
        live::{
            App, Input, Theme, picture,
            theme::{Glyphs, Palette},
        },
        metrics, netdata,
    },
    recording::{Recording, open},
};

/// The program's name.
const NAME: &str = "ctpulse";

/// Writes the requested files.
pub(super) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let text = match &args.what {
        Generated::Files { dir } => return files(dir),
        Generated::Counters => counters::table(),
        Generated::Metrics => metrics::table(),
        Generated::CountersSchema => counters::schema(),
        Generated::NetdataCharts => netdata::table(),
        Generated::PrometheusRules => fleet::rules(),
        Generated::GrafanaDashboard => fleet::dashboard(),
        Generated::ZabbixTemplate => fleet::zabbix(),
        Generated::NetdataHealth { ids } => netdata::health((*ids).into()),
        Generated::Picture(args) => draw(args)?,
    };
    stdout().write_all(text.as_bytes()).map_err(Failure::Output)
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Elvish => Shell::Elvish,
        CompletionShell::Fish => Shell::Fish,
        CompletionShell::PowerShell => Shell::PowerShell,
        CompletionShell::Zsh => Shell::Zsh,
    };
    let mut text = Vec::new();
    generate(shell, &mut shown(&Cli::command()), NAME, &mut text);
    stdout().write_all(&text).map_err(Failure::Output)
}

/// Draws the live view as it is after a recording was played up to a moment.
fn draw(args: &PictureArgs) -> Result<String, Failure> {
    let mut app = App::new(Theme {
        palette: Palette::Rich,
        glyphs: Glyphs::Braille,
    });
    // The recording may be older than verdicts.
    let mut completion = Completion::default();
    for record in Recording::part(&args.file, open(&args.file)?, None, args.at) {
        let record = record?;
        let made = completion.before(Some(&record));
        app.update_all(made.into_iter().chain([record]).map(Input::Record));
    }
    for key in args.keys.chars() {
        app.update(Input::Key(KeyEvent::from(KeyCode::Char(key))));
    }
    let title = "ctpulse: the live view";
    let size = args.size;
    Ok(picture::svg(&app, size.width, size.height, title))
}

/// Writes completions into `DIR/completions` and man pages into `DIR/man`.
fn files(dir: &Path) -> Result<(), Failure> {
    let [completions, man] = ["completions", "man"].map(|name| dir.join(name));
    for dir in [&completions, &man] {
        fs::create_dir_all(dir).map_err(|error| Failure::file(dir, error))?;
    }
    for shell in Shell::value_variants() {
        generate_to(*shell, &mut shown(&Cli::command()), NAME, &completions)
            .map_err(|error| Failure::file(&completions, error))?;
    }
    let mut all = shown(&Cli::command()).disable_help_subcommand(true);
    // Sets the display names of the subcommands ("ctpulse stream").
    all.build();
    man_page(&all, &man)?;
    all.get_subcommands()
        .try_for_each(|command| man_page(command, &man))
}

/// Writes the man page of the program or of a command.
fn man_page(command: &Command, dir: &Path) -> Result<(), Failure> {
    let path = dir.join(format!("{}.1", command.get_display_name().unwrap_or(NAME)));
    roff_of(command)
        .and_then(|text| write_file(&path, &text))
        .map_err(|error| Failure::file(&path, error))
}

fn roff_of(command: &Command) -> io::Result<Vec<u8>> {
    let page = Man::new(command.clone());
    // The title by hand: clap_mangen loses an empty date, and takes what follows for one.
    let mut out = format!(
        ".TH {} 1 \"\" \"ctpulse {}\" \"ctpulse manual\"\n",
        command.get_display_name().unwrap_or(NAME),
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes();
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut out)?;
    }
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    let (notes, examples) = after.split_once("Examples:\n").unwrap_or((&after, ""));
    let mut roff = Roff::new();
    if !notes.trim().is_empty() {
        roff.control("SH", ["NOTES"]).text([roman(notes.trim())]);
    }
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]).control("EX", []);
        for line in examples.lines() {
            roff.text([roman(line.trim())]);
        }
        roff.control("EE", []);
    }
    roff.to_writer(&mut out)?;
    Ok(out)
}

#[expect(clippy::disallowed_methods, reason = "the user asked for that file")]
fn write_file(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::write(path, text)
}

/// The definition without hidden commands and options, which generators would include.
fn shown(command: &Command) -> Command {
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let commands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let mut kept = Command::new(command.get_name().to_owned())
        .args(args.cloned().collect::<Vec<_>>())
        .subcommands(commands.map(shown).collect::<Vec<_>>());
    if let Some(version) = command.get_version() {
        kept = kept.version(version.to_owned());
    }
    if let Some(about) = command.get_about() {
        kept = kept.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        kept = kept.long_about(about.clone());
    }
    if let Some(help) = command.get_after_help() {
        kept = kept.after_help(help.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn generated(dir: &Path) -> io::Result<Vec<PathBuf>> {
        let dirs = ["completions", "man"].map(|name| fs::read_dir(dir.join(name)));
        let mut files = Vec::new();
        for entry in dirs {
            for entry in entry? {
                files.push(entry?.path());
            }
        }
        Ok(files)
    }

    #[test]
    fn every_command_has_a_page_and_no_hidden_one() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        files(dir.path()).map_err(io::Error::other)?;
        let written = generated(dir.path())?;
        let text: String = written
            .iter()
            .map(fs::read_to_string)
            .collect::<io::Result<_>>()?;
        for command in Cli::command().get_subcommands() {
            let page = dir
                .path()
                .join(format!("man/ctpulse-{}.1", command.get_name()));
            assert_eq!(
                written.contains(&page),
                !command.is_hide_set(),
                "{}",
                page.display()
            );
        }
        for hidden in ["counters-schema", "without-function"] {
            assert!(!text.contains(hidden), "{hidden}");
        }
        for shell in ["ctpulse.bash", "_ctpulse", "ctpulse.fish"] {
            assert!(
                written.contains(&dir.path().join("completions").join(shell)),
                "{shell}"
            );
        }
        Ok(())
    }

    #[test]
    fn help_of_every_command_has_examples() {
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|help| help.contains("Examples:\n  ctpulse")),
                "{}",
                command.get_name()
            );
        }
    }
}
