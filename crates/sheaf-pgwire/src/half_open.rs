//! Places for connections whose clients are not in yet: so many in all, and so many an address, so
//! that one that opens sockets and says nothing cannot keep everybody out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Bits of an address of version 6 that tell networks apart; a network chooses the others.
const NETWORK_MASK: u128 = !0 << 64;

/// The places that are taken.
pub(crate) struct HalfOpen {
    places_max: usize,
    address_places_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Only addresses that have some.
    by_address: HashMap<Option<IpAddr>, usize>,
}

/// One place; it is free again with this.
pub(crate) struct HalfOpenPlace {
    places: Arc<HalfOpen>,
    address: Option<IpAddr>,
}

impl HalfOpen {
    pub(crate) fn new(places_max: usize, address_places_max: usize) -> Arc<Self> {
        Arc::new(Self {
            places_max,
            address_places_max,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from `address`, or from a Unix socket, if there is one.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<HalfOpenPlace> {
        let address = address.map(network);
        let mut taken = self.taken.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= self.places_max || of_address >= self.address_places_max {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, of_address + 1);
        let places = Arc::clone(self);
        Some(HalfOpenPlace { places, address })
    }
}

impl Drop for HalfOpenPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        let left = taken
            .by_address
            .get(&self.address)
            .map_or(0, |count| count - 1);
        match left {
            0 => taken.by_address.remove(&self.address),
            left => taken.by_address.insert(self.address, left),
        };
    }
}

/// What is one client as far as can be told.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_get_all_places() {
        let places = HalfOpen::new(5, 2);
        let of = |text: &str| places.take(Some(text.parse().unwrap()));
        let first = of("192.0.2.1");
        assert!(first.is_some() && of("::ffff:192.0.2.1").is_some());
        let second = of("192.0.2.1");
        assert!(second.is_some(), "the one before is gone again");
        assert!(of("192.0.2.1").is_none());
        let network = (of("2001:db8::1"), of("2001:db8::2"));
        assert!(network.0.is_some() && network.1.is_some());
        assert!(of("2001:db8::3").is_none(), "the same network");
        let other = of("2001:db8:0:1::1");
        assert!(other.is_some());
        assert!(places.take(None).is_none(), "all are taken");
        drop((first, second, network, other));
        let taken = places.taken.lock();
        assert!(taken.all == 0 && taken.by_address.is_empty());
    }
}
