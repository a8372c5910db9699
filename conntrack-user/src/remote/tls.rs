//! Encrypted connections to servers, whose certificates are checked.

use std::{path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::{
    files,
    remote::error::{ConnectionError, RemoteError},
};

/// The longest file of certificates.
const CERTIFICATES: u64 = 4 << 20;

/// What connections to servers begin with.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities in a file, or else those that the system trusts.
    pub(super) fn trusting(authorities: Option<&Path>) -> Result<Self, RemoteError> {
        let trusted = match authorities {
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

    /// Encrypts a connection to the server of that name.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectionError> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| ConnectionError::NoName(host.to_owned()))?;
        let connected = self.0.connect(name, stream).await;
        connected.map_err(|source| ConnectionError::Io {
            what: "TLS",
            source,
        })
    }
}

fn from_file(file: &Path) -> Result<RootCertStore, RemoteError> {
    let failed = |why| RemoteError::Authorities {
        path: file.to_owned(),
        why,
    };
    let text = files::read_or_wait(file, CERTIFICATES).map_err(|source| RemoteError::Open {
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

fn from_system() -> Result<RootCertStore, RemoteError> {
    let mut trusted = RootCertStore::empty();
    // Some that cannot be read or are out of date are no reason to refuse the rest.
    let found = rustls_native_certs::load_native_certs();
    trusted.add_parsable_certificates(found.certs);
    match trusted.is_empty() {
        true => Err(RemoteError::NoAuthorities),
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
        let tls = Tls::trusting(Some(&file))?;
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
        let error = Tls::trusting(Some(&file))
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.ends_with("there is no certificate (PEM) in it")));
        assert!(Tls::trusting(Some(&dir.path().join("missing"))).is_err());
    }
}
