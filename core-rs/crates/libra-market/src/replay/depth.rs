//! Do the depth frames of an instrument follow one another without a gap?

use crate::binance::parser::DepthIds;
use crate::listing::ListingId;

/// What a depth frame is in its instrument's chain of updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A snapshot, or the first update, or the one that follows.
    Continues,
    /// Updates are missing between the last id seen and this frame.
    Gap {
        /// Last id of the frame before.
        seen: i64,
    },
    /// Nothing in it is newer than the frame before.
    Repeat {
        /// Last id of the frame before.
        seen: i64,
    },
}

#[derive(Clone, Copy, Default)]
struct Chain {
    last: Option<i64>,
    snapshot: bool,
}

/// The chains of all instruments.
///
/// Futures: `pu` has to be the last `u`. Spot: `U` must not lie behind the last `u` + 1. A snapshot is no link of the
/// chain: it is fetched by another way and may be older than updates that came before it.
#[derive(Default)]
pub(super) struct DepthChains {
    chains: Vec<Chain>,
}

impl DepthChains {
    /// Takes in a depth frame or snapshot.
    pub(super) fn link(&mut self, listing: ListingId, ids: DepthIds) -> Link {
        if self.chains.len() <= listing.index() {
            self.chains.resize(listing.index() + 1, Chain::default());
        }
        let chain = &mut self.chains[listing.index()];
        if ids.snapshot {
            chain.snapshot = true;
            return Link::Continues;
        }
        let Some(seen) = chain.last else {
            chain.last = Some(ids.last);
            return Link::Continues;
        };
        if ids.last <= seen {
            return Link::Repeat { seen };
        }
        chain.last = Some(ids.last);
        let continues = if ids.previous >= 0 { ids.previous == seen } else { ids.first - 1 <= seen };
        if continues { Link::Continues } else { Link::Gap { seen } }
    }

    /// Instruments with updates and no snapshot.
    pub(super) fn unsynced(&self) -> u64 {
        self.chains.iter().filter(|chain| chain.last.is_some() && !chain.snapshot).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listings;
    use crate::venue::VenueKind;

    fn ids(first: i64, last: i64, previous: i64) -> DepthIds {
        DepthIds { snapshot: false, first, last, previous }
    }

    #[test]
    fn futures_follow_by_pu_and_spot_by_first_id() {
        let mut listings = Listings::default();
        let a = listings.infer(VenueKind::BinanceUsdm, "AUSDT", (8, 8)).unwrap();
        let b = listings.infer(VenueKind::BinanceSpot, "BUSDT", (8, 8)).unwrap();
        let mut chains = DepthChains::default();
        assert_eq!(chains.link(b, ids(11, 20, -1)), Link::Continues);
        assert_eq!(chains.link(a, ids(100, 110, 90)), Link::Continues);
        assert_eq!(chains.unsynced(), 2);
        assert_eq!(chains.link(a, DepthIds { snapshot: true, first: 105, last: 105, previous: -1 }), Link::Continues);
        assert_eq!(chains.unsynced(), 1);
        assert_eq!(chains.link(a, ids(125, 130, 110)), Link::Continues);
        assert_eq!(chains.link(a, ids(150, 160, 140)), Link::Gap { seen: 130 });
        assert_eq!(chains.link(a, ids(150, 160, 140)), Link::Repeat { seen: 160 });
        assert_eq!(chains.link(a, ids(161, 170, 160)), Link::Continues);
        assert_eq!(chains.link(b, ids(21, 21, -1)), Link::Continues);
        assert_eq!(chains.link(b, ids(20, 25, -1)), Link::Continues);
        assert_eq!(chains.link(b, ids(27, 30, -1)), Link::Gap { seen: 25 });
        assert_eq!(chains.link(b, ids(i64::MAX, i64::MAX, -1)), Link::Gap { seen: 30 });
    }
}
