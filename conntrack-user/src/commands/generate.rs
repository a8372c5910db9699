//! `ctpulse generate` (hidden): shell completions and man pages, from the definition of the command line.

use std::fs;

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate_to};

use crate::{
    cli::{Cli, GenerateArgs},
    commands::Failure,
};

/// The program's name.
const NAME: &str = "ctpulse";

/// Writes completions into `DIR/completions` and man pages into `DIR/man`.
pub(super) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let [completions, man] = ["completions", "man"].map(|name| args.dir.join(name));
    for dir in [&completions, &man] {
        fs::create_dir_all(dir).map_err(|error| Failure::file(dir, error))?;
    }
    for shell in Shell::value_variants() {
        generate_to(*shell, &mut shown(&Cli::command()), NAME, &completions)
            .map_err(|error| Failure::file(&completions, error))?;
    }
    clap_mangen::generate_to(shown(&Cli::command()), &man)
        .map_err(|error| Failure::file(&man, error))
}

/// The definition without what is hidden, which generators would show.
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
    use std::{
        io,
        path::{Path, PathBuf},
    };

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
        run(&GenerateArgs {
            dir: dir.path().to_owned(),
        })
        .map_err(io::Error::other)?;
        let files = generated(dir.path())?;
        let text: String = files
            .iter()
            .map(fs::read_to_string)
            .collect::<io::Result<_>>()?;
        for command in Cli::command().get_subcommands() {
            let page = dir
                .path()
                .join(format!("man/ctpulse-{}.1", command.get_name()));
            assert_eq!(
                files.contains(&page),
                !command.is_hide_set(),
                "{}",
                page.display()
            );
        }
        for hidden in ["generate", "without-function"] {
            assert!(!text.contains(hidden), "{hidden}");
        }
        for shell in ["ctpulse.bash", "_ctpulse", "ctpulse.fish"] {
            assert!(
                files.contains(&dir.path().join("completions").join(shell)),
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
