//! `ctpulse netdata`: a plugin of Netdata's agent.

use std::{ffi::OsString, path::Path};

use crate::{
    cli::NetdataArgs,
    clock::SystemClock,
    commands::{
        Failure,
        stream::{ProbesOff, write},
    },
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled},
        outlet::Outlet,
        run::Run,
    },
    output::netdata::{Netdata, PLUGIN},
};

/// Writes points until the duration is over, a signal comes, or Netdata closes the pipe.
pub(super) fn run(args: &NetdataArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let settings = args.settings();
    let mut probes_off = ProbesOff::new(settings.wants_probes());
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let outlet = Outlet::stdout()?;
            let mut sink = Netdata::new(outlet.clone(), args.ids.into(), args.seconds);
            let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
            to_end(run, start, Some(&outlet), shutdown, |records| {
                probes_off.look_for(&records, diagnostics);
                write(&mut sink, &records)
            })
            .await?;
            Ok(())
        },
    )?
}

/// The command line, where Netdata runs the program by the name that its plugins have: its arguments are then those of `netdata`.
pub(super) fn as_plugin(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == PLUGIN) {
        arguments.insert(1, "netdata".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_plugin_is_a_command() {
        let line = |words: &[&str]| {
            let words = words.iter().copied().map(OsString::from).collect();
            as_plugin(words)
        };
        let plugin = "/usr/libexec/netdata/plugins.d/ctpulse.plugin";
        assert_eq!(line(&[plugin, "2"]), [plugin, "netdata", "2"]);
        for other in [&["ctpulse", "2"][..], &["/ctpulse.plugin/ctpulse"], &[]] {
            assert_eq!(line(other), other, "{other:?}");
        }
    }
}
