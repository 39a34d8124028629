//! What a venue says of an account at one look. Prices and sizes of known instruments are in their units; positions, flows and
//! balances are amounts of money's twelve decimals, positions in base units.

use libra_kernel::Name;

use crate::instrument::Money;
use crate::order::{ClientOrderId, Liquidity, OrderSide, OrderType};

/// An order that is open at the venue, ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    /// Our id, where it bears one.
    pub client_order_id: Option<ClientOrderId>,
    /// The venue's id.
    pub venue_order_id: String,
    /// In CCXT notation.
    pub symbol: Name,
    /// What of the account that is; none where it knows no such instrument, and then price and sizes are nothing. Without
    /// an id of ours they are nothing, too, where they do not fit its units.
    pub instrument: Option<Name>,
    /// Buy or sell.
    pub side: OrderSide,
    /// Market or limit.
    pub order_type: OrderType,
    /// Limit price, 0 for none.
    pub price: i64,
    /// What was asked for.
    pub size: i64,
    /// What of it was executed.
    pub filled: i64,
    /// When it came, by the venue's clock.
    pub ts_venue_ns: i64,
}

/// One execution, of an order of ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueExecution {
    /// Our id of the order, where the venue tells it.
    pub client_order_id: Option<ClientOrderId>,
    /// The venue's id of the order.
    pub venue_order_id: String,
    /// The venue's id of the trade.
    pub trade_id: u64,
    /// In CCXT notation.
    pub symbol: Name,
    /// As of [`VenueOrder::instrument`].
    pub instrument: Option<Name>,
    /// Buy or sell.
    pub side: OrderSide,
    /// Price.
    pub price: i64,
    /// Size.
    pub size: i64,
    /// Fee; negative for a rebate.
    pub fee: Money,
    /// The currency of the fee.
    pub fee_currency: Name,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// The venue's time.
    pub ts_venue_ns: i64,
}

/// What kind of money came or went by no execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FlowKind {
    /// Funding of a perpetual contract: P&L.
    Funding = 0,
    /// A deposit, a withdrawal, a transfer between wallets: no P&L.
    Transfer = 1,
    /// A rebate that comes by itself: P&L.
    Rebate = 2,
    /// A fee that comes by itself.
    Fee = 3,
    /// Whatever else the venue books: P&L, so that a loss is counted.
    Other = 4,
    /// What the venue rounds, as [`super::rounding`] has it: P&L. With a symbol it is that position's basis that it goes into.
    Rounding = 5,
}

impl FlowKind {
    /// Every kind, at the place of its number.
    pub const ALL: [FlowKind; 6] =
        [FlowKind::Funding, FlowKind::Transfer, FlowKind::Rebate, FlowKind::Fee, FlowKind::Other, FlowKind::Rounding];

    /// The name that gateways use.
    pub const fn as_str(self) -> &'static str {
        match self {
            FlowKind::Funding => "funding",
            FlowKind::Transfer => "transfer",
            FlowKind::Rebate => "rebate",
            FlowKind::Fee => "fee",
            FlowKind::Other => "other",
            FlowKind::Rounding => "rounding",
        }
    }

    /// The kind of this name; a rounding is found here, and nobody else's to tell.
    pub fn parse(name: &str) -> Option<FlowKind> {
        FlowKind::ALL.into_iter().find(|kind| kind.as_str() == name && *kind != FlowKind::Rounding)
    }
}

/// Money that came or went by no execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueFlow {
    /// The venue's own id of it, unique within the account: it is booked once by that.
    pub key: String,
    /// What it was.
    pub kind: FlowKind,
    /// Of which currency.
    pub currency: Name,
    /// How much came; negative for what went.
    pub amount: Money,
    /// The symbol that it belongs to, [`Name::NONE`] for none.
    pub symbol: Name,
    /// The venue's time.
    pub ts_venue_ns: i64,
}

/// A position as the venue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenuePosition {
    /// In CCXT notation.
    pub symbol: Name,
    /// Signed size in base units.
    pub size: Money,
    /// Average entry price, where the venue tells one.
    pub entry_price: Option<Money>,
}

/// Positions and balances at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VenueState {
    /// Positions of contracts; several of one symbol (hedged) count together.
    pub positions: Vec<VenuePosition>,
    /// Wallet totals: with what open orders hold, without unrealised P&L.
    pub balances: Vec<(Name, Money)>,
    /// The venue's time of the picture.
    pub ts_venue_ns: i64,
    /// What the venue rounds to when it books an execution; 0 where it books exactly.
    pub unit: Money,
    /// Positions are not told: none is compared.
    pub without_positions: bool,
    /// Balances are not told: none is compared.
    pub without_balances: bool,
}

/// One picture of the venue. Executions and flows were asked for before positions and balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VenueLook {
    /// Everything open, foreign orders too.
    pub orders: Vec<VenueOrder>,
    /// Executions since [`super::Looks::since_ns`].
    pub executions: Vec<VenueExecution>,
    /// Flows since then.
    pub flows: Vec<VenueFlow>,
    /// Positions and balances.
    pub state: VenueState,
}
