//! Two endpoints on loopback in one process.
#![allow(dead_code, unreachable_pub, reason = "each test file is a crate of its own and uses a part")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fizz_attest::{Blob, Digest, SecretKey};
use fizz_wire::{Endpoint, EndpointConfig, Peer};

/// Long enough for a loaded machine; a test that meets it has failed.
pub const LONG: Duration = Duration::from_secs(60);
/// A stall that is waited for.
pub const SHORT: Duration = Duration::from_millis(300);

pub const LEASE: Digest = Digest([0x1e; 32]);

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

pub fn bind(seed: u8, config: EndpointConfig) -> Endpoint {
    Endpoint::bind(loopback(), &key(seed), config).unwrap()
}

/// A connected pair: the endpoints, and each side's view of the other.
pub struct Pair {
    pub dialler: Endpoint,
    pub acceptor: Endpoint,
    /// The acceptor, as the dialler sees it.
    pub there: Peer,
    /// The dialler, as the acceptor sees it.
    pub here: Peer,
}

pub async fn pair() -> Pair {
    pair_with(EndpointConfig::default()).await
}

pub async fn pair_with(config: EndpointConfig) -> Pair {
    let dialler = bind(1, config.clone());
    let acceptor = bind(2, config);
    let there = dialler.dial(acceptor.local_addr().unwrap(), Some(key(2).public())).await.unwrap();
    let here = acceptor.accept().await.unwrap();
    Pair { dialler, acceptor, there, here }
}

/// Bytes that repeat nowhere.
pub fn bytes(size: usize) -> Vec<u8> {
    let mut out = vec![0; size];
    blake3::Hasher::new().update(b"test blob").finalize_xof().fill(&mut out);
    out
}

pub fn blob(bytes: &[u8]) -> Blob {
    Blob::of(bytes)
}

/// A peer that is not made with this crate: it shows a right key, and sends whatever bytes it likes.
pub mod raw {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use rustls::client::AlwaysResolvesClientRawPublicKeys;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
    use rustls::sign::CertifiedKey;
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    /// Believes every server.
    #[derive(Debug)]
    pub struct Credulous;

    impl ServerCertVerifier for Credulous {
        fn verify_server_cert(
            &self,
            _end_entity: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _server_name: &ServerName<'_>,
            _ocsp_response: &[u8],
            _now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    }

    /// Connects, with the key that an SPKI and a seed make (they need not fit), or with none.
    pub async fn connect(
        address: SocketAddr,
        alpn: &[u8],
        key: Option<(Vec<u8>, u8)>,
    ) -> Result<(quinn::Endpoint, quinn::Connection), quinn::ConnectionError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous));
        let mut tls = match key {
            None => tls.with_no_client_auth(),
            Some((spki, seed)) => {
                let der = PrivatePkcs8KeyDer::from(super::key(seed).to_pkcs8_der());
                let signer = aws_lc_rs::sign::any_eddsa_type(&der).unwrap();
                let certified = CertifiedKey::new(vec![CertificateDer::from(spki)], signer);
                tls.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(
                    certified,
                ))))
            }
        };
        tls.alpn_protocols = vec![alpn.to_vec()];
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let endpoint = quinn::Endpoint::client(super::loopback()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let connection = endpoint.connect_with(config, address, "fizz").unwrap().await?;
        Ok((endpoint, connection))
    }

    /// The SubjectPublicKeyInfo of an ed25519 key (RFC 8410).
    pub fn spki(key: &[u8; 32]) -> Vec<u8> {
        [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), key].concat()
    }

    /// Connects as an honest peer would.
    pub async fn dial(address: SocketAddr, seed: u8) -> (quinn::Endpoint, quinn::Connection) {
        let spki = spki(&super::key(seed).public().0);
        connect(address, b"fizz/1", Some((spki, seed))).await.unwrap()
    }
}
