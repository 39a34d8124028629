//! What rustls needs to know: whom to trust, who we are, and which name the server must have.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage, RootCertStore,
};

use super::endpoint::TlsFiles;
use super::error::EndpointError;

/// A client's side of TLS towards `host`. The files are read anew each time: certificates are renewed while a node runs.
pub(super) fn client(files: &TlsFiles, host: &str) -> Result<ClientConnection, EndpointError> {
    let wrong = |what, path: &str, reason: String| EndpointError::Certificate { what, path: path.into(), reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("TLS", "", error.to_string()))?
        .with_root_certificates(authorities(files)?);
    let config = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => {
            const WHAT: &str = "the certificate and key";
            let chain = certificates(WHAT, certificate)?;
            let shown = key.display().to_string();
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(WHAT, &shown, error.to_string()))?;
            config.with_client_auth_cert(chain, key).map_err(|error| wrong(WHAT, &shown, error.to_string()))?
        }
        _ => config.with_no_client_auth(),
    };
    let name = files.server_name.as_deref().unwrap_or(host);
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| EndpointError::Url(format!("{name:?} cannot be the name in a certificate: set server_name")))?;
    ClientConnection::new(Arc::new(config), server).map_err(|error| wrong("TLS", "", error.to_string()))
}

/// What an error of a connection says, in the same words as long as it has the same cause: rustls names the time at
/// which it looked.
pub(super) fn reason(error: &io::Error) -> String {
    let is_invalid = "invalid peer certificate: certificate";
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            format!("{is_invalid} expired: it is not valid after {} (UNIX)", not_after.as_secs())
        }
        Some(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            format!("{is_invalid} not valid yet: it is not valid before {} (UNIX)", not_before.as_secs())
        }
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            format!("{error}: the server may not speak TLS")
        }
        // A server without TLS takes a greeting for the beginning of a line, and waits for its end.
        _ if error.kind() == io::ErrorKind::TimedOut => format!("{error}: the server may not speak TLS"),
        _ => error.to_string(),
    }
}

/// Whether an error of a connection says that one end does not take what the other proves itself with.
pub(super) fn is_lasting(error: &io::Error) -> bool {
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else { return false };
    match error {
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented | Error::PeerIncompatible(_) => true,
        Error::AlertReceived(alert) => matches!(
            alert,
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::ProtocolVersion
        ),
        _ => false,
    }
}

fn authorities(files: &TlsFiles) -> Result<RootCertStore, EndpointError> {
    const WHAT: &str = "the authorities' certificates";
    let (found, path) = match &files.authorities {
        Some(path) => (certificates(WHAT, path)?, path.display().to_string()),
        None => (rustls_native_certs::load_native_certs().certs, "of the system".into()),
    };
    let mut roots = RootCertStore::empty();
    // The system's store may hold certificates that rustls does not take; a file that was named must be usable.
    let (added, ignored) = roots.add_parsable_certificates(found);
    match added == 0 || (files.authorities.is_some() && ignored > 0) {
        true => Err(EndpointError::Certificate { what: WHAT, path, reason: "no usable certificate".into() }),
        false => Ok(roots),
    }
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, EndpointError> {
    let wrong = |reason: String| EndpointError::Certificate { what, path: path.display().to_string(), reason };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    match found.is_empty() {
        true => Err(wrong("no certificate in it".into())),
        false => Ok(found),
    }
}
