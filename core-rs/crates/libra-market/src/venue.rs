//! The venues whose market data is read, and the CCXT symbol behind a venue's own one.

use std::fmt;

/// A venue by the form of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum VenueKind {
    /// Binance spot.
    BinanceSpot = 0,
    /// Binance USD-M futures: linear contracts.
    BinanceUsdm = 1,
    /// Binance COIN-M futures: inverse contracts.
    BinanceCoinm = 2,
    /// A market made up here, see [`crate::synthetic`].
    Synthetic = 3,
}

impl VenueKind {
    /// All kinds, by their numbers.
    pub const ALL: [VenueKind; 4] =
        [VenueKind::BinanceSpot, VenueKind::BinanceUsdm, VenueKind::BinanceCoinm, VenueKind::Synthetic];

    /// The name behind the `@` of an instrument, CCXT's id of the exchange.
    pub const fn name(self) -> &'static str {
        match self {
            VenueKind::BinanceSpot => "binance",
            VenueKind::BinanceUsdm => "binanceusdm",
            VenueKind::BinanceCoinm => "binancecoinm",
            VenueKind::Synthetic => "synthetic",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<VenueKind> {
        VenueKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The symbol in CCXT notation that the venue's own symbol most likely stands for; the symbol itself where its parts
    /// cannot be told. Only an exchange's instrument list can be sure, so what is inferred gives market data only.
    pub fn infer_symbol(self, venue_symbol: &str) -> String {
        let (pair, delivery) = match venue_symbol.split_once('_') {
            Some((pair, delivery)) if self != VenueKind::BinanceSpot => (pair, Some(delivery)),
            _ => (venue_symbol, None),
        };
        let Some((base, quote)) = split_pair(pair) else { return venue_symbol.to_owned() };
        let settle = match self {
            VenueKind::BinanceSpot | VenueKind::Synthetic => return format!("{base}/{quote}"),
            VenueKind::BinanceUsdm => quote,
            VenueKind::BinanceCoinm => base,
        };
        match delivery {
            None | Some("PERP") => format!("{base}/{quote}:{settle}"),
            Some(date) => format!("{base}/{quote}:{settle}-{date}"),
        }
    }
}

impl fmt::Display for VenueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Quote assets of Binance; the longest that ends a symbol is taken, so `BTCFDUSD` is not quoted in `USD`.
const QUOTES: &[&str] = &[
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USD1", "USDS", "EURI", "AEUR", "BIDR", "IDRT", "BVND", "DOGE",
    "USD", "EUR", "GBP", "AUD", "TRY", "BRL", "RUB", "UAH", "ZAR", "PLN", "RON", "ARS", "JPY", "MXN", "CZK", "COP",
    "NGN", "IDR", "BTC", "ETH", "BNB", "XRP", "TRX", "DOT", "SOL", "DAI", "PAX", "VAI", "UST",
];

fn split_pair(pair: &str) -> Option<(&str, &str)> {
    let quote = QUOTES.iter().filter(|quote| pair.ends_with(**quote)).max_by_key(|quote| quote.len())?;
    let base = &pair[..pair.len() - quote.len()];
    (!base.is_empty()).then_some((base, quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_inferred_in_ccxt_notation() {
        use VenueKind::{BinanceCoinm, BinanceSpot, BinanceUsdm};
        for (venue, symbol, want) in [
            (BinanceSpot, "BTCUSDT", "BTC/USDT"),
            (BinanceSpot, "BTCFDUSD", "BTC/FDUSD"),
            (BinanceSpot, "ETHBTC", "ETH/BTC"),
            (BinanceSpot, "币安人生USDT", "币安人生/USDT"),
            (BinanceUsdm, "1000SHIBUSDT", "1000SHIB/USDT:USDT"),
            (BinanceUsdm, "BTCUSDT_240927", "BTC/USDT:USDT-240927"),
            (BinanceCoinm, "BTCUSD_PERP", "BTC/USD:BTC"),
            (BinanceCoinm, "ETHUSD_240927", "ETH/USD:ETH-240927"),
            (BinanceSpot, "USDT", "USDT"),
            (BinanceSpot, "WHAT", "WHAT"),
        ] {
            assert_eq!(venue.infer_symbol(symbol), want);
        }
    }

    #[test]
    fn names_round_trip() {
        for kind in VenueKind::ALL {
            assert_eq!(VenueKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(VenueKind::from_name("kraken"), None);
    }
}
