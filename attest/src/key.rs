//! ed25519 keys. A peer, a requester and a node are each named by their public key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::ByteArrayVisitor;

/// Bytes or text are not a usable key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not 64 hex digits, or not a point of the curve, or a weak point.
    #[error("`{0}` is not an ed25519 public key: 64 hex digits are expected")]
    Public(String),
    /// Not an ed25519 private key in PKCS#8 PEM.
    #[error("not an ed25519 private key in PKCS#8 PEM")]
    Secret,
}

/// An ed25519 public key (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether `signature` over `message` is valid under this key by the strict rules (no small-order points, no
    /// malleable encodings), so that every verifier answers alike.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || KeyError::Public(text.chars().take(80).collect());
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| error())?;
        if key.is_weak() { Err(error()) } else { Ok(PublicKey(bytes)) }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            deserializer.deserialize_bytes(ByteArrayVisitor::<32>).map(PublicKey)
        }
    }
}

/// An ed25519 private key. Its bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed, which must come from a good source of randomness.
    pub fn from_bytes(seed: &[u8; 32]) -> SecretKey {
        SecretKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The 32-byte seed.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Reads PKCS#8 PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(text: &str) -> Result<SecretKey, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(text).map(SecretKey).map_err(|_| KeyError::Secret)
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pem(&self) -> String {
        // Without the public half (PKCS#8 version 1), which is what other tools read.
        let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.to_bytes(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).expect("32 bytes encode as PKCS#8").to_string()
    }

    /// The PKCS#8 DER form, which TLS libraries take.
    pub fn to_pkcs8_der(&self) -> Vec<u8> {
        let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: self.to_bytes(), public_key: None };
        pair.to_pkcs8_der().expect("32 bytes encode as PKCS#8").as_bytes().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}
