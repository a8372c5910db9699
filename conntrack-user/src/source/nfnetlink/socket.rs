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

use crate::source::nfnetlink::{
    attribute::{Malformed, Object},
    message::{Answer, AnswerError, NetlinkRequest},
};

/// How long to wait for an answer. The kernel makes it while it takes the request, so that nothing
/// but a fault makes us wait; but a stream must not hang then.
const PATIENCE: Duration = Duration::from_secs(1);

/// As much as the kernel puts into a datagram at most (`netlink_recvmsg`).
const DATAGRAM: usize = 32 * 1024;

/// The kernel's address.
const KERNEL: SocketAddrNetlink = SocketAddrNetlink::new(0, 0);

/// Why a request has no (whole) answer.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket can be opened.
    #[error("cannot open a NETLINK_NETFILTER socket: {0}; is nfnetlink in this kernel?")]
    Open(#[source] io::Error),
    /// It takes a capability that we do not have.
    #[error("{}: needs CAP_NET_ADMIN in this network namespace; run as root", .0.name)]
    NotPermitted(NetlinkRequest),
    /// No module answers it.
    #[error(
        "{}: this kernel cannot answer ({}); load {} (`modprobe {}`) where it has that module",
        .0.name, .1, .0.module, .0.module
    )]
    Unsupported(NetlinkRequest, #[source] io::Error),
    /// Refused for another reason, or not sent, or not received.
    #[error("{}: {}", .0.name, .1)]
    Io(NetlinkRequest, #[source] io::Error),
    /// No answer in time.
    #[error("{}: no answer within {} s; asked again at the next reading", .0.name, PATIENCE.as_secs())]
    Timeout(NetlinkRequest),
    /// What was asked for changed each time it was listed, or the answer did not arrive whole.
    #[error("{}: no whole answer in {} tries; asked again at the next reading", .0.name, .1)]
    Incomplete(NetlinkRequest, u32),
    /// The answer is not formed as one.
    #[error("{}: the answer makes no sense: {}", .0.name, .1)]
    Malformed(NetlinkRequest, #[source] Malformed),
}

/// A netlink socket in a network namespace: that of the thread that opened it, whatever thread uses
/// it later.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl NetlinkSocket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Open`].
    pub fn open() -> Result<Self, NetlinkError> {
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
            fd: open().map_err(|errno| NetlinkError::Open(errno.into()))?,
            sequence: 0,
            buffer: vec![0; DATAGRAM],
        })
    }

    /// Asks, and gives the objects of the answer as read by `decode`, and whether they changed while
    /// the kernel listed them. `Ok(None)`: the kernel lost a part of the answer.
    ///
    /// # Errors
    ///
    /// [`NetlinkError`]. More may still come on the socket then: it is of no more use.
    pub fn ask<T>(
        &mut self,
        request: &NetlinkRequest,
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Option<(Vec<T>, bool)>, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let encoded = request.encode(self.sequence);
        retry_on_intr(|| sendto(&self.fd, &encoded, SendFlags::empty(), &KERNEL))
            .map_err(|errno| refused(request, errno))?;
        let mut answer = Answer::new(request, self.sequence);
        loop {
            let datagram = match self.receive() {
                Ok(datagram) => datagram.map_err(|e| NetlinkError::Malformed(*request, e))?,
                Err(Errno::NOBUFS) => return Ok(None),
                Err(errno) => return Err(refused(request, errno)),
            };
            match answer.take(datagram, &decode) {
                Ok(true) => return Ok(Some(answer.finish())),
                Ok(false) => (),
                Err(AnswerError::Overrun) => return Ok(None),
                Err(AnswerError::Refused(errno)) => {
                    return Err(refused(request, Errno::from_raw_os_error(errno)));
                }
                Err(AnswerError::Malformed(error)) => {
                    return Err(NetlinkError::Malformed(*request, error));
                }
            }
        }
    }

    fn receive(&mut self) -> Result<Result<&[u8], Malformed>, Errno> {
        let (fd, buffer) = (&self.fd, &mut self.buffer);
        // TRUNC: the length is that of the datagram, even where it does not fit.
        let (_, length, sender) =
            retry_on_intr(|| recvfrom(fd, &mut buffer[..], RecvFlags::TRUNC))?;
        if sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()) != Some(KERNEL) {
            return Ok(Err(Malformed::Content("it is not from the kernel")));
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
fn refused(request: &NetlinkRequest, errno: Errno) -> NetlinkError {
    match errno {
        Errno::PERM | Errno::ACCESS => NetlinkError::NotPermitted(*request),
        Errno::AGAIN => NetlinkError::Timeout(*request),
        // nfnetlink_rcv_msg() says EINVAL where no module answers, modprobe having been tried, or
        // where the module is older than the request.
        Errno::INVAL | Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT => {
            NetlinkError::Unsupported(*request, errno.into())
        }
        _ => NetlinkError::Io(*request, errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let request = NetlinkRequest {
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
