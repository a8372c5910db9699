//! An authority of a test's own, and certificates of it.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

/// An authority, and the files of what it certified.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
            dir: tempfile::tempdir()?,
        };
        fs::write(authority.file("ca.pem"), authority.issuer.pem())?;
        Ok(authority)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `name.pem` and `name.key`.
    pub(crate) fn certify(&self, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["localhost".to_owned(), name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::write(self.file(&format!("{name}.key")), key.serialize_pem())?;
        fs::write(self.file(&format!("{name}.pem")), certificate.pem())?;
        Ok(())
    }

    /// The arguments that have a server use a certificate.
    pub(crate) fn arguments(&self, name: &str) -> [String; 4] {
        let path = |name: String| self.file(&name).display().to_string();
        [
            "--tls-cert".to_owned(),
            path(format!("{name}.pem")),
            "--tls-key".to_owned(),
            path(format!("{name}.key")),
        ]
    }

    /// A client that trusts this authority, with a certificate or without.
    pub(crate) fn client(&self, certificate: Option<(&Self, &str)>) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(Arc::new(match certificate {
            None => builder.with_no_client_auth(),
            Some((of, name)) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_file(
                    of.file(&format!("{name}.pem")),
                )?],
                PrivateKeyDer::from_pem_file(of.file(&format!("{name}.key")))?,
            )?,
        }))
    }
}
