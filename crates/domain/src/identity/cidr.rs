//! Address ranges in CIDR notation (RFC 4632, RFC 4291), for the address limits of API keys and trusted proxies.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range of addresses. IPv4 addresses written in IPv6 (`::ffff:a.b.c.d`, RFC 4291, section 2.5.5.2) count as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Text that is no address range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// The address cannot be read.
    #[error("not an address range: expected such as 10.0.0.0/8, 2001:db8::/32 or one address")]
    Address,
    /// The prefix is no number or too long.
    #[error("the prefix must be a number from 0 to {max}")]
    Prefix {
        /// Bits of an address of this kind.
        max: u8,
    },
    /// Bits are set beyond the prefix: probably a typing error.
    #[error("the address has bits beyond the prefix; did you mean {meant}?")]
    HostBits {
        /// The range with those bits cleared.
        meant: Cidr,
    },
}

/// Bits of the IPv6 prefix `::ffff:0:0/96` that marks IPv4 addresses.
const MAPPED_BITS: u8 = 96;

impl Cidr {
    /// The range of exactly one address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            prefix: width(address),
        }
    }

    /// Whether the address lies in the range. IPv4 and IPv6 ranges never hold each other's addresses.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    fn new(address: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let (address, prefix) = match address {
            IpAddr::V6(v6) if prefix >= MAPPED_BITS => match v6.to_ipv4_mapped() {
                Some(v4) => (IpAddr::V4(v4), prefix - MAPPED_BITS),
                None => (address, prefix),
            },
            _ => (address, prefix),
        };
        let meant = Self {
            address: masked(address, prefix),
            prefix,
        };
        if meant.address == address {
            Ok(meant)
        } else {
            Err(CidrError::HostBits { meant })
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let max = width(address);
        let Some(prefix) = prefix else {
            return Ok(Self::single(address));
        };
        let all_digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| all_digits && *prefix <= max)
            .ok_or(CidrError::Prefix { max })?;
        Self::new(address, prefix)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
