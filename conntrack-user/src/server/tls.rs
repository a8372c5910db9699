//! Encryption, and clients known by their certificates.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::credentials::{CredentialsError, MadeOfFiles};

/// The files that encryption takes, as PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, followed by those that lead to an authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authorities of clients; only clients with a certificate of one of them are answered.
    pub client_ca: Option<PathBuf>,
}

impl MadeOfFiles for TlsFiles {
    type Made = ServerConfig;

    fn paths(&self) -> Vec<&Path> {
        let mut paths = vec![self.certificate.as_path(), &self.key];
        paths.extend(self.client_ca.as_deref());
        paths
    }

    fn make(&self, contents: &[Vec<u8>]) -> Result<ServerConfig, CredentialsError> {
        let [certificate, key, authorities @ ..] = contents else {
            return Err(error_of(&self.key)("no key", "it was not read"));
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error_of(&self.certificate)("no version of TLS", error))?;
        let builder = match (&self.client_ca, authorities) {
            (Some(path), [authorities]) => {
                builder.with_client_cert_verifier(verifier(path, authorities, &provider)?)
            }
            _ => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| error_of(&self.key)("no private key in PEM", error))?;
        let mut config = builder
            .with_single_cert(certificates(&self.certificate, certificate)?, key)
            .map_err(|error| {
                error_of(&self.certificate)("certificate and key cannot be used together", error)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn error_of<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    path: &Path,
) -> impl Fn(&'static str, E) -> CredentialsError {
    move |what, source| CredentialsError::Tls {
        path: path.to_owned(),
        what,
        source: source.into(),
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates =
        certificates.map_err(|error| error_of(path)("damaged certificate in PEM", error))?;
    match certificates.is_empty() {
        true => Err(CredentialsError::Contents {
            path: path.to_owned(),
            what: "has no certificate in PEM (-----BEGIN CERTIFICATE-----)",
        }),
        false => Ok(certificates),
    }
}

/// Who checks the certificates of clients.
fn verifier(
    path: &Path,
    authorities: &[u8],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, authorities)? {
        roots
            .add(authority)
            .map_err(|error| error_of(path)("no authority", error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error_of(path)("no authorities", error))
}
