//! Peer identity: ed25519 raw public keys in the TLS handshake (RFC 7250) on both sides. There are no certificates,
//! so nothing is parsed but 44 bytes of fixed form.

use std::sync::{Arc, OnceLock};

use ed25519_dalek::VerifyingKey;
use fizz_attest::{PublicKey, SecretKey};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, CipherSuite, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    SupportedCipherSuite,
};

use crate::ALPN;

/// What stands before the 32 bytes of an ed25519 key in a SubjectPublicKeyInfo (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The key of a SubjectPublicKeyInfo of exactly the one allowed form. Small-order points are refused, because
/// anybody can sign for them.
pub(crate) fn key_of_spki(spki: &[u8]) -> Option<PublicKey> {
    let bytes: [u8; 32] = spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (!key.is_weak()).then_some(PublicKey(bytes))
}

fn spki_of_key(key: PublicKey) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), &key.0].concat()
}

/// The key of a peer after the handshake, from what quinn calls its identity.
pub(crate) fn key_of_connection(connection: &quinn::Connection) -> Option<PublicKey> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match chain.as_slice() {
        [spki] => key_of_spki(spki),
        _ => None,
    }
}

/// The TLS side of an endpoint: its own key, and the algorithms.
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    pub(crate) fn new(key: &SecretKey) -> Result<Identity, Error> {
        let mut provider = aws_lc_rs::default_provider();
        // One suite of each kind is enough between peers of our own making. QUIC itself wants the first one.
        provider.cipher_suites.retain(|suite: &SupportedCipherSuite| {
            matches!(
                suite.suite(),
                CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            )
        });
        let signer = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(key.to_pkcs8_der()))?;
        let spki = CertificateDer::from(spki_of_key(key.public()));
        Ok(Identity {
            provider: Arc::new(provider),
            certified: Arc::new(CertifiedKey::new(vec![spki], signer)),
        })
    }

    /// The side that answers: every client must show a key.
    pub(crate) fn server(&self) -> Result<rustls::ServerConfig, Error> {
        let verifier = ClientKeys { algorithms: self.provider.signature_verification_algorithms };
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.certified.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // No resumption: each connection proves the keys anew, and nothing is kept between connections.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The side that dials. The key that the server shows is left in `found`, also when it is not `expected`.
    pub(crate) fn client(
        &self,
        expected: Option<PublicKey>,
        found: Arc<OnceLock<PublicKey>>,
    ) -> Result<rustls::ClientConfig, Error> {
        let algorithms = self.provider.signature_verification_algorithms;
        let verifier = ServerKey { expected, found, algorithms };
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                self.certified.clone(),
            )));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }
}

/// The key that a handshake message shows, where it is one of ours.
fn shown_key(end_entity: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<PublicKey, Error> {
    if !rest.is_empty() {
        return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
    }
    key_of_spki(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
}

fn verify_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
}

fn no_tls12() -> Error {
    Error::General("only TLS 1.3 is spoken".to_owned())
}

#[derive(Debug)]
struct ServerKey {
    expected: Option<PublicKey>,
    found: Arc<OnceLock<PublicKey>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ServerKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = shown_key(end_entity, intermediates)?;
        // Set once: a verifier serves one dial.
        let _ = self.found.set(key);
        match self.expected {
            Some(expected) if expected != key => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct ClientKeys {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ClientKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        shown_key(end_entity, intermediates).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spki_has_one_form() {
        let key = SecretKey::from_bytes(&[7; 32]).public();
        let spki = spki_of_key(key);
        assert_eq!(key_of_spki(&spki), Some(key));
        assert_eq!(key_of_spki(&spki[..43]), None);
        assert_eq!(key_of_spki(&[spki.as_slice(), &[0]].concat()), None);
        let mut x25519 = spki.clone();
        x25519[8] = 0x6e;
        assert_eq!(key_of_spki(&x25519), None);
    }

    #[test]
    fn small_order_keys_are_refused() {
        // The neutral element, for which a signature by anybody is valid.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(key_of_spki(&spki_of_key(PublicKey(neutral))), None);
    }
}
