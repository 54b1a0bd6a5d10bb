//! DSSE envelopes: signatures over exact bytes, never over a re-encoding.
//!
//! The signed message is the pre-authentication encoding of DSSE 1.0,
//! `"DSSEv1" SP len(type) SP type SP len(body) SP body` (github.com/secure-systems-lab/dsse). On the wire an envelope
//! is canonical DAG-CBOR; [`Envelope::to_json`] writes the standard JSON form for other tools.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use crate::canonical::{Canonical, CanonicalError};
use crate::key::{PublicKey, SecretKey};

/// Signed bytes with their type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed bytes.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// `application/vnd.fizz.TYPE.v1+dag-cbor`.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One signature in all that Fizz writes.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The signer's public key.
    pub keyid: PublicKey,
    /// ed25519, 64 bytes.
    #[serde(with = "serde_bytes")]
    pub sig: Vec<u8>,
}

/// An envelope does not hold what is expected of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The envelope or what it holds is not canonical.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// It holds another type.
    #[error("the envelope holds `{found}`, not `{expected}`")]
    WrongType {
        /// Type asked for.
        expected: String,
        /// Type found.
        found: String,
    },
    /// Not exactly one signature.
    #[error("the envelope has {0} signatures, not one")]
    SignatureCount(usize),
    /// Signed, but by somebody else.
    #[error("signed by key {found}, not by {expected}")]
    WrongKey {
        /// Key asked for.
        expected: PublicKey,
        /// Key named by the envelope.
        found: PublicKey,
    },
    /// The signature does not verify.
    #[error("the signature of key {0} does not verify")]
    BadSignature(PublicKey),
    /// Not a DSSE JSON object.
    #[error("not a DSSE JSON envelope: {0}")]
    Json(String),
}

#[derive(Serialize, Deserialize)]
struct JsonEnvelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<JsonSignature>,
}

#[derive(Serialize, Deserialize)]
struct JsonSignature {
    keyid: PublicKey,
    sig: String,
}

impl Envelope {
    /// Signs the canonical bytes of `value`.
    pub fn sign<T: Canonical>(value: &T, key: &SecretKey) -> Envelope {
        Envelope::sign_bytes(value.to_canonical(), payload_type::<T>(), key)
    }

    fn sign_bytes(payload: Vec<u8>, payload_type: String, key: &SecretKey) -> Envelope {
        let sig = key.sign(&pre_authentication(&payload_type, &payload)).to_vec();
        Envelope { payload, payload_type, signatures: vec![Signature { keyid: key.public(), sig }] }
    }

    /// Checks type and signature, and decodes what was signed. `signer` is the only key accepted.
    pub fn open<T: Canonical>(&self, signer: &PublicKey) -> Result<T, EnvelopeError> {
        let (value, found) = self.open_any()?;
        if found != *signer {
            return Err(EnvelopeError::WrongKey { expected: *signer, found });
        }
        Ok(value)
    }

    /// Like [`Envelope::open`], for whoever signed: the caller must check that the returned key may sign this.
    pub fn open_any<T: Canonical>(&self) -> Result<(T, PublicKey), EnvelopeError> {
        let expected = payload_type::<T>();
        if self.payload_type != expected {
            let found = self.payload_type.chars().take(80).collect();
            return Err(EnvelopeError::WrongType { expected, found });
        }
        let [signature] = self.signatures.as_slice() else {
            return Err(EnvelopeError::SignatureCount(self.signatures.len()));
        };
        let message = pre_authentication(&self.payload_type, &self.payload);
        let sig: &[u8; 64] =
            signature.sig.as_slice().try_into().map_err(|_| EnvelopeError::BadSignature(signature.keyid))?;
        if !signature.keyid.verifies(&message, sig) {
            return Err(EnvelopeError::BadSignature(signature.keyid));
        }
        Ok((T::from_canonical(&self.payload)?, signature.keyid))
    }

    /// The standard DSSE JSON form, which any DSSE library can verify.
    pub fn to_json(&self) -> serde_json::Value {
        let json = JsonEnvelope {
            payload: Base64::encode_string(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|s| JsonSignature { keyid: s.keyid, sig: Base64::encode_string(&s.sig) })
                .collect(),
        };
        serde_json::to_value(json).expect("an envelope is valid JSON")
    }

    /// Reads the standard DSSE JSON form.
    pub fn from_json(text: &str) -> Result<Envelope, EnvelopeError> {
        let json: JsonEnvelope =
            serde_json::from_str(text).map_err(|error| EnvelopeError::Json(error.to_string()))?;
        let decode = |text: &str| {
            Base64::decode_vec(text).map_err(|error| EnvelopeError::Json(format!("base64: {error}")))
        };
        let mut signatures = Vec::new();
        for s in &json.signatures {
            signatures.push(Signature { keyid: s.keyid, sig: decode(&s.sig)? });
        }
        Ok(Envelope { payload: decode(&json.payload)?, payload_type: json.payload_type, signatures })
    }
}

impl Canonical for Envelope {
    const TYPE: &'static str = "envelope";
    const MAX_BYTES: usize = 17 << 20;
}

fn payload_type<T: Canonical>() -> String {
    format!("application/vnd.fizz.{}.v1+dag-cbor", T::TYPE)
}

fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message =
        format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}
