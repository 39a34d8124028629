//! Event types: one table gives each its name, its lane and what a full queue does to it.

/// Priorities, strict between lanes and first-in-first-out within one: in an account's own mailboxes of each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lane {
    /// Risk facts and commands, the kill switch.
    Risk = 0,
    /// Order requests, order events, fills, positions, balances.
    Orders = 1,
    /// Signals, messages between actors, timers.
    Signals = 2,
    /// Everything else.
    MarketData = 3,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Lane; 4] = [Lane::Risk, Lane::Orders, Lane::Signals, Lane::MarketData];

    /// The name that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Lane::Risk => "RISK",
            Lane::Orders => "ORDERS",
            Lane::Signals => "SIGNALS",
            Lane::MarketData => "MARKET_DATA",
        }
    }
}

/// What a node's mailbox does with an event of a type when the lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Never dropped and never refused: the lane grows, and the actor is marked stale beyond its limit.
    Never,
    /// Refused at the sender, who is told so.
    Refuse,
    /// Only the latest of an instrument and source waits, at the place of the one that it replaces.
    Conflate,
    /// The oldest of the kind is dropped and counted.
    DropOldest,
    /// The instrument's book is dropped and has to be synchronised again; deltas are never merged.
    Resync,
}

/// How events of a type reach other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// Not at all: they mean something in their own process only.
    Never,
    /// Kept until every consumer has applied them, each once, in order.
    Durable,
    /// Only the latest counts.
    Latest,
    /// Sent to whoever listens; what is lost is counted.
    BestEffort,
}

impl EventType {
    /// How events of this type reach other nodes. An approval never does: nothing stands between it and its venue. What is
    /// said of a node's own mailboxes, timers and bridge means nothing elsewhere: the death of an actor reaches a watcher
    /// elsewhere as a message, and dead letters stay in the node whose mailboxes they missed, which counts them.
    pub const fn travel(self) -> Travel {
        use EventType::*;
        match self {
            Tick | Quote | Trade | Bar | OrderBook => Travel::BestEffort,
            PositionUpdated | BalanceUpdated | ActorState => Travel::Latest,
            GatewayConnected | GatewayDisconnected => Travel::Latest,
            OrderRequest | CancelRequest | OrderNew | OrderSubmitted | OrderAccepted => Travel::Durable,
            OrderPartiallyFilled | OrderFilled | OrderCancelled | OrderExpired => Travel::Durable,
            OrderRejected | OrderRequestRejected | OrderCancelRejected => Travel::Durable,
            PositionOpened | PositionClosed => Travel::Durable,
            RiskLimitBreach | DrawdownWarning | CircuitBreaker | TradingResumed => Travel::Durable,
            RiskLimitsChanged | Signal | Message => Travel::Durable,
            // What becomes of its orders hangs on it, in the node of its account.
            StrategyStarted | StrategyStopped => Travel::Durable,
            OrderApproved | VenueReport | Timer | ActorTerminated | DeadLetter | JournalState => Travel::Never,
            BridgeConnected | BridgeDisconnected | BridgeGap | BridgeOverflow | NodeUp | NodeDown => Travel::Never,
        }
    }
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $value:literal, $name:literal, $lane:ident, $policy:ident;)+) => {
        /// What happened. The numbers are part of the wire format: they are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum EventType {
            $($(#[$doc])* $variant = $value,)+
        }

        impl EventType {
            /// All types, in the order of their numbers.
            pub const ALL: &'static [EventType] = &[$(EventType::$variant),+];

            /// One more than the highest number: how long a table by number is.
            pub const NUMBERS: usize = {
                let numbers = [$($value),+];
                numbers[numbers.len() - 1] + 1
            };

            /// The name that users see.
            pub const fn name(self) -> &'static str {
                match self { $(EventType::$variant => $name,)+ }
            }

            /// The lane that events of this type ride.
            #[inline(always)]
            pub const fn lane(self) -> Lane {
                match self { $(EventType::$variant => Lane::$lane,)+ }
            }

            /// What a full lane of a node's mailbox does to events of this type.
            pub const fn policy(self) -> Policy {
                match self { $(EventType::$variant => Policy::$policy,)+ }
            }

            /// The type with this number.
            #[inline]
            pub const fn from_number(number: u16) -> Option<EventType> {
                match number { $($value => Some(EventType::$variant),)+ _ => None }
            }
        }
    };
}

impl EventType {
    /// True for what a node sends to one actor, and nobody publishes: whoever gets one relies on where it came from.
    pub const fn is_addressed(self) -> bool {
        matches!(self, EventType::Timer | EventType::ActorTerminated)
    }

    /// True for what only a node itself can know: of its bridge, of other nodes, of its actors' lives and their letters.
    /// Whoever gets one acts on it: an account by the death of a node.
    pub const fn is_node_news(self) -> bool {
        use EventType::*;
        match self {
            BridgeConnected | BridgeDisconnected | BridgeGap | BridgeOverflow | NodeUp | NodeDown => true,
            StrategyStarted | StrategyStopped | ActorState | DeadLetter | JournalState => true,
            OrderApproved | OrderNew | OrderSubmitted | OrderAccepted | OrderPartiallyFilled | OrderFilled => false,
            OrderCancelled | OrderExpired | OrderRejected | OrderCancelRejected | OrderRequestRejected => false,
            VenueReport | PositionOpened | PositionClosed | PositionUpdated | BalanceUpdated => false,
            RiskLimitBreach | DrawdownWarning | TradingResumed | RiskLimitsChanged => false,
            OrderRequest | CancelRequest | Signal | Message | Timer | ActorTerminated | CircuitBreaker => false,
            Tick | Quote | Trade | Bar | OrderBook | GatewayConnected | GatewayDisconnected => false,
        }
    }

    /// True for what only an account's own desk can know: what became of an order, a position, a balance, a limit. Whoever
    /// gets one acts on it, a portfolio by what it holds and a gateway by what it sends.
    pub const fn is_account_fact(self) -> bool {
        use EventType::*;
        match self {
            OrderApproved | OrderNew | OrderSubmitted | OrderAccepted | OrderPartiallyFilled | OrderFilled => true,
            OrderCancelled | OrderExpired | OrderRejected | OrderCancelRejected | OrderRequestRejected => true,
            VenueReport | PositionOpened | PositionClosed | PositionUpdated | BalanceUpdated => true,
            RiskLimitBreach | DrawdownWarning | TradingResumed | RiskLimitsChanged => true,
            OrderRequest | CancelRequest | Signal | Message | Timer | ActorTerminated | CircuitBreaker => false,
            Tick | Quote | Trade | Bar | OrderBook | GatewayConnected | GatewayDisconnected => false,
            StrategyStarted | StrategyStopped | ActorState | DeadLetter | JournalState => false,
            BridgeConnected | BridgeDisconnected | BridgeGap | BridgeOverflow | NodeUp | NodeDown => false,
        }
    }
}

event_types! {
    /// Any price update, for gateways that know no finer kind.
    Tick = 1, "TICK", MarketData, Conflate;
    /// Best bid and offer.
    Quote = 2, "QUOTE", MarketData, Conflate;
    /// A trade of the market.
    Trade = 3, "TRADE", MarketData, DropOldest;
    /// Open, high, low, close, volume of an interval.
    Bar = 4, "BAR", MarketData, DropOldest;
    /// A change or a snapshot of an order book.
    OrderBook = 5, "ORDER_BOOK", MarketData, Resync;

    /// A request to place an order, from a portfolio or a strategy, not yet checked.
    OrderRequest = 16, "ORDER_REQUEST", Orders, Refuse;
    /// A request that passed the risk check and holds a reservation.
    OrderApproved = 17, "ORDER_APPROVED", Orders, Refuse;
    /// A request to cancel an order.
    CancelRequest = 18, "CANCEL_REQUEST", Orders, Refuse;
    /// An order exists: its intent stands in the log.
    OrderNew = 19, "ORDER_NEW", Orders, Never;
    /// An order left for the venue.
    OrderSubmitted = 20, "ORDER_SUBMITTED", Orders, Never;
    /// The venue accepted an order.
    OrderAccepted = 21, "ORDER_ACCEPTED", Orders, Never;
    /// Part of an order was executed.
    OrderPartiallyFilled = 22, "ORDER_PARTIALLY_FILLED", Orders, Never;
    /// An order was executed whole.
    OrderFilled = 23, "ORDER_FILLED", Orders, Never;
    /// An order was cancelled.
    OrderCancelled = 24, "ORDER_CANCELLED", Orders, Never;
    /// An order ran out of time.
    OrderExpired = 25, "ORDER_EXPIRED", Orders, Never;
    /// An order was refused, by the gate or by the venue.
    OrderRejected = 26, "ORDER_REJECTED", Orders, Never;
    /// What a venue said about an order, on its way from a native thread to the account's gate.
    VenueReport = 27, "VENUE_REPORT", Orders, Never;
    /// The venue refused to cancel an order.
    OrderCancelRejected = 28, "ORDER_CANCEL_REJECTED", Orders, Never;
    /// A request came under the id of another one and asked for something else: it was not taken, and whatever became of
    /// the first one stands. No state of an order.
    OrderRequestRejected = 29, "ORDER_REQUEST_REJECTED", Orders, Never;
    /// A position came to be.
    PositionOpened = 32, "POSITION_OPENED", Orders, Never;
    /// A position is flat again.
    PositionClosed = 33, "POSITION_CLOSED", Orders, Never;
    /// A position's size changed.
    PositionUpdated = 34, "POSITION_UPDATED", Orders, Conflate;
    /// An account's balance changed.
    BalanceUpdated = 35, "BALANCE_UPDATED", Orders, Conflate;

    /// A limit was hit.
    RiskLimitBreach = 48, "RISK_LIMIT_BREACH", Risk, Never;
    /// Equity fell by a stated share of its peak.
    DrawdownWarning = 49, "DRAWDOWN_WARNING", Risk, Never;
    /// The kill switch: no new orders, open ones are cancelled.
    CircuitBreaker = 50, "CIRCUIT_BREAKER", Risk, Never;
    /// The kill switch was taken back.
    TradingResumed = 51, "TRADING_RESUMED", Risk, Never;
    /// An operator changed an account's limits.
    RiskLimitsChanged = 52, "RISK_LIMITS_CHANGED", Risk, Never;

    /// A strategy's opinion.
    Signal = 64, "SIGNAL", Signals, Refuse;
    /// A message from one actor to another.
    Message = 65, "MESSAGE", Signals, Refuse;
    /// A timer of one actor is due.
    Timer = 66, "TIMER", Signals, Never;
    /// An actor that is watched has stopped or failed: sent to its watcher.
    ActorTerminated = 67, "ACTOR_TERMINATED", Signals, Never;

    /// A venue is connected.
    GatewayConnected = 80, "GATEWAY_CONNECTED", MarketData, Never;
    /// A venue is not connected any more.
    GatewayDisconnected = 81, "GATEWAY_DISCONNECTED", MarketData, Never;
    /// A strategy is running.
    StrategyStarted = 82, "STRATEGY_STARTED", Signals, Never;
    /// A strategy is not running any more.
    StrategyStopped = 83, "STRATEGY_STOPPED", Signals, Never;
    /// An actor's life cycle moved on.
    ActorState = 84, "ACTOR_STATE", MarketData, Never;
    /// An event could not be delivered, or was not handled to its end.
    DeadLetter = 85, "DEAD_LETTER", MarketData, DropOldest;
    /// An account's journal has fallen behind its log, or has caught up.
    JournalState = 86, "JOURNAL_STATE", MarketData, Never;

    /// The bridge is connected.
    BridgeConnected = 96, "BRIDGE_CONNECTED", Signals, Never;
    /// The bridge is not connected any more.
    BridgeDisconnected = 97, "BRIDGE_DISCONNECTED", Signals, Never;
    /// Events of another node are missing, were repaired, or are lost.
    BridgeGap = 98, "BRIDGE_GAP", Risk, Never;
    /// What waits to cross does not fit any more.
    BridgeOverflow = 99, "BRIDGE_OVERFLOW", Risk, Never;
    /// Another node is there.
    NodeUp = 100, "NODE_UP", Signals, Never;
    /// Another node is no more.
    NodeDown = 101, "NODE_DOWN", Signals, Never;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_ordered() {
        let numbers: Vec<u16> = EventType::ALL.iter().map(|t| *t as u16).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        for &event_type in EventType::ALL {
            assert_eq!(EventType::from_number(event_type as u16), Some(event_type));
        }
        let mut names: Vec<&str> = EventType::ALL.iter().map(|t| t.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventType::ALL.len());
        assert_eq!(EventType::from_number(0), None);
    }

    #[test]
    fn what_is_kept_for_others_is_never_dropped_here() {
        for &event_type in EventType::ALL {
            let is_urgent = event_type.lane() != Lane::MarketData;
            match event_type.travel() {
                // Positions are tracked by the order within a lane: see the router.
                Travel::Durable => {
                    assert!(
                        is_urgent && matches!(event_type.policy(), Policy::Never | Policy::Refuse),
                        "{event_type:?}"
                    );
                }
                Travel::BestEffort => assert!(!is_urgent, "{event_type:?}"),
                Travel::Latest | Travel::Never => {}
            }
        }
        assert_eq!(EventType::OrderApproved.travel(), Travel::Never);
    }
}
