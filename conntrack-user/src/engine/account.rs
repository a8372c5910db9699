//! Users of this host: whom the commands of `--on-alert` run as.

use std::{ffi::CString, io};

use nix::unistd::{Gid, Uid, User, getgrouplist, setgid, setgroups, setuid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text::Text;

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
    /// All groups, `gid` too.
    groups: Vec<u32>,
    pub home: String,
}

/// Why commands cannot run as a user.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Nobody has the name or the number.
    #[error("--on-alert-user {0}: there is no such user in /etc/passwd")]
    Unknown(Text),
    /// The users cannot be read.
    #[error("--on-alert-user {user}: {source}")]
    Lookup { user: Text, source: io::Error },
    /// The process that runs the commands cannot become the user.
    #[error("--on-alert-user {user}: {reason}; it takes CAP_SETUID and CAP_SETGID, which root has")]
    NotAllowed { user: Text, reason: Text },
}

impl Account {
    /// Finds a user by name or number, with all groups.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn find(user: &str) -> Result<Self, AccountError> {
        let text = || Text::from(user.to_owned());
        let failed = |error: nix::Error| AccountError::Lookup {
            user: text(),
            source: error.into(),
        };
        let by_name = User::from_name(user).map_err(failed)?;
        let found = match (by_name, user.parse()) {
            (None, Ok(number)) => User::from_uid(Uid::from_raw(number)).map_err(failed)?,
            (found, _) => found,
        };
        let found = found.ok_or_else(|| AccountError::Unknown(text()))?;
        let name = CString::new(found.name.as_str()).map_err(|error| AccountError::Lookup {
            user: text(),
            source: error.into(),
        })?;
        let groups = getgrouplist(&name, found.gid).map_err(failed)?;
        Ok(Self {
            name: found.name,
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            home: found.dir.to_string_lossy().into_owned(),
        })
    }

    /// Makes this process the user's, for good.
    ///
    /// # Errors
    ///
    /// When the kernel refuses: it takes `CAP_SETUID` and `CAP_SETGID`, unless the process is the user's already.
    pub fn become_it(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if !uid.is_root() && (Uid::current(), Uid::effective()) == (uid, uid) {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups)?;
        setgid(gid)?;
        setuid(uid)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() -> Result<(), AccountError> {
        let root = Account::find("root")?;
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(Account::find("0")?, root);
        Ok(())
    }

    #[test]
    fn unknown_users_are_named_harmlessly() {
        let error = Account::find("no\u{1b}body").unwrap_err().to_string();
        assert_eq!(
            error,
            "--on-alert-user no\\u{1b}body: there is no such user in /etc/passwd"
        );
        assert!(Account::find("4294967294").is_err());
    }
}
