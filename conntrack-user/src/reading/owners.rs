//! Who is behind a key: the process that has most of the local sockets it fits, or the program. Put together where
//! sockets are read: there may be many.

use crate::reading::sockets::{Process, Program};
use std::{collections::HashMap, fmt, hash::Hash, net::IpAddr, rc::Rc};

use conntrack_ebpf::heavy_hitters::{By, FlowKey, Prefixes};

use crate::reading::sockets::Socket;

/// Somebody behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Process(Process),
    /// Several processes of one program.
    Program(Program, usize),
}

impl fmt::Display for Owner {
    /// `nginx[123]`, `nginx[8 processes]`, `nginx[123] in 0123456789ab`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = match self {
            Self::Process(Process { pid, program }) => {
                write!(f, "{}[{pid}]", program.name)?;
                program
            }
            Self::Program(program, processes) => {
                write!(f, "{}[{processes} processes]", program.name)?;
                program
            }
        };
        match &program.container {
            Some(container) => write!(f, " in {container}"),
            None => Ok(()),
        }
    }
}

/// Who is behind each key, where somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(HashMap<(By, FlowKey), Owner>);

impl Owners {
    /// Who is behind a key.
    #[must_use]
    pub fn get(&self, by: By, key: &FlowKey) -> Option<String> {
        self.0.get(&(by, *key)).map(ToString::to_string)
    }
}

/// Sockets as they are found, with their processes.
#[derive(Debug)]
pub struct Finding {
    slot: u32,
    prefixes: Prefixes,
    /// How many sockets each process has that fit a key.
    votes: HashMap<(By, FlowKey), HashMap<Rc<Process>, u32>>,
}

impl Finding {
    /// Of an instance.
    #[must_use]
    pub fn new(slot: u32, prefixes: Prefixes) -> Self {
        Self {
            slot,
            prefixes,
            votes: HashMap::new(),
        }
    }

    /// A socket. A flow from its address, to its address, to whom it is connected, or, if it is
    /// connected to nobody, to its port may be its own.
    pub fn add(&mut self, socket: &Socket, process: &Rc<Process>) {
        let mut vote = |by, key| {
            let votes = self.votes.entry((by, key)).or_default();
            *votes.entry(Rc::clone(process)).or_insert(0) += 1;
        };
        let key = |address| match address {
            IpAddr::V4(address) => FlowKey::ipv4(self.slot, address.to_bits(), self.prefixes),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                FlowKey::ipv6(self.slot, (bits >> 64) as u64, bits as u64, self.prefixes)
            }
        };
        if !socket.local.is_unspecified() {
            vote(By::Source, key(socket.local));
            vote(By::Destination, key(socket.local));
        }
        if socket.remote.is_unspecified() {
            vote(
                By::Port,
                FlowKey::port(self.slot, socket.protocol, socket.port),
            );
        } else if socket.remote != socket.local {
            vote(By::Destination, key(socket.remote));
        }
    }

    /// For each key the process that has more than half of its sockets, else the program whose
    /// processes have; where none has, nobody is named.
    #[must_use]
    pub fn owners(self) -> Owners {
        let owner = |votes: HashMap<Rc<Process>, u32>| {
            if let Some(process) = majority(votes.iter().map(|(p, n)| (p, *n))) {
                return Some(Owner::Process(Process::clone(process)));
            }
            let program = majority(votes.iter().map(|(p, n)| (&p.program, *n)))?;
            let processes = votes.keys().filter(|p| p.program == *program).count();
            Some(Owner::Program(program.clone(), processes))
        };
        Owners(
            self.votes
                .into_iter()
                .filter_map(|(key, votes)| Some((key, owner(votes)?)))
                .collect(),
        )
    }
}

/// Who has more than half of the votes.
fn majority<T: Eq + Hash>(votes: impl Iterator<Item = (T, u32)>) -> Option<T> {
    let mut sums = HashMap::new();
    let mut all = 0;
    for (whom, count) in votes {
        *sums.entry(whom).or_insert(0) += count;
        all += count;
    }
    sums.into_iter()
        .find(|(_, count)| count * 2 > all)
        .map(|(whom, _)| whom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIXES: Prefixes = Prefixes { ipv4: 32, ipv6: 64 };

    fn socket(local: [u8; 4], port: u16, remote: [u8; 4]) -> Socket {
        Socket {
            protocol: 6,
            local: local.into(),
            port,
            remote: remote.into(),
            inode: 1,
        }
    }

    fn address(octets: [u8; 4]) -> FlowKey {
        FlowKey::ipv4(2, u32::from_be_bytes(octets), PREFIXES)
    }

    fn process(name: &str, pid: u32) -> Rc<Process> {
        Rc::new(Process {
            pid,
            program: Program {
                name: name.to_owned().into(),
                container: (name == "java").then(|| "0123456789ab".to_owned()),
            },
        })
    }

    #[test]
    fn most_of_the_sockets_decide() {
        let (nginx, curl, wget) = (process("nginx", 1), process("curl", 2), process("wget", 3));
        let mut finding = Finding::new(2, PREFIXES);
        finding.add(&socket([0; 4], 80, [0; 4]), &nginx);
        finding.add(&socket([10, 0, 0, 1], 80, [10, 0, 0, 9]), &nginx);
        finding.add(&socket([10, 0, 0, 1], 81, [10, 0, 0, 9]), &nginx);
        finding.add(&socket([10, 0, 0, 1], 5000, [10, 0, 0, 8]), &curl);
        finding.add(&socket([10, 0, 0, 2], 5001, [10, 0, 0, 7]), &curl);
        finding.add(&socket([10, 0, 0, 2], 5002, [10, 0, 0, 7]), &wget);
        let owners = finding.owners();
        let get = |by, key| owners.get(by, &key);
        let nginx = Some("nginx[1]".to_owned());
        let curl = Some("curl[2]".to_owned());
        assert_eq!(get(By::Port, FlowKey::port(2, 6, 80)), nginx.clone());
        assert_eq!(get(By::Port, FlowKey::port(2, 17, 80)), None);
        assert_eq!(get(By::Port, FlowKey::port(2, 6, 5000)), None);
        assert_eq!(get(By::Source, address([10, 0, 0, 1])), nginx);
        assert_eq!(get(By::Destination, address([10, 0, 0, 8])), curl);
        // As many of one as of the other.
        assert_eq!(get(By::Source, address([10, 0, 0, 2])), None);
        assert_eq!(get(By::Destination, address([10, 0, 0, 7])), None);
        assert_eq!(get(By::Source, address([10, 0, 0, 3])), None);
    }

    /// As with SO_REUSEPORT: a socket for each of them.
    #[test]
    fn processes_of_one_program_are_taken_together() {
        let mut finding = Finding::new(2, PREFIXES);
        for pid in 1..=3 {
            finding.add(&socket([0; 4], 80, [0; 4]), &process("java", pid));
        }
        finding.add(&socket([0; 4], 80, [0; 4]), &process("other", 9));
        assert_eq!(
            finding.owners().get(By::Port, &FlowKey::port(2, 6, 80)),
            Some("java[3 processes] in 0123456789ab".to_owned())
        );
    }
}
