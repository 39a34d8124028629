//! TLS: a certificate authority of the test's own, and a server side of rustls in front of a real Valkey, whose packaged
//! build has none. Where a Redis is installed that speaks TLS itself, `seven` uses that too.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use libra_net::resp::{Connection, Endpoint, Options, Reply, RespError, TlsFiles, Watch, wait};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::messages::{read_until, subscribe};
use crate::valkey::{Scratch, Valkey};

/// An authority, a certificate for a server on this host and one for a node, as files.
pub struct Certificates {
    pub scratch: Scratch,
}

impl Certificates {
    pub fn new() -> Self {
        Certificates::with(|_| ())
    }

    /// Where something is different about the server's and the node's.
    fn with(change: impl Fn(&mut CertificateParams)) -> Self {
        let scratch = Scratch::new();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name = named(&format!("authority of {}", scratch.join("").display()));
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(scratch.join("ca.pem"), authority.pem()).unwrap();
        for (file, name) in [("server", "localhost"), ("node", "node-1")] {
            let key = KeyPair::generate().unwrap();
            let mut certificate = CertificateParams::new(vec![name.into()]).unwrap();
            certificate.distinguished_name = named(name);
            change(&mut certificate);
            let certificate = certificate.signed_by(&key, &authority).unwrap();
            std::fs::write(scratch.join(&format!("{file}.pem")), certificate.pem()).unwrap();
            std::fs::write(scratch.join(&format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Certificates { scratch }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// What a client needs to trust the server.
    pub fn trust(&self) -> TlsFiles {
        let (authorities, server_name) = (Some(self.file("ca.pem")), Some("localhost".into()));
        TlsFiles { authorities, server_name, ..TlsFiles::default() }
    }

    /// That, and who we are.
    pub fn known(&self) -> TlsFiles {
        let (certificate, key) = (Some(self.file("node.pem")), Some(self.file("node.key")));
        TlsFiles { certificate, key, ..self.trust() }
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Takes TLS off in front of a server, for as many connections as come.
fn terminate(certificates: &Certificates, ask_for_certificate: bool, server: &Path) -> Endpoint {
    let chain = vec![CertificateDer::from_pem_file(certificates.file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificates.file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match ask_for_certificate {
        false => config.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(certificates.file("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, server) = (config.clone(), server.clone());
            // Either end going away is an end of the connection like any other.
            std::thread::spawn(move || {
                pump(stream?, ServerConnection::new(config).unwrap(), UnixStream::connect(server)?)
            });
        }
    });
    Endpoint::tcp("127.0.0.1", port)
}

/// Carries bytes both ways until one end closes.
fn pump(outside: TcpStream, mut tls: ServerConnection, mut inside: UnixStream) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        while tls.wants_write() {
            tls.write_tls(&mut &outside)?;
        }
        let mut watches = [Watch::new(outside.as_raw_fd(), false), Watch::new(inside.as_raw_fd(), false)];
        wait(&mut watches, None)?;
        if watches[0].readable() {
            let count = tls.read_tls(&mut &outside)?;
            let state = tls.process_new_packets();
            while tls.wants_write() {
                tls.write_tls(&mut &outside)?;
            }
            let mut left = state.map_err(std::io::Error::other)?.plaintext_bytes_to_read();
            while left > 0 {
                let count = tls.reader().read(&mut bytes)?;
                inside.write_all(&bytes[..count])?;
                left -= count;
            }
            if count == 0 {
                return Ok(());
            }
        }
        if watches[1].readable() {
            let count = inside.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            tls.writer().write_all(&bytes[..count])?;
        }
    }
}

fn over(endpoint: &Endpoint, files: TlsFiles) -> Result<Connection, RespError> {
    Connection::connect(&Endpoint { tls: Some(files), ..endpoint.clone() }, &Options::new("test"))
}

#[test]
fn everything_works_encrypted() {
    let Some(server) = Valkey::start("") else { return };
    let certificates = Certificates::new();
    let endpoint = terminate(&certificates, false, &server.scratch.join("s"));
    let mut connection = over(&endpoint, certificates.trust()).unwrap();
    assert!(connection.is_encrypted());
    let large = vec![b'x'; 3_000_000];
    assert_eq!(connection.call(&[b"ECHO", &large]).unwrap(), Reply::Bulk(&large));
    // Many small messages in one record: none may stay decrypted and unread while the thread sleeps.
    subscribe(&mut connection, b"c");
    let mut other = server.connect();
    const COUNT: usize = 20_000;
    for number in 0..COUNT {
        other.commands().command(3).bulk(b"PUBLISH").bulk(b"c").int(number as u64);
    }
    let publisher = std::thread::spawn(move || {
        let mut answers = 0;
        read_until(&mut other, |_| {
            answers += 1;
            answers == COUNT
        });
    });
    let mut received = 0;
    read_until(&mut connection, |reply| {
        assert_eq!(reply.message().unwrap().1, received.to_string().as_bytes());
        received += 1;
        received == COUNT
    });
    publisher.join().unwrap();
}

#[test]
fn who_cannot_prove_who_they_are_is_not_spoken_to() {
    let Some(server) = Valkey::start("") else { return };
    let certificates = Certificates::new();
    let endpoint = terminate(&certificates, false, &server.scratch.join("s"));
    let strangers = Certificates::new();
    let untrusted = over(&endpoint, strangers.trust()).unwrap_err();
    assert!(matches!(&untrusted, RespError::Tls { reason, .. } if reason.contains("UnknownIssuer")), "{untrusted}");
    assert!(!untrusted.may_pass() && untrusted.is_lasting(), "another try finds the same");
    let other_name = TlsFiles { server_name: Some("redis.example".into()), ..certificates.trust() };
    let misnamed = over(&endpoint, other_name).unwrap_err();
    assert!(misnamed.to_string().contains("not valid for name") && !misnamed.may_pass(), "{misnamed}");
    let by_address = TlsFiles { server_name: None, ..certificates.trust() };
    assert!(matches!(over(&endpoint, by_address), Err(RespError::Tls { .. })), "the certificate has no address in it");
}

#[test]
fn a_certificate_at_the_wrong_time_is_told_in_the_same_words_whenever_it_is_looked_at() {
    let Some(server) = Valkey::start("") else { return };
    let told = |certificates: Certificates| {
        let endpoint = terminate(&certificates, false, &server.scratch.join("s"));
        let error = over(&endpoint, certificates.trust()).unwrap_err();
        assert!(!error.may_pass(), "{error}");
        let RespError::Tls { reason, .. } = error else { panic!("{error}") };
        reason
    };
    let expired = told(Certificates::with(|of| of.not_after = rcgen::date_time_ymd(2020, 1, 1)));
    assert_eq!(expired, "invalid peer certificate: certificate expired: it is not valid after 1577836800 (UNIX)");
    let early = told(Certificates::with(|of| of.not_before = rcgen::date_time_ymd(2999, 1, 1)));
    assert!(early.contains("not valid yet: it is not valid before") && early.contains("32472144000"), "{early}");
}

#[test]
fn a_server_may_ask_who_we_are() {
    let Some(server) = Valkey::start("") else { return };
    let certificates = Certificates::new();
    let endpoint = terminate(&certificates, true, &server.scratch.join("s"));
    assert!(over(&endpoint, certificates.known()).unwrap().call(&[b"PING"]).is_ok());
    let unknown = over(&endpoint, certificates.trust()).unwrap_err();
    // Its word may be lost with the connection.
    assert!(matches!(unknown, RespError::Closed { .. }) || !unknown.may_pass(), "{unknown}");
    assert!(matches!(unknown, RespError::Closed { .. } | RespError::Tls { .. }), "{unknown}");
}

#[test]
fn tls_on_one_side_only_is_said() {
    let Some(server) = Valkey::start("") else { return };
    let certificates = Certificates::new();
    let error = over(&server.tcp(), certificates.trust()).unwrap_err();
    assert!(matches!(error, RespError::Tls { .. }) && error.may_pass(), "{error}");
    assert!(error.to_string().contains("the server may not speak TLS"), "{error}");
    let endpoint = terminate(&certificates, false, &server.scratch.join("s"));
    let error = Connection::connect(&endpoint, &Options::new("test")).unwrap_err();
    assert!(error.to_string().contains("TLS switched on on one side only"), "{error}");
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let certificates = Certificates::new();
    for (name, text) in [("missing.pem", None), ("empty.pem", Some("")), ("other.pem", Some("hello"))] {
        let path = certificates.file(name);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let files = TlsFiles { authorities: Some(path.clone()), ..certificates.trust() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port());
        let error = over(&endpoint, files).unwrap_err();
        assert!(error.to_string().contains(name) && !error.may_pass(), "{error}");
    }
}

#[test]
fn a_host_that_says_nothing_ends_the_handshake() {
    let certificates = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let endpoint = Endpoint { tls: Some(certificates.trust()), ..place };
    let options = Options { connect_within: Duration::from_millis(50), ..Options::new("test") };
    let error = Connection::connect(&endpoint, &options).unwrap_err();
    assert!(matches!(&error, RespError::Tls { .. }), "{error}");
    assert!(error.to_string().contains("timed out") && error.may_pass(), "{error}");
}
