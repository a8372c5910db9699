//! A socket to ask netfilter with.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{NETFILTER, SocketAddrNetlink},
        recvfrom, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use thiserror::Error;

use crate::source::nfnetlink::message::{Answer, Fault, Malformed, Object, Request};

/// How long to wait for an answer. The kernel makes it while it takes the question, so that nothing
/// but a fault makes us wait; but a stream must not hang then.
const PATIENCE: Duration = Duration::from_secs(1);

/// As much as the kernel puts into a datagram at most (`netlink_recvmsg`).
const DATAGRAM: usize = 32 * 1024;

/// The kernel's address.
const KERNEL: SocketAddrNetlink = SocketAddrNetlink::new(0, 0);

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no socket to ask with.
    #[error("cannot open a NETLINK_NETFILTER socket: {0}; is nfnetlink in this kernel?")]
    Open(#[source] io::Error),
    /// Not allowed.
    #[error("{}: needs CAP_NET_ADMIN in this network namespace; run as root", .0.name)]
    NotPermitted(Request),
    /// Nobody there answers it.
    #[error(
        "{}: this kernel cannot answer ({}); load {} (`modprobe {}`) where it has that module",
        .0.name, .1, .0.module, .0.module
    )]
    Unsupported(Request, #[source] io::Error),
    /// Refused for another reason, or not sent, or not received.
    #[error("{}: {}", .0.name, .1)]
    Io(Request, #[source] io::Error),
    /// No answer in time.
    #[error("{}: no answer within {} s; asked again at the next reading", .0.name, PATIENCE.as_secs())]
    Timeout(Request),
    /// What was asked for changed each time it was listed, or the answer did not arrive whole.
    #[error("{}: no whole answer in {} tries; asked again at the next reading", .0.name, .1)]
    Incomplete(Request, u32),
    /// The answer makes no sense.
    #[error("{}: the answer makes no sense: {}", .0.name, .1)]
    Malformed(Request, #[source] Malformed),
}

/// A netlink socket in a network namespace: that of the thread that opened it, whatever thread uses
/// it later.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Open`].
    pub fn open() -> Result<Self, Error> {
        let open = || -> Result<OwnedFd, Errno> {
            let fd = socket_with(
                AddressFamily::NETLINK,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(NETFILTER),
            )?;
            set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
            set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE))?;
            Ok(fd)
        };
        Ok(Self {
            fd: open().map_err(|errno| Error::Open(errno.into()))?,
            sequence: 0,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// Asks, and gives the objects of the answer as read by `decode`, and whether they changed while
    /// the kernel listed them. `Ok(None)`: the kernel lost a part of the answer.
    ///
    /// # Errors
    ///
    /// [`Error`]. More may still come on the socket then: it is of no more use.
    pub fn ask<T>(
        &mut self,
        request: &Request,
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Option<(Vec<T>, bool)>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let question = request.encode(self.sequence);
        retry_on_intr(|| sendto(&self.fd, &question, SendFlags::empty(), &KERNEL))
            .map_err(|errno| refused(request, errno))?;
        let mut answer = Answer::new(request, self.sequence);
        loop {
            let datagram = match self.receive() {
                Ok(datagram) => datagram.map_err(|e| Error::Malformed(*request, e))?,
                Err(Errno::NOBUFS) => return Ok(None),
                Err(errno) => return Err(refused(request, errno)),
            };
            match answer.take(datagram, &decode) {
                Ok(true) => return Ok(Some(answer.finish())),
                Ok(false) => (),
                Err(Fault::Overrun) => return Ok(None),
                Err(Fault::Refused(errno)) => {
                    return Err(refused(request, Errno::from_raw_os_error(errno)));
                }
                Err(Fault::Malformed(error)) => return Err(Error::Malformed(*request, error)),
            }
        }
    }

    fn receive(&mut self) -> Result<Result<&[u8], Malformed>, Errno> {
        let (fd, buffer) = (&self.fd, &mut self.buffer);
        // TRUNC: the length is that of the datagram, even where it does not fit.
        let (_, length, sender) =
            retry_on_intr(|| recvfrom(fd, &mut buffer[..], RecvFlags::TRUNC))?;
        if sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()) != Some(KERNEL) {
            return Ok(Err(Malformed::Content(
                "it is not from the kernel".to_owned(),
            )));
        }
        let room = self.buffer.len();
        Ok(self.buffer.get(..length).ok_or(Malformed::Length {
            what: "datagram",
            length,
            room,
        }))
    }
}

/// What an errno means, whether it came from a system call or in an answer.
fn refused(request: &Request, errno: Errno) -> Error {
    match errno {
        Errno::PERM | Errno::ACCESS => Error::NotPermitted(*request),
        Errno::AGAIN => Error::Timeout(*request),
        // nfnetlink_rcv_msg() says EINVAL where no module answers, modprobe having been tried, or
        // where the module is older than the question.
        Errno::INVAL | Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT => {
            Error::Unsupported(*request, errno.into())
        }
        _ => Error::Io(*request, errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let request = Request {
            name: "IPCTNL_MSG_CT_GET_STATS",
            module: "nf_conntrack_netlink",
            subsystem: 1,
            answer_subsystem: 1,
            message: 5,
            answer_message: None,
            family: 0,
            dump: false,
            attributes: &[],
        };
        let check = |errno, expected| {
            assert_eq!(refused(&request, errno).to_string(), expected);
        };
        check(
            Errno::PERM,
            "IPCTNL_MSG_CT_GET_STATS: needs CAP_NET_ADMIN in this network namespace; run as root",
        );
        check(
            Errno::INVAL,
            "IPCTNL_MSG_CT_GET_STATS: this kernel cannot answer (Invalid argument (os error 22)); \
             load nf_conntrack_netlink (`modprobe nf_conntrack_netlink`) where it has that module",
        );
        check(
            Errno::AGAIN,
            "IPCTNL_MSG_CT_GET_STATS: no answer within 1 s; asked again at the next reading",
        );
        check(
            Errno::NOMEM,
            "IPCTNL_MSG_CT_GET_STATS: Cannot allocate memory (os error 12)",
        );
    }
}
