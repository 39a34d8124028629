//! Reasons for a refusal. The names are stable: they stand in logs, events and users' code.

use std::any::Any;
use std::fmt;

use libra_kernel::digest::Digest;
use libra_kernel::fixed::format_units;
use libra_kernel::{EventType, Name, SharedPayload};
use thiserror::Error;

use crate::instrument::{MONEY_DECIMALS, Money};

use super::keys::trim;

macro_rules! risk_codes {
    ($($variant:ident = $name:literal, $text:literal;)+) => {
        /// Why an order was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RiskCode {
            $(#[doc = $text] $variant,)+
        }

        impl RiskCode {
            /// Every code with its name and what it means.
            pub const TABLE: &'static [(RiskCode, &'static str, &'static str)] =
                &[$((RiskCode::$variant, $name, $text)),+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(RiskCode::$variant => $name,)+ }
            }
        }
    };
}

risk_codes! {
    KillSwitch = "KILL_SWITCH", "the kill switch is set";
    Incident = "INCIDENT", "the venue and the account disagree; trading waits for an operator's resume";
    LogFailed = "LOG_FAILED", "the gate's log cannot be written, so nothing new may leave";
    Unattended = "UNATTENDED", "an actor of the account's own failed, so nobody carries its orders";
    Stopping = "STOPPING", "the account is stopping";
    Reconciling = "RECONCILING", "open orders are not yet reconciled with the venue";
    BridgeUnsound = "BRIDGE_UNSOUND", "the bridge to other nodes misses events, is nearly full or is fenced";
    Expired = "EXPIRED", "the deadline has passed";
    WrongAccount = "WRONG_ACCOUNT", "the request is for another account";
    DuplicateRequest = "DUPLICATE_REQUEST", "a request of this id has its outcome already";
    RequestConflict = "REQUEST_CONFLICT", "an earlier request of this id asked for something else";
    ApprovalInvalid = "APPROVAL_INVALID", "the approval is unknown, spent, released or of another epoch";
    LimitsChanged = "LIMITS_CHANGED", "the limits changed after the approval";
    UnknownInstrument = "UNKNOWN_INSTRUMENT", "the instrument is not defined";
    NotTradable = "NOT_TRADABLE", "the instrument is market data only";
    InvalidOrder = "INVALID_ORDER", "size, price, type and time in force make no order";
    MinSize = "MIN_SIZE", "smaller than the venue's smallest order";
    LotSize = "LOT_SIZE", "not a multiple of the lot size";
    TickSize = "TICK_SIZE", "not a multiple of the tick size";
    OrderSizeLimit = "ORDER_SIZE_LIMIT", "larger than one order may be";
    NoMarket = "NO_MARKET", "no valid quote of the instrument is known";
    StaleMarket = "STALE_MARKET", "the last quote is too old";
    PriceCollar = "PRICE_COLLAR", "the price is too far from the middle of the market";
    MinNotional = "MIN_NOTIONAL", "worth less than the venue's smallest order";
    OrderNotionalLimit = "ORDER_NOTIONAL_LIMIT", "worth more than one order may be";
    DailyLoss = "DAILY_LOSS", "the day's loss is over its limit";
    Drawdown = "DRAWDOWN", "equity fell too far below its peak";
    OpenOrdersLimit = "OPEN_ORDERS_LIMIT", "too many orders are open";
    InstrumentOrdersLimit = "INSTRUMENT_ORDERS_LIMIT", "too many orders of the instrument are open";
    PositionLimit = "POSITION_LIMIT", "position and open orders together could pass the limit";
    PositionNotionalLimit = "POSITION_NOTIONAL_LIMIT", "position and open orders together could be worth more than the limit";
    GrossExposureLimit = "GROSS_EXPOSURE_LIMIT", "all instruments together, long and short, could be worth more than the limit";
    NetExposureLimit = "NET_EXPOSURE_LIMIT", "all instruments together, shorts set off, could be worth more than the limit";
    LeverageLimit = "LEVERAGE_LIMIT", "the gross exposure could be too many times the equity";
    ConcentrationLimit = "CONCENTRATION_LIMIT", "the instrument's share of the equity could be too large";
    NoVolume = "NO_VOLUME", "no trade of the instrument was seen within the window";
    ParticipationLimit = "PARTICIPATION_LIMIT", "too large a share of the traded volume";
    SpotInventory = "SPOT_INVENTORY", "sells more than the account holds";
    InsufficientBalance = "INSUFFICIENT_BALANCE", "costs more than the account has free";
    OrderRate = "ORDER_RATE", "too many orders within a second or a minute";
    MessageRate = "MESSAGE_RATE", "too many orders and cancels of the account within a second";
    StrategyMessageRate = "STRATEGY_MESSAGE_RATE", "too many orders and cancels of the strategy within a second";
    QueueFull = "QUEUE_FULL", "an actor of the account has no room for the request";
    Pressure = "PRESSURE", "an actor of the account cannot keep up with what happens to its orders";
    RiskFailed = "RISK_FAILED", "the account's risk actor failed, or ended, with the request unjudged";
    ExecutionFailed = "EXECUTION_FAILED", "the account's execution actor failed, or ended, with the cancel not sent";
    Overflow = "OVERFLOW", "an amount does not fit";
    CancelledEarly = "CANCELLED_EARLY", "a cancel came before the order had left";
    StrategyStopped = "STRATEGY_STOPPED", "its strategy is no more: it failed for good, stopped, was stopped, or went with its node";
    NotFound = "NOT_FOUND", "the venue does not know the order, twice, after its window";
    UnknownOrder = "UNKNOWN_ORDER", "no order of this id";
    OrderFinal = "ORDER_FINAL", "nothing more can happen to the order";
    NotOwner = "NOT_OWNER", "the order is another strategy's";
    CancelRate = "CANCEL_RATE", "the venue has just refused a cancel of the order";
    Unconfirmed = "UNCONFIRMED", "the account's node was given up before it acknowledged the request, or its outbox was cut: it is open what became of it";
}

impl RiskCode {
    /// One line on what it means.
    pub fn description(self) -> &'static str {
        Self::TABLE[self as usize].2
    }

    /// The code of a name.
    pub fn parse(name: &str) -> Option<RiskCode> {
        Self::TABLE.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }
}

impl fmt::Display for RiskCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the code, and where there is one the limit and the value that passed it, as text in the limit's unit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Rejection {
    /// Why.
    pub code: RiskCode,
    /// The limit, empty where there is none.
    pub limit: String,
    /// The value that passed it.
    pub value: String,
    /// More, for people.
    pub detail: String,
}

impl Rejection {
    /// A refusal with words.
    #[cold]
    pub fn new(code: RiskCode, detail: impl Into<String>) -> Self {
        Rejection { code, limit: String::new(), value: String::new(), detail: detail.into() }
    }

    /// A refusal by a limit.
    #[cold]
    pub fn limit(code: RiskCode, limit: impl Into<String>, value: impl Into<String>) -> Self {
        Rejection { code, limit: limit.into(), value: value.into(), detail: String::new() }
    }

    /// A refusal by a limit in units of 10^-`decimals` of `unit`.
    #[cold]
    pub(crate) fn units(code: RiskCode, limit: i128, value: i128, decimals: u8, unit: &str) -> Self {
        let text = |units: i128| format!("{} {unit}", format_units(units, decimals));
        Self::limit(code, text(limit), text(value))
    }

    /// A refusal by a limit in money of `currency`.
    #[cold]
    pub(crate) fn money(code: RiskCode, limit: Money, value: Money, currency: &str) -> Self {
        Self::limit(code, with_unit(limit, MONEY_DECIMALS, currency), with_unit(value, MONEY_DECIMALS, currency))
    }

    /// All but the code, for [`crate::order::Order::detail`].
    pub fn explanation(&self) -> String {
        match (self.limit.is_empty(), self.detail.is_empty()) {
            (true, _) => self.detail.clone(),
            (false, true) => format!("limit {}, value {}", self.limit, self.value),
            (false, false) => format!("limit {}, value {}, {}", self.limit, self.value, self.detail),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let explanation = self.explanation();
        if explanation.is_empty() {
            write!(f, "{}: {}", self.code, self.code.description())
        } else {
            write!(f, "{}: {explanation}", self.code)
        }
    }
}

/// An amount of money without the zeros behind its last digit.
pub fn format_money(amount: Money) -> String {
    trim(&format_units(amount, MONEY_DECIMALS)).to_owned()
}

/// `value` in units of 10^-`decimals` of `unit`, without the zeros behind its last digit.
pub(crate) fn with_unit(value: i128, decimals: u8, unit: &str) -> String {
    format!("{} {unit}", trim(&format_units(value, decimals)))
}

/// A loss limit that was passed: no new orders until the next UTC day (`DAILY_LOSS`) or an explicit resume
/// (`DRAWDOWN`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// `DAILY_LOSS` or `DRAWDOWN`.
    pub code: RiskCode,
    /// The currency whose equity fell.
    pub currency: Name,
    /// The limit: money, or basis points for a drawdown.
    pub limit: i128,
    /// The value that passed it.
    pub value: i128,
    /// When.
    pub ts_ns: i64,
}

impl Breach {
    /// The type of the event that tells of it.
    pub const fn event_type(&self) -> EventType {
        match self.code {
            RiskCode::Drawdown => EventType::DrawdownWarning,
            _ => EventType::RiskLimitBreach,
        }
    }

    /// The refusal that new orders get from now on.
    #[cold]
    pub fn rejection(&self) -> Rejection {
        let mut rejection = match self.code {
            RiskCode::Drawdown => {
                Rejection::limit(self.code, with_unit(self.limit, 2, "%"), with_unit(self.value, 2, "%"))
            }
            _ => return Rejection::money(self.code, self.limit, self.value, self.currency.as_str()),
        };
        rejection.detail = self.currency.to_string();
        rejection
    }
}

impl SharedPayload for Breach {
    fn kind(&self) -> &'static str {
        "risk_breach"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.blob(self.code.as_str().as_bytes());
        digest.name(self.currency);
        digest.i128(self.limit);
        digest.i128(self.value);
        digest.i64(self.ts_ns);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for (index, &(code, name, text)) in RiskCode::TABLE.iter().enumerate() {
            assert_eq!(code as usize, index);
            assert_eq!(RiskCode::parse(name), Some(code));
            assert_eq!(code.as_str(), name);
            assert_eq!(code.description(), text);
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        }
        assert_eq!(RiskCode::parse("NOPE"), None);
    }

    /// The table in docs/risk.md: every code once, with what it means, what to do, and nothing that is no code.
    #[test]
    fn every_code_stands_in_the_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/risk.md");
        let document = std::fs::read_to_string(path).unwrap();
        let rows: Vec<Vec<&str>> = (document.lines())
            .filter(|line| line.starts_with("| `") && line.matches('|').count() == 6)
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let codes: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
        let known: Vec<&str> = RiskCode::TABLE.iter().map(|entry| entry.1).collect();
        assert_eq!(codes, known, "docs/risk.md lists the codes in the order of RiskCode::TABLE");
        for (row, (_, name, text)) in rows.iter().zip(RiskCode::TABLE) {
            assert_eq!(row[1], *text, "{name}");
            assert!(row[2..].iter().all(|cell| !cell.is_empty()), "{name}: an empty cell");
            assert_eq!(row[2] == "-", row[3] == "-", "{name}: a limit has a value");
        }
    }

    #[test]
    fn a_rejection_names_limit_and_value() {
        let rejection = Rejection::units(RiskCode::PositionLimit, 1_000, 1_200, 3, "BTC");
        assert_eq!(rejection.to_string(), "POSITION_LIMIT: limit 1.000 BTC, value 1.200 BTC");
        assert_eq!(Rejection::new(RiskCode::KillSwitch, "").to_string(), "KILL_SWITCH: the kill switch is set");
        assert_eq!(format_money(1_500_000_000_000), "1.5");
        assert_eq!(format_money(100_000_000_000_000), "100");
        assert_eq!(format_money(0), "0");
    }
}
