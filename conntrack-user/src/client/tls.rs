//! Encrypted connections to servers, whose certificates are checked.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::error::ClientError;
use crate::{
    files::{self, Remedied},
    text::PlainPath,
};

/// The most bytes of a file of certificates.
const CERTIFICATES: u64 = 4 << 20;

/// Whom to believe who a server is.
#[derive(Clone)]
pub struct Authorities(TlsConnector);

/// Why there is nobody to believe.
#[derive(Debug, Error)]
pub enum AuthoritiesError {
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: {why}", PlainPath(path))]
    File { path: PathBuf, why: String },
    #[error(
        "this system trusts no authorities, so no https:// can be checked: name a file of some"
    )]
    NoSystem,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Authorities {
    /// Those of a file (PEM), or those that the system trusts.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn of(file: Option<&Path>) -> Result<Self, AuthoritiesError> {
        let trusted = match file {
            Some(file) => from_file(file)?,
            None => from_system()?,
        };
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self(Arc::new(config).into()))
    }

    /// Encrypts a connection to this host.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ClientError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ClientError::NoName(host.to_owned()))?;
        let connected = self.0.connect(name, stream).await;
        connected.map_err(|source| ClientError::Io {
            what: "TLS",
            source,
        })
    }
}

fn from_file(file: &Path) -> Result<RootCertStore, AuthoritiesError> {
    let failed = |why: String| AuthoritiesError::File {
        path: file.to_owned(),
        why,
    };
    let text =
        files::read_or_wait(file, CERTIFICATES).map_err(|source| AuthoritiesError::Open {
            path: file.to_owned(),
            source,
        })?;
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        let added = trusted.add(certificate);
        added.map_err(|error| failed(error.to_string()))?;
    }
    match trusted.is_empty() {
        true => Err(failed("there is no certificate (PEM) in it".to_owned())),
        false => Ok(trusted),
    }
}

fn from_system() -> Result<RootCertStore, AuthoritiesError> {
    let mut trusted = RootCertStore::empty();
    // Some that cannot be read or are out of date are no reason to refuse the rest.
    let found = rustls_native_certs::load_native_certs();
    trusted.add_parsable_certificates(found.certs);
    match trusted.is_empty() {
        true => Err(AuthoritiesError::NoSystem),
        false => Ok(trusted),
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fs, net::Ipv4Addr};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, pki_types::PrivateKeyDer},
    };

    use super::*;

    type Done<T> = Result<T, Box<dyn Error>>;

    /// An authority's certificate, and a server that has one from it for `localhost`.
    fn server() -> Done<(String, TlsAcceptor)> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der())?,
            )?;
        Ok((authority, Arc::new(config).into()))
    }

    /// What a client that trusts an authority gets from the server by a name.
    fn ask(trusted: &str, acceptor: TlsAcceptor, name: &str) -> Done<Result<String, String>> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("ca.pem");
        fs::write(&file, trusted)?;
        let tls = Authorities::of(Some(&file))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let server = async {
                let (stream, _) = listener.accept().await?;
                let mut stream = acceptor.accept(stream).await?;
                stream.write_all(b"there").await?;
                stream.shutdown().await
            };
            let client = async {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|e| e.to_string())?;
                let stream = tls.connect(name, stream).await;
                let mut stream = stream.map_err(|error| error.to_string())?;
                let mut text = String::new();
                let read = stream.read_to_string(&mut text).await;
                read.map_err(|error| error.to_string())?;
                Ok(text)
            };
            // A client that refuses the certificate is an error of the server, too.
            let (_, client) = tokio::join!(server, client);
            Ok(client)
        })
    }

    #[test]
    fn only_who_is_trusted_is_talked_to() -> Done<()> {
        let (authority, acceptor) = server()?;
        assert_eq!(
            ask(&authority, acceptor.clone(), "localhost")?,
            Ok("there".to_owned())
        );
        let other = ask(&authority, acceptor.clone(), "example.org")?;
        assert!(
            other.is_err_and(|why| why.contains("not valid for name")),
            "another name"
        );
        let (stranger, _) = server()?;
        let other = ask(&stranger, acceptor, "localhost")?;
        assert!(
            other.is_err_and(|why| why.contains("invalid peer certificate")),
            "another authority"
        );
        Ok(())
    }

    #[test]
    fn a_file_without_certificates_is_no_authority() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        fs::write(&file, "nothing\n").unwrap();
        let error = Authorities::of(Some(&file))
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.ends_with("there is no certificate (PEM) in it")));
        assert!(Authorities::of(Some(&dir.path().join("missing"))).is_err());
    }
}
