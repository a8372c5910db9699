//! Where Debian's suites are: on the mirrors that the host's own apt uses.

use std::fmt::Write as _;

/// The suites whose packages guests may have, from the oldest on, and which of Debian's two archives has each.
/// One that a mirror has no more does no harm.
const SUITES: [(&str, Repository); 10] = [
    ("bullseye", Repository::Main),
    ("bullseye-security", Repository::Security),
    ("bookworm", Repository::Main),
    ("bookworm-security", Repository::Security),
    ("bookworm-backports", Repository::Main),
    ("trixie", Repository::Main),
    ("trixie-security", Repository::Security),
    ("trixie-backports", Repository::Main),
    ("sid", Repository::Main),
    ("experimental", Repository::Main),
];

/// One of Debian's two archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repository {
    Main,
    Security,
}

/// What to ask `apt-get indextargets` for each list of packages; [`Mirrors::parse`] reads the answer.
pub(super) const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";

/// The host's mirrors of Debian.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mirrors {
    main: Option<String>,
    security: Option<String>,
}

impl Mirrors {
    /// The mirror of the main archive.
    pub(super) fn main(&self) -> Option<&str> {
        self.main.as_deref()
    }

    /// Reads the lists of packages that the host's apt has, one a line ([`FORMAT`]). Other repositories are
    /// ignored; of several mirrors the first is taken.
    ///
    /// ```text
    /// Debian|Debian-Security|http://mirror.example/debian-security/
    /// ```
    pub(super) fn parse(targets: &str) -> Self {
        let mut mirrors = Self::default();
        for line in targets.lines() {
            let mut fields = line.splitn(3, '|');
            let (Some("Debian"), Some(label), Some(uri)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let mirror = match label {
                "Debian" => &mut mirrors.main,
                "Debian-Security" => &mut mirrors.security,
                _ => continue,
            };
            // A disc has no other suites; a space would end the address in a list of sources.
            if !uri.is_empty() && !uri.starts_with("cdrom:") && !uri.contains(char::is_whitespace) {
                mirror.get_or_insert_with(|| uri.to_owned());
            }
        }
        mirrors
    }

    /// Whether there is a mirror of the archive that has the releases.
    pub(super) fn is_usable(&self) -> bool {
        self.main.is_some()
    }

    /// The list of sources for an architecture's packages, signed with the keys in a file.
    pub(super) fn list(&self, architecture: &str, keys: Option<&str>) -> String {
        let mut list = String::new();
        // Nothing but the lists of packages: no translations, no contents.
        let mut options = format!("arch={architecture} target=Packages lang=none");
        if let Some(keys) = keys {
            // Writing to a string cannot fail.
            let _ = write!(options, " signed-by={keys}");
        }
        for (suite, repository) in SUITES {
            let mirror = match repository {
                Repository::Main => &self.main,
                Repository::Security => &self.security,
            };
            if let Some(mirror) = mirror {
                let _ = writeln!(list, "deb [{options}] {mirror} {suite} main");
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "Vendor|Vendor|https://vendor.example/apt/\n\
        Debian|Debian|cdrom:[Debian 12]/\n\
        Debian|Debian|http://mirror.example/debian/\n\
        Debian|Debian|http://second.example/debian/\n\
        Debian|Debian-Security|http://mirror.example/debian-security/\n\
        Debian|Debian Backports|http://old.example/debian/\n\n";

    #[test]
    fn mirrors_are_the_hosts_own() {
        let mirrors = Mirrors::parse(TARGETS);
        assert_eq!(
            mirrors,
            Mirrors {
                main: Some("http://mirror.example/debian/".to_owned()),
                security: Some("http://mirror.example/debian-security/".to_owned()),
            }
        );
        assert!(mirrors.is_usable());
        assert!(!Mirrors::parse("Ubuntu|Ubuntu|http://mirror.example/ubuntu/\n").is_usable());
    }

    #[test]
    fn suites_are_looked_for_where_they_are() {
        let list = Mirrors::parse(TARGETS).list("arm64", Some("/keys.gpg"));
        assert!(list.starts_with(
            "deb [arch=arm64 target=Packages lang=none signed-by=/keys.gpg] http://mirror.example/debian/ bullseye main\n"
        ), "{list}");
        assert!(list.contains(" http://mirror.example/debian-security/ bullseye-security main\n"));
        assert!(list.ends_with(" http://mirror.example/debian/ experimental main\n"));
    }

    #[test]
    fn without_a_mirror_of_security_updates_the_releases_remain() {
        let list =
            Mirrors::parse("Debian|Debian|http://mirror.example/debian/\n").list("amd64", None);
        assert!(!list.contains("security"));
        assert!(list.contains(
            "deb [arch=amd64 target=Packages lang=none] http://mirror.example/debian/ trixie main\n"
        ));
    }
}
