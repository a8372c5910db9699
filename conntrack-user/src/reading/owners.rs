//! The owner of a key (an address or port of the top tables): the process that holds most of the local sockets that match it,
//! or the program whose processes do. Sockets are counted where they are read, because there may be too many to keep.

use crate::{
    reading::{
        sockets::{Process, Program},
        workload::Workload,
    },
    text::Text,
};
use std::{collections::HashMap, fmt, hash::Hash, net::IpAddr, rc::Rc, sync::Arc};

use conntrack_ebpf::heavy_hitters::{By, FlowKey, Prefixes};

use crate::reading::sockets::Socket;

/// The owner of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Process(Process),
    /// Several processes of one program.
    Program(Program, usize),
}

impl fmt::Display for Owner {
    /// `nginx[123]`, `nginx[8 processes]`, `nginx[123] in shop/cart-7d9f/app`.
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
        match &program.workload {
            Some(workload) if !workload.is_service_of(program.name.raw()) => {
                write!(f, " in {workload}")
            }
            _ => Ok(()),
        }
    }
}

impl Owner {
    fn program(&self) -> &Program {
        match self {
            Self::Process(Process { program, .. }) | Self::Program(program, _) => program,
        }
    }
}

/// The owner of a key, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOwner {
    /// Process or program, with what it belongs to.
    pub process: Text,
    /// What it belongs to, as far as that is known.
    pub workload: Option<Arc<Workload>>,
}

/// The owners of keys, as far as they have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(HashMap<(By, FlowKey), Owner>);

impl Owners {
    /// The owner of a key.
    #[must_use]
    pub fn get(&self, by: By, key: &FlowKey) -> Option<NamedOwner> {
        let owner = self.0.get(&(by, *key))?;
        Some(NamedOwner {
            process: owner.to_string().into(),
            workload: owner.program().workload.clone(),
        })
    }
}

/// Counts, for each key, how many matching sockets each process holds.
#[derive(Debug)]
pub struct OwnerVotes {
    slot: u32,
    prefixes: Prefixes,
    /// By key, then by process: the number of matching sockets.
    votes: HashMap<(By, FlowKey), HashMap<Rc<Process>, u32>>,
}

impl OwnerVotes {
    /// No votes yet, for the keys of an instance.
    #[must_use]
    pub fn new(slot: u32, prefixes: Prefixes) -> Self {
        Self {
            slot,
            prefixes,
            votes: HashMap::new(),
        }
    }

    /// Counts a socket for the keys that its flows may have: its own address as source and destination, the remote address as
    /// destination, and, if it is not connected, its port.
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

    /// For each key the process that holds more than half of the matching sockets, else the program whose processes do; a key
    /// without such a majority has no owner.
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

/// The candidate with more than half of the votes.
fn majority<T: Eq + Hash>(votes: impl Iterator<Item = (T, u32)>) -> Option<T> {
    let mut sums = HashMap::new();
    let mut all = 0;
    for (candidate, count) in votes {
        *sums.entry(candidate).or_insert(0) += count;
        all += count;
    }
    sums.into_iter()
        .find(|(_, count)| count * 2 > all)
        .map(|(candidate, _)| candidate)
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

    fn workload(
        field: fn(&mut Workload) -> &mut Option<Text>,
        name: &str,
    ) -> Option<Arc<Workload>> {
        let mut workload = Workload::default();
        *field(&mut workload) = Some(name.to_owned().into());
        Some(workload.into())
    }

    fn process(name: &str, pid: u32) -> Rc<Process> {
        Rc::new(Process {
            pid,
            program: Program {
                name: name.to_owned().into(),
                workload: match name {
                    "java" => workload(|w| &mut w.container_id, "0123456789abcdef"),
                    "nginx" => workload(|w| &mut w.unit, "nginx.service"),
                    _ => None,
                },
            },
        })
    }

    #[test]
    fn most_of_the_sockets_decide() {
        let (nginx, curl, wget) = (process("nginx", 1), process("curl", 2), process("wget", 3));
        let mut votes = OwnerVotes::new(2, PREFIXES);
        votes.add(&socket([0; 4], 80, [0; 4]), &nginx);
        votes.add(&socket([10, 0, 0, 1], 80, [10, 0, 0, 9]), &nginx);
        votes.add(&socket([10, 0, 0, 1], 81, [10, 0, 0, 9]), &nginx);
        votes.add(&socket([10, 0, 0, 1], 5000, [10, 0, 0, 8]), &curl);
        votes.add(&socket([10, 0, 0, 2], 5001, [10, 0, 0, 7]), &curl);
        votes.add(&socket([10, 0, 0, 2], 5002, [10, 0, 0, 7]), &wget);
        let owners = votes.owners();
        let get = |by, key| Some(owners.get(by, &key)?.process.to_string());
        let nginx = Some("nginx[1]".to_owned());
        let curl = Some("curl[2]".to_owned());
        assert_eq!(get(By::Port, FlowKey::port(2, 6, 80)), nginx.clone());
        assert_eq!(get(By::Port, FlowKey::port(2, 17, 80)), None);
        assert_eq!(get(By::Port, FlowKey::port(2, 6, 5000)), None);
        assert_eq!(get(By::Source, address([10, 0, 0, 1])), nginx);
        assert_eq!(get(By::Destination, address([10, 0, 0, 8])), curl);
        // A tie.
        assert_eq!(get(By::Source, address([10, 0, 0, 2])), None);
        assert_eq!(get(By::Destination, address([10, 0, 0, 7])), None);
        assert_eq!(get(By::Source, address([10, 0, 0, 3])), None);
    }

    /// Like workers with SO_REUSEPORT, which have a socket each.
    #[test]
    fn processes_of_one_program_are_taken_together() {
        let mut votes = OwnerVotes::new(2, PREFIXES);
        for pid in 1..=3 {
            votes.add(&socket([0; 4], 80, [0; 4]), &process("java", pid));
        }
        votes.add(&socket([0; 4], 80, [0; 4]), &process("other", 9));
        let owner = votes.owners().get(By::Port, &FlowKey::port(2, 6, 80));
        let owner = owner.expect("an owner");
        assert_eq!(owner.process, "java[3 processes] in 0123456789ab");
        let id = owner
            .workload
            .and_then(|workload| workload.container_id.clone());
        assert_eq!(id.expect("an id"), "0123456789abcdef");
    }
}
