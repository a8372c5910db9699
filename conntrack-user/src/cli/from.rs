//! `--from`: records of other hosts instead of this one's.

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::{
    cli::{StreamArgs, heading},
    clock::format_duration,
    engine::settings::NamespaceChoice,
    remote::{Source, SshSettings},
    text::Plain,
};

/// Options of commands that can use the records of other hosts.
#[derive(Args, Clone, Debug)]
pub struct FromArgs {
    /// Use the records of other hosts, or of files, instead of this host's: FILE, - (JSON lines on stdin),
    /// ssh://[user@]host[:port], http://host:port/stream or https://…; NAME=SRC gives the host a name
    #[arg(long, value_name = "SRC", num_args = 1.., help_heading = heading::FROM)]
    pub from: Vec<Source>,
    /// A file with the token that a server asks for; without it, the variable CTPULSE_TOKEN
    #[arg(long, value_name = "FILE", requires = "from", help_heading = heading::FROM)]
    pub from_token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of the authorities to trust by https; without it, those that the system trusts
    #[arg(long, value_name = "FILE", requires = "from", help_heading = heading::FROM)]
    pub ca: Option<PathBuf>,
    /// By ssh: copy this ctpulse to a temporary directory there, for the run
    #[arg(long, requires = "from", conflicts_with = "remote_path", help_heading = heading::FROM)]
    pub copy: bool,
    /// By ssh: start it there by `sudo -n`
    #[arg(long, requires = "from", help_heading = heading::FROM)]
    pub sudo: bool,
    /// By ssh: the ctpulse there
    #[arg(long, value_name = "PATH", default_value = CTPULSE, requires = "from",
          help_heading = heading::FROM)]
    pub remote_path: String,
    /// By ssh: an option of its configuration, such as IdentityFile=key; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", requires = "from", help_heading = heading::FROM)]
    pub ssh_option: Vec<String>,
}

/// What ctpulse is called where it is in the PATH.
const CTPULSE: &str = "ctpulse";

impl Default for FromArgs {
    fn default() -> Self {
        Self {
            from: Vec::new(),
            from_token_file: None,
            ca: None,
            copy: false,
            sudo: false,
            remote_path: CTPULSE.to_owned(),
            ssh_option: Vec::new(),
        }
    }
}

impl FromArgs {
    /// Whether records of other hosts are used.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        !self.from.is_empty()
    }

    /// What is started by ssh to measure what a stream with these options would.
    #[must_use]
    pub fn ssh_settings(&self, measured: &StreamArgs) -> SshSettings {
        let fixed = ["stream", "--format", "json", "--until-stdin-ends"];
        let options = measured.measuring().into_iter().flatten();
        SshSettings {
            path: self.remote_path.clone(),
            arguments: fixed
                .into_iter()
                .map(str::to_owned)
                .chain(options)
                .collect(),
            sudo: self.sudo,
            copy: self.copy,
            options: self.ssh_option.clone(),
        }
    }

    /// Refuses options about what to measure for sources that measure by themselves.
    pub(super) fn check(&self, args: &StreamArgs) -> Result<(), OptionConflict> {
        if !self.is_given() {
            return Ok(());
        }
        if args.object.is_some() {
            return Err(OptionConflict::Object);
        }
        let options = args
            .measuring()
            .into_iter()
            .filter_map(|words| words.into_iter().next());
        let not_passed_on = |option: &String| {
            let mut sources = self.from.iter();
            let source = sources.find(|source| match option.as_str() {
                "--buckets" => source.is_file(),
                _ => !source.is_started(),
            })?;
            Some((option.clone(), source))
        };
        let conflict = options.collect::<Vec<_>>().iter().find_map(not_passed_on);
        match conflict {
            Some((option, source)) => Err(OptionConflict::NotPassedOn {
                option,
                source_name: source.to_string(),
            }),
            None => Ok(()),
        }
    }
}

/// Why options do not go together.
#[derive(Debug, Error)]
pub enum OptionConflict {
    #[error("--object is for programs of this host; with --from there are none")]
    Object,
    #[error(
        "{option} says what to measure, which {} does by itself: give it where that is measured; only sources by ssh \
         accept it",
        Plain(source_name)
    )]
    NotPassedOn { option: String, source_name: String },
    #[error("{0}")]
    Format(&'static str),
}

impl StreamArgs {
    /// The options that tell what is measured, as far as they are not the defaults: each with its value.
    fn measuring(&self) -> Vec<Vec<String>> {
        let default = Self::default();
        let mut all = Vec::new();
        let mut add = |is_given: bool, words: &[&str]| {
            if is_given {
                all.push(words.iter().map(|word| (*word).to_owned()).collect());
            }
        };
        let interval = format_duration(self.interval);
        add(
            self.interval != default.interval,
            &["--interval", &interval],
        );
        add(self.buckets, &["--buckets"]);
        add(self.per_cpu, &["--per-cpu"]);
        add(
            self.probing.probes != default.probing.probes,
            &["--probes", value(&self.probing.probes).as_str()],
        );
        if let Some(functions) = &self.probing.no_fentry {
            let option = match functions.join(",") {
                all if all.is_empty() => "--no-fentry".to_owned(),
                some => format!("--no-fentry={some}"),
            };
            add(true, &[&option]);
        }
        let netns: Vec<&str> = self.netns.iter().map(NamespaceChoice::name).collect();
        add(self.netns != default.netns, &["--netns", &netns.join(",")]);
        add(
            self.source != default.source,
            &["--source", value(&self.source).as_str()],
        );
        let root = self.proc_root.as_ref().map(|root| root.to_string_lossy());
        add(root.is_some(), &["--proc-root", &root.unwrap_or_default()]);
        let privileges = value(&self.privileges.privileges);
        add(
            self.privileges != default.privileges,
            &["--privileges", &privileges],
        );
        let number = |n: f64| n.to_string();
        add(
            self.event_rate != default.event_rate,
            &["--event-rate", &self.event_rate.to_string()],
        );
        let (bursts, usual) = (&self.bursts, &default.bursts);
        add(
            bursts.burst_threshold != usual.burst_threshold,
            &["--burst-threshold", &number(bursts.burst_threshold)],
        );
        add(
            bursts.burst_min != usual.burst_min,
            &["--burst-min", &bursts.burst_min.to_string()],
        );
        add(
            bursts.burst_longest != usual.burst_longest,
            &["--burst-longest", &format_duration(bursts.burst_longest)],
        );
        if let Some(rows) = self.top.top {
            add(true, &["--top", &rows.to_string()]);
            add(
                self.top.top_prefix != 32,
                &["--top-prefix", &self.top.top_prefix.to_string()],
            );
            add(
                self.top.top_prefix6 != 64,
                &["--top-prefix6", &self.top.top_prefix6.to_string()],
            );
        }
        let root = self.host_root.as_ref().map(|root| root.to_string_lossy());
        add(root.is_some(), &["--host-root", &root.unwrap_or_default()]);
        add(self.lifetimes, &["--lifetimes"]);
        add(self.latency, &["--latency"]);
        for function in &self.without_function {
            add(true, &["--without-function", function]);
        }
        all
    }
}

/// A value as the command line has it.
fn value(of: &impl clap::ValueEnum) -> String {
    let possible = of.to_possible_value();
    possible.map_or_else(String::new, |value| value.get_name().to_owned())
}
