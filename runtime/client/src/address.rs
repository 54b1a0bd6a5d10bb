//! How a requester names a node: `KEY@HOST:PORT`, or `HOST:PORT` to take whatever key answers.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use fizz_attest::PublicKey;

/// Where a node is, and who it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// The key that must answer; `None` takes any.
    pub key: Option<PublicKey>,
    /// The UDP address.
    pub address: SocketAddr,
}

/// A text names no node.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` names no node ({reason}): write KEY@HOST:PORT or HOST:PORT")]
pub struct ParseAddressError {
    text: String,
    reason: String,
}

impl FromStr for NodeAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: String| ParseAddressError { text: text.to_owned(), reason };
        let (key, address) = match text.split_once('@') {
            Some((key, address)) => {
                (Some(key.parse().map_err(|e: fizz_attest::KeyError| error(e.to_string()))?), address)
            }
            None => (None, text),
        };
        let mut addresses = address.to_socket_addrs().map_err(|e| error(e.to_string()))?;
        let address = addresses.next().ok_or_else(|| error("the name has no address".into()))?;
        Ok(NodeAddress { key, address })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}@{}", self.address),
            None => self.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let key = fizz_attest::SecretKey::from_bytes(&[1; 32]).public();
        let text = format!("{key}@127.0.0.1:4433");
        let address: NodeAddress = text.parse().unwrap();
        assert_eq!(address.key, Some(key));
        assert_eq!(address.to_string(), text);
        assert_eq!("127.0.0.1:1".parse::<NodeAddress>().unwrap().key, None);
        for bad in ["", "127.0.0.1", "xyz@127.0.0.1:1", "@127.0.0.1:1"] {
            assert!(bad.parse::<NodeAddress>().is_err(), "{bad}");
        }
    }
}
