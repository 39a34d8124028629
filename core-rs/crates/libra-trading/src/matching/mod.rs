//! An exchange's matching engine: price-time priority, one [`Engine`] an instrument, [`Markets`] for several.
//!
//! No I/O and no clock: each input brings its time, and the same inputs give the same outputs. Prices and sizes are in
//! units of the instrument's own decimals, as everywhere in this crate. An input is done whole, and what it did is written
//! to a [`Sink`] as numbered [`Output`]s, or it is a [`MatchError`] and nothing but time has passed.
//!
//! ```
//! # #[path = "../../tests/samples/mod.rs"] mod samples;
//! use libra_trading::matching::{AccountId, Amount, Engine, Event, Limits, NewOrder, OrderId};
//! use libra_trading::order::OrderSide;
//!
//! # let instrument = samples::contract("BTC", "sim");
//! let mut engine = Engine::new(&instrument, Limits::default())?;
//! let (maker, taker) = (AccountId(0), AccountId(1));
//! let mut out = Vec::new();
//! // 0.005 BTC are offered at 61,800.30, and bought.
//! engine.submit(&NewOrder::limit(OrderId(1), maker, OrderSide::Sell, 6_180_030, 5), 1_000, &mut out)?;
//! out.clear();
//! engine.submit(&NewOrder::market(OrderId(2), taker, OrderSide::Buy, Amount::Quantity(5)), 2_000, &mut out)?;
//! let Event::Trade(trade) = out[1].event else { panic!("{out:?}") };
//! assert_eq!((trade.price, trade.quantity, trade.maker, trade.taker_left), (6_180_030, 5, OrderId(1), Some(0)));
//! assert_eq!((engine.best(OrderSide::Sell), engine.position(taker)), (None, 5));
//! # Ok::<(), libra_trading::matching::MatchError>(())
//! ```
//!
//! What belongs to a venue's gateway and not here: balances and margin, fees, notional and percent filters, order counts
//! by account, client ids. Where the rules of venues differ, Binance's are followed, and the item says so.
//!
//! | file | what |
//! | --- | --- |
//! | `order`, `output`, `error`, `view` | what goes in, what comes out, what can be seen |
//! | `engine` | state and inputs; `rules` says what an order has to be, `amend` changes one, `markets` holds several engines |
//! | `enter`, `sweep`, `reduce` | the way into the market, trading, and orders that may only reduce |
//! | `ladder`, `prices`, `slab`, `ids`, `accounts`, `expiry` | the data: levels and queues, orders by slot, and the ways to find them |

mod accounts;
mod amend;
mod engine;
mod enter;
mod error;
mod expiry;
mod ids;
mod ladder;
mod markets;
mod order;
mod output;
mod prices;
mod reduce;
mod rules;
mod slab;
mod sweep;
mod view;

pub use engine::Engine;
pub use error::MatchError;
pub use markets::Markets;
pub use order::{AccountId, Amount, Condition, NewOrder, OrderId, SelfTrade, Trigger, TriggerBy, Working};
pub use output::{AmendCause, EndReason, Event, LevelUpdate, Output, RejectReason, Sink, Trade};
pub use rules::Limits;
pub use view::{BookLevel, Snapshot};
