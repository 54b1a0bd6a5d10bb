//! Values of command-line arguments.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A number of bytes: `65536`, `64K`, `512M`, `2G` (powers of 1024, an optional `iB` or `B` behind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || format!("`{text}` is no size: write 65536, 64K, 512M or 2G");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift =
            match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
                "" => 0,
                "k" => 10,
                "m" => 20,
                "g" => 30,
                "t" => 40,
                _ => return Err(error()),
            };
        let number: u64 = digits.parse().map_err(|_| error())?;
        number.checked_mul(1 << shift).map(Size).ok_or_else(error)
    }
}

/// A count such as gas: digits with optional `_`, or `5k`, `10M`, `3G`, `1T` (powers of 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || format!("`{text}` is no count: write 1000000, 1_000_000, 10M, 3G or 1T");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "" => 1,
            "k" => 1_000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "t" => 1_000_000_000_000,
            _ => return Err(error()),
        };
        let number: u64 = digits.replace('_', "").parse().map_err(|_| error())?;
        number.checked_mul(factor).map(Count).ok_or_else(error)
    }
}

/// `HOST::GUEST`: a host folder or file and where the guest sees it. Without `::GUEST` a default is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The host's side.
    pub(crate) host: PathBuf,
    /// The guest's side, absolute.
    pub(crate) guest: Option<String>,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, guest) = match text.split_once("::") {
            Some((host, guest)) => (host, Some(guest)),
            None => (text, None),
        };
        if host.is_empty() {
            return Err(format!("`{text}` names no host path: write HOST::GUEST"));
        }
        let guest = guest.map(absolute_guest_path).transpose()?;
        Ok(Mapping { host: host.into(), guest })
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.guest.as_deref() {
            Some("") => write!(f, "{}::/", self.host.display()),
            Some(guest) => write!(f, "{}::{guest}", self.host.display()),
            None => write!(f, "{}", self.host.display()),
        }
    }
}

/// A guest path made absolute and checked; `/` and `.` are the root, written as an empty text.
pub(crate) fn absolute_guest_path(guest: &str) -> Result<String, String> {
    let trimmed = guest.trim_start_matches("./").trim_matches('/');
    if trimmed.is_empty() || trimmed == "." {
        return Ok(String::new());
    }
    let absolute = format!("/{trimmed}");
    fizz_attest::check_path(&absolute).map_err(|error| error.to_string())?;
    Ok(absolute)
}

/// `K=V`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable(pub(crate) String, pub(crate) String);

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Variable(name.into(), value.into())),
            _ => Err(format!("`{text}` is no variable: write NAME=VALUE")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        assert_eq!("64K".parse(), Ok(Size(65_536)));
        assert_eq!("1GiB".parse(), Ok(Size(1 << 30)));
        assert_eq!("7".parse(), Ok(Size(7)));
        assert_eq!("10M".parse(), Ok(Count(10_000_000)));
        assert_eq!("1_000".parse(), Ok(Count(1_000)));
        for bad in ["", "K", "1X", "-1", "99999999999T", "1.5G"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
            assert!(bad.parse::<Count>().is_err(), "{bad}");
        }
    }

    #[test]
    fn mappings() {
        let parse = |text: &str| text.parse::<Mapping>();
        assert_eq!(parse("a::/b"), Ok(Mapping { host: "a".into(), guest: Some("/b".into()) }));
        assert_eq!(parse("a::b/c/"), Ok(Mapping { host: "a".into(), guest: Some("/b/c".into()) }));
        assert_eq!(parse("a"), Ok(Mapping { host: "a".into(), guest: None }));
        assert_eq!(parse("a::/"), Ok(Mapping { host: "a".into(), guest: Some(String::new()) }));
        for bad in ["::/b", "", "a::/b/../c", "a::/b//c"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
