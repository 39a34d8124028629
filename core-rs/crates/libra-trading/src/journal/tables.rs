//! The journal's tables: their names, and their columns in the order in which rows bring them.

use super::rows::Rows;

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident = [$($column:literal),+ $(,)?];)+) => {
        /// Rows by table.
        #[derive(Debug, Default)]
        pub struct Tables {
            $($(#[$doc])* pub $field: Rows,)+
        }

        impl Tables {
            /// Every table with its columns.
            pub const COLUMNS: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($field), &[$($column),+])),+];

            /// The tables that have rows, as JSON.
            pub fn finish(self) -> Vec<(&'static str, String)> {
                let all = [$((stringify!($field), self.$field)),+];
                all.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| (name, rows.finish())).collect()
            }

            /// How many rows there are.
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())+
            }

            /// True where there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    };
}

tables! {
    /// Processes that took the account.
    epochs = ["record", "log_offset", "ts_ns", "epoch", "account"];
    /// Definitions of instruments, as they came.
    instruments = [
        "record", "log_offset", "ts_ns", "instrument", "symbol", "venue", "venue_symbol", "base", "quote", "settle",
        "kind", "price_decimals", "size_decimals", "tick_size", "lot_size", "min_size", "max_size", "min_notional",
        "contract_size", "maker_fee", "taker_fee", "tradable",
    ];
    /// Orders as they stand.
    orders = [
        "record", "log_offset", "ts_ns", "client_order_id", "venue_order_id", "request_id", "signal_id", "strategy",
        "instrument", "symbol", "side", "type", "time_in_force", "size", "price", "status", "filled", "average_price",
        "filled_notional", "fees", "reason", "detail", "deadline_ns", "window_end_ns", "cancel_asked_ns",
        "created_record", "created_offset", "created_ns",
    ];
    /// What became of orders, record by record.
    order_events = [
        "record", "log_offset", "ts_ns", "ts_venue_ns", "client_order_id", "kind", "status", "filled", "code", "detail",
    ];
    /// Executions that were booked.
    fills = [
        "record", "log_offset", "ts_ns", "ts_venue_ns", "client_order_id", "trade_id", "strategy", "instrument",
        "symbol", "side", "price", "size", "notional", "fee", "fee_currency", "liquidity", "realised", "position",
    ];
    /// Positions as they stand.
    positions = [
        "record", "log_offset", "ts_ns", "instrument", "symbol", "size", "cost", "average_price", "realised", "fees",
        "trades",
    ];
    /// Balances as they stand.
    balances = [
        "record", "log_offset", "ts_ns", "currency", "opening", "total", "realised", "fees", "peak", "day", "day_start",
    ];
    /// What each UTC day brought.
    daily = [
        "record", "log_offset", "ts_ns", "day", "currency", "realised", "fees", "net", "total", "fills",
    ];
    /// Money that came or went by no execution.
    flows = [
        "record", "item", "log_offset", "ts_ns", "ts_venue_ns", "kind", "currency", "amount", "symbol", "venue_id",
    ];
    /// Requests that were refused.
    rejections = [
        "record", "item", "log_offset", "ts_ns", "client_order_id", "request_id", "signal_id", "strategy", "instrument",
        "symbol", "side", "type", "time_in_force", "size", "price", "code", "limit_value", "value", "detail",
    ];
    /// Limits that an operator changed.
    limit_changes = [
        "record", "item", "log_offset", "ts_ns", "who", "confirmed", "version", "limit_key", "old", "new",
    ];
    /// Loss limits that were passed.
    breaches = ["record", "log_offset", "ts_ns", "code", "currency", "limit_value", "value"];
    /// Disagreements between account and venue.
    incidents = ["record", "item", "log_offset", "ts_ns", "code", "client_order_id", "detail"];
    /// What operators did.
    commands = ["record", "log_offset", "ts_ns", "kind", "who", "detail"];
}
