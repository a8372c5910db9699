//! The names of hosts, and what else is known of each before it says something.

use std::collections::BTreeSet;

use crate::{
    model::fleet::{HOSTS, HostSpec},
    remote::{RemoteError, Source, address::SourcePlace, file::FileSource},
    text::Text,
};

/// What is known of each host beforehand.
pub(super) fn specs(sources: &[Source]) -> Result<Vec<HostSpec>, RemoteError> {
    if sources.len() > HOSTS {
        return Err(RemoteError::TooMany(sources.len()));
    }
    if sources.iter().filter(|source| source.is_stdin()).count() > 1 {
        return Err(RemoteError::StdinTwice);
    }
    let mut taken = BTreeSet::new();
    let mut specs = Vec::new();
    for source in sources {
        let (waits, is_connection) = match &source.place {
            SourcePlace::Ssh(_) | SourcePlace::Http(_) => (true, true),
            SourcePlace::Stdin => (!FileSource::Stdin.is_regular().unwrap_or(false), false),
            SourcePlace::File(path) => {
                let regular = FileSource::Path(path.clone()).is_regular();
                let regular = regular.map_err(|source| RemoteError::Open {
                    path: path.clone(),
                    source,
                })?;
                (!regular, false)
            }
        };
        let name = match &source.name {
            Some(name) if !taken.insert(name.raw().to_owned()) => {
                return Err(RemoteError::SameName(name.clone()));
            }
            Some(name) => Some(name.clone()),
            None => free_name(source, &mut taken),
        };
        specs.push(HostSpec {
            name,
            source: source.to_string().into(),
            waits,
            is_connection,
        });
    }
    Ok(specs)
}

/// The name of its host, with the port or a number where that is taken.
fn free_name(source: &Source, taken: &mut BTreeSet<String>) -> Option<Text> {
    let host = source.host()?.to_owned();
    let with_port = source.host_and_port()?;
    let numbered = (2..).map(|n| format!("{with_port}-{n}"));
    let mut names = [host, with_port.clone()].into_iter().chain(numbered);
    let name = names.find(|name| taken.insert(name.clone()))?;
    Some(name.into())
}
