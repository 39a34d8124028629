//! Which instrument a venue's symbol stands for, and with how many decimals its prices and sizes are written.

use std::collections::HashMap;

use libra_kernel::Name;
use libra_kernel::fixed::MAX_DECIMALS;
use thiserror::Error;

use crate::venue::VenueKind;

/// An instrument as far as market data needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The name that events carry: `BTC/USDT:USDT@binanceusdm`.
    pub instrument: Name,
    /// The venue.
    pub venue: VenueKind,
    /// The venue's own symbol, as its frames write it: `BTCUSDT`.
    pub venue_symbol: Name,
    /// Decimals of prices.
    pub price_decimals: u8,
    /// Decimals of sizes.
    pub size_decimals: u8,
    /// True when a profile lists it; false when it was inferred from data, which gives market data only.
    pub listed: bool,
}

impl Listing {
    /// A listed instrument, its name made of its CCXT `symbol` and the venue.
    pub fn new(symbol: &str, venue: VenueKind, venue_symbol: &str, price_decimals: u8, size_decimals: u8) -> Self {
        Listing {
            instrument: Name::intern(&format!("{symbol}@{venue}")),
            venue,
            venue_symbol: Name::intern(venue_symbol),
            price_decimals,
            size_decimals,
            listed: true,
        }
    }

    /// Decimals of prices and of sizes.
    pub fn decimals(&self) -> (u8, u8) {
        (self.price_decimals, self.size_decimals)
    }
}

/// The place of a listing in its [`Listings`], dense from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListingId(u32);

impl ListingId {
    /// The number, an index for tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why listings make no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListingError {
    /// Two listings of one symbol.
    #[error("{venue_symbol} of {venue} is listed twice, as {first} and as {second}")]
    Twice {
        /// The venue.
        venue: VenueKind,
        /// Its symbol.
        venue_symbol: Name,
        /// The instrument first listed.
        first: Name,
        /// The instrument listed again.
        second: Name,
    },
    /// More decimals than a fixed-point number may have.
    #[error("{instrument}: {decimals} decimals, at most {MAX_DECIMALS} are possible")]
    Decimals {
        /// The instrument.
        instrument: Name,
        /// What it asks for.
        decimals: u8,
    },
    /// Not a symbol of any venue.
    #[error("not a symbol: {0:?}")]
    Symbol(String),
    /// So many unlisted symbols are no market data.
    #[error("more than {MAX_INFERRED} unlisted symbols")]
    TooMany,
}

/// Most symbols that are inferred from data: interned names are never freed.
pub const MAX_INFERRED: usize = 100_000;

/// The longest symbol that is inferred, in bytes.
const MAX_SYMBOL_BYTES: usize = 64;

/// The instruments of a run, found by venue and symbol.
#[derive(Clone, Debug, Default)]
pub struct Listings {
    all: Vec<Listing>,
    by_symbol: [HashMap<Box<[u8]>, ListingId>; VenueKind::ALL.len()],
    inferred: usize,
}

impl Listings {
    /// These instruments and no other.
    pub fn new(listings: impl IntoIterator<Item = Listing>) -> Result<Self, ListingError> {
        let mut all = Listings::default();
        for listing in listings {
            let decimals = listing.price_decimals.max(listing.size_decimals);
            if decimals > MAX_DECIMALS {
                return Err(ListingError::Decimals { instrument: listing.instrument, decimals });
            }
            if let Some(first) = all.find(listing.venue, listing.venue_symbol.as_str().as_bytes()) {
                return Err(ListingError::Twice {
                    venue: listing.venue,
                    venue_symbol: listing.venue_symbol,
                    first: all.get(first).instrument,
                    second: listing.instrument,
                });
            }
            all.insert(listing);
        }
        Ok(all)
    }

    /// The instrument that `venue` calls `symbol`. Allocates nothing.
    pub fn find(&self, venue: VenueKind, symbol: &[u8]) -> Option<ListingId> {
        self.by_symbol[venue as usize].get(symbol).copied()
    }

    /// Adds an instrument that nobody listed, its CCXT symbol guessed by [`VenueKind::infer_symbol`].
    pub fn infer(&mut self, venue: VenueKind, symbol: &str, decimals: (u8, u8)) -> Result<ListingId, ListingError> {
        if let Some(known) = self.find(venue, symbol.as_bytes()) {
            return Ok(known);
        }
        let usable = !symbol.is_empty()
            && symbol.len() <= MAX_SYMBOL_BYTES
            && symbol.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if !usable {
            return Err(ListingError::Symbol(symbol.chars().take(MAX_SYMBOL_BYTES).collect()));
        }
        if self.inferred == MAX_INFERRED {
            return Err(ListingError::TooMany);
        }
        self.inferred += 1;
        let mut listing = Listing::new(&venue.infer_symbol(symbol), venue, symbol, decimals.0, decimals.1);
        listing.listed = false;
        Ok(self.insert(listing))
    }

    /// The listing with this id, which these listings gave out.
    pub fn get(&self, id: ListingId) -> &Listing {
        &self.all[id.index()]
    }

    /// All listings in the order of their ids, those from the profile first.
    pub fn all(&self) -> &[Listing] {
        &self.all
    }

    /// How many were inferred.
    pub fn inferred(&self) -> usize {
        self.inferred
    }

    fn insert(&mut self, listing: Listing) -> ListingId {
        // Listed instruments come from a profile and inferred ones are limited: both are far below four billion.
        let id = ListingId(self.all.len() as u32);
        self.by_symbol[listing.venue as usize].insert(listing.venue_symbol.as_str().as_bytes().into(), id);
        self.all.push(listing);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn btc() -> Listing {
        Listing::new("BTC/USDT:USDT", VenueKind::BinanceUsdm, "BTCUSDT", 1, 3)
    }

    #[test]
    fn a_symbol_is_found_at_its_own_venue_only() {
        let listings = Listings::new([btc()]).unwrap();
        let id = listings.find(VenueKind::BinanceUsdm, b"BTCUSDT").unwrap();
        assert_eq!(listings.get(id).instrument.as_str(), "BTC/USDT:USDT@binanceusdm");
        assert_eq!(listings.find(VenueKind::BinanceSpot, b"BTCUSDT"), None);
    }

    #[test]
    fn an_unlisted_symbol_is_inferred_once() {
        let mut listings = Listings::new([btc()]).unwrap();
        let id = listings.infer(VenueKind::BinanceSpot, "BTCUSDT", (8, 8)).unwrap();
        assert_eq!(listings.infer(VenueKind::BinanceSpot, "BTCUSDT", (2, 2)), Ok(id));
        let listing = listings.get(id);
        assert_eq!((listing.instrument.as_str(), listing.listed), ("BTC/USDT@binance", false));
        assert_eq!(listing.price_decimals, 8);
        assert_eq!(listings.inferred(), 1);
    }

    #[test]
    fn what_is_no_symbol_is_refused() {
        let mut listings = Listings::default();
        for bad in ["", "A B", "A/B", "x\n", &"A".repeat(65)] {
            assert!(
                matches!(listings.infer(VenueKind::BinanceSpot, bad, (8, 8)), Err(ListingError::Symbol(_))),
                "{bad:?}"
            );
        }
        assert_eq!(listings.all().len(), 0);
    }

    #[test]
    fn listing_one_symbol_twice_or_with_too_many_decimals_is_an_error() {
        assert!(matches!(Listings::new([btc(), btc()]), Err(ListingError::Twice { .. })));
        let fine = Listing { price_decimals: 19, ..btc() };
        assert!(matches!(Listings::new([fine]), Err(ListingError::Decimals { decimals: 19, .. })));
    }
}
