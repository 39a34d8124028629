//! How a paper venue behaves: latency, slippage, and when resting orders fill.

use libra_kernel::Name;

/// When a resting limit order fills. A trade that prints through its price always fills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFill {
    /// Also when a trade prints at its price, or the opposite side of the market is shown at it: as if it stood first
    /// in the queue.
    OnTouch,
    /// Only when a trade prints, or the opposite side is shown, beyond its price: as if it stood last in the queue.
    OnTradeThrough,
}

/// What a market order gets that is larger than everything shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondTop {
    /// Where no book is known: the top's size again and again, each time this many ticks further away, up to
    /// [`BeyondTop::MAX_STEPS`] times. Where a book is known, the book alone counts.
    Walk {
        /// Ticks a step.
        ticks: i64,
    },
    /// Nothing: the rest is cancelled as `NO_LIQUIDITY`.
    Cancel,
}

impl BeyondTop {
    /// Steps that a market order may walk behind the top; what is left then is cancelled.
    pub const MAX_STEPS: i64 = 64;
}

/// The configuration of a paper venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperConfig {
    /// Its name.
    pub name: Name,
    /// The account that trades on it.
    pub account: Name,
    /// From us to the venue's matching.
    pub latency_out_ns: i64,
    /// From the venue's matching back to us.
    pub latency_in_ns: i64,
    /// Up to this much more each way, drawn from `seed`; messages of one direction never overtake each other.
    pub latency_jitter_ns: i64,
    /// Ticks that a market order's price is worse than what was shown.
    pub slippage_ticks: i64,
    /// When resting orders fill.
    pub limit_fill: LimitFill,
    /// What a market order gets behind what is shown.
    pub beyond_top: BeyondTop,
    /// The levels of a book behind the top count while the book is at most this much older than the quote; 0 for a book
    /// that is not older at all.
    pub max_book_lag_ns: i64,
    /// An order is refused when its instrument's last market event is older; 0 for never.
    pub stale_after_ns: i64,
    /// Draws the jitter.
    pub seed: u64,
    /// The first trade id. After a restart one more than the largest in the account's log: a fill is booked once by its
    /// trade id, so an id that comes again would be a fill lost.
    pub first_trade_id: u64,
}

impl PaperConfig {
    /// A venue without latency and slippage that fills on touch.
    pub fn new(name: Name, account: Name) -> Self {
        PaperConfig {
            name,
            account,
            latency_out_ns: 0,
            latency_in_ns: 0,
            latency_jitter_ns: 0,
            slippage_ticks: 0,
            limit_fill: LimitFill::OnTouch,
            beyond_top: BeyondTop::Walk { ticks: 1 },
            max_book_lag_ns: 250_000_000,
            stale_after_ns: 10_000_000_000,
            seed: 0,
            first_trade_id: 1,
        }
    }
}
