//! The log's records: everything that ever changed the account, in the order in which it did.
//!
//! A record is a fact or an intent, and the account's state is a function of its records alone. The encoding is explicit
//! and part of the file format: numbers of record types and of enums are never reused, and a change that an older reader
//! would misread raises the file's major version.

use libra_kernel::Name;

use crate::instrument::{ContractKind, Instrument, Money};
use crate::order::{
    ClientOrderId, Liquidity, OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome, VenueReport,
};
use crate::risk::{Breach, LimitChange, Rejection, RiskCode};

use super::codec::{Reader, Writer};
use super::limits::LimitsChanged;
use super::venue_record::VenueRecord;

/// One currency's line of a [`Record::Watermark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The currency.
    pub currency: Name,
    /// Highest equity so far.
    pub peak: Money,
    /// Equity when the day began.
    pub day_start: Money,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A process took the account.
    Epoch {
        /// When.
        now_ns: i64,
        /// One more than the epoch before.
        epoch: u64,
        /// The account, always the same one in a log.
        account: Name,
    },
    /// What the account started with; once a log.
    Opening(
        /// Currency and amount.
        Vec<(Name, Money)>,
    ),
    /// An instrument was defined, or defined anew.
    Instrument(Box<Instrument>),
    /// An order is about to be sent.
    Intent {
        /// When.
        now_ns: i64,
        /// The order.
        request: OrderRequest,
        /// The price that a spot buy is held at.
        hold_price: i64,
        /// Behind this time of its own clock the venue will not take it any more.
        window_end_ns: i64,
    },
    /// A request was refused.
    Rejected {
        /// When.
        now_ns: i64,
        /// The request.
        request: OrderRequest,
        /// Why.
        rejection: Rejection,
    },
    /// More requests of a strategy were refused for one reason: what goes beyond its allowance of records.
    Refused {
        /// When.
        now_ns: i64,
        /// Whose they were.
        strategy: Name,
        /// Why.
        code: RiskCode,
        /// The client order ids that they would have had.
        ids: Vec<u128>,
    },
    /// An order's bytes left.
    Submitted {
        /// When.
        now_ns: i64,
        /// The order.
        client_order_id: ClientOrderId,
    },
    /// A cancel is about to be sent.
    CancelIntent {
        /// When.
        now_ns: i64,
        /// The order.
        client_order_id: ClientOrderId,
    },
    /// The venue does not know an order, with what that came to: whoever reads the log later concludes it again, by whatever
    /// rule that build or that profile would judge.
    NotFound {
        /// When it was received.
        now_ns: i64,
        /// What it said.
        report: VenueReport,
        /// It agrees with one before: the order is over.
        ends: bool,
    },
    /// The venue said something new about an order.
    Report {
        /// When it was received.
        now_ns: i64,
        /// What it said.
        report: VenueReport,
    },
    /// The kill latch was set.
    Kill {
        /// When.
        now_ns: i64,
        /// Why.
        reason: String,
    },
    /// The kill latch, a drawdown and an incident were taken back.
    Resume {
        /// When.
        now_ns: i64,
    },
    /// The day changed or equity reached a new peak.
    Watermark {
        /// The UTC day.
        day: i64,
        /// Every settle currency.
        lines: Vec<Watermark>,
    },
    /// A loss limit was passed.
    Breach(Breach),
    /// Consumers hold everything up to a record.
    Confirmed {
        /// The record's sequence.
        sequence: u64,
    },
    /// An operator did something, and said why: it changes nothing by itself.
    Note {
        /// When.
        now_ns: i64,
        /// Who, what and why.
        text: String,
    },
    /// Limits changed while the account traded.
    Limits(LimitsChanged),
    /// What a reconciliation found and did.
    Venue(VenueRecord),
}

impl Record {
    /// The number of the record's type in the file.
    pub const fn number(&self) -> u8 {
        match self {
            Record::Epoch { .. } => 1,
            Record::Opening(_) => 2,
            Record::Instrument(_) => 3,
            Record::Intent { .. } => 4,
            Record::Rejected { .. } => 5,
            Record::Submitted { .. } => 6,
            Record::CancelIntent { .. } => 7,
            Record::Report { .. } => 8,
            Record::Kill { .. } => 9,
            Record::Resume { .. } => 10,
            Record::Watermark { .. } => 11,
            Record::Breach(_) => 12,
            Record::Confirmed { .. } => 13,
            Record::Note { .. } => 20,
            Record::Limits(_) => 14,
            Record::Refused { .. } => 17,
            Record::NotFound { .. } => 21,
            Record::Venue(record) => record.number(),
        }
    }

    /// False for what costs nothing but a repetition when the machine dies: a refusal is judged again, what was confirmed is
    /// told again. It reaches the disk with the next record that matters.
    pub(super) const fn needs_sync(&self) -> bool {
        !self.is_repeatable()
    }

    const fn is_repeatable(&self) -> bool {
        match self {
            Record::Rejected { .. } | Record::Refused { .. } | Record::Confirmed { .. } => true,
            // The same is looked at again.
            Record::Venue(VenueRecord::Looked { .. }) => true,
            _ => false,
        }
    }

    /// Writes all but the type's number.
    pub(super) fn encode(&self, w: &mut Writer) {
        match self {
            Record::Epoch { now_ns, epoch, account } => {
                w.i64(*now_ns);
                w.u64(*epoch);
                w.name(*account);
            }
            Record::Opening(amounts) => {
                w.u32(amounts.len() as u32);
                for (currency, amount) in amounts {
                    w.name(*currency);
                    w.i128(*amount);
                }
            }
            Record::Instrument(instrument) => encode_instrument(instrument, w),
            Record::Intent { now_ns, request, hold_price, window_end_ns } => {
                w.i64(*now_ns);
                encode_request(request, w);
                w.i64(*hold_price);
                w.i64(*window_end_ns);
            }
            Record::Rejected { now_ns, request, rejection } => {
                w.i64(*now_ns);
                encode_request(request, w);
                w.text(rejection.code.as_str());
                w.text(&rejection.limit);
                w.text(&rejection.value);
                w.text(&rejection.detail);
            }
            Record::Submitted { now_ns, client_order_id } | Record::CancelIntent { now_ns, client_order_id } => {
                w.i64(*now_ns);
                w.u128(client_order_id.0);
            }
            Record::Report { now_ns, report } => {
                w.i64(*now_ns);
                encode_report(report, w);
            }
            Record::NotFound { now_ns, report, ends } => {
                w.i64(*now_ns);
                encode_report(report, w);
                w.u8(u8::from(*ends));
            }
            Record::Kill { now_ns, reason } => {
                w.i64(*now_ns);
                w.text(reason);
            }
            Record::Resume { now_ns } => w.i64(*now_ns),
            Record::Watermark { day, lines } => {
                w.i64(*day);
                w.u32(lines.len() as u32);
                for line in lines {
                    w.name(line.currency);
                    w.i128(line.peak);
                    w.i128(line.day_start);
                }
            }
            Record::Breach(breach) => {
                w.text(breach.code.as_str());
                w.name(breach.currency);
                w.i128(breach.limit);
                w.i128(breach.value);
                w.i64(breach.ts_ns);
            }
            Record::Confirmed { sequence } => w.u64(*sequence),
            Record::Note { now_ns, text } => {
                w.i64(*now_ns);
                w.text(text);
            }
            Record::Limits(changed) => encode_limits(changed, w),
            Record::Venue(record) => record.encode(w),
            Record::Refused { now_ns, strategy, code, ids } => {
                w.i64(*now_ns);
                w.name(*strategy);
                w.text(code.as_str());
                w.u32(ids.len() as u32);
                ids.iter().for_each(|id| w.u128(*id));
            }
        }
    }

    /// Reads a record of type `number`; `None` when the bytes are not exactly one.
    pub(super) fn decode(number: u8, bytes: &[u8]) -> Option<Record> {
        let r = &mut Reader::new(bytes);
        let record = match number {
            1 => Record::Epoch { now_ns: r.i64()?, epoch: r.u64()?, account: r.name()? },
            2 => Record::Opening((0..r.u32()?).map(|_| Some((r.name()?, r.i128()?))).collect::<Option<_>>()?),
            3 => Record::Instrument(Box::new(decode_instrument(r)?)),
            4 => Record::Intent {
                now_ns: r.i64()?,
                request: decode_request(r)?,
                hold_price: r.i64()?,
                window_end_ns: r.i64()?,
            },
            5 => Record::Rejected {
                now_ns: r.i64()?,
                request: decode_request(r)?,
                rejection: Rejection {
                    code: RiskCode::parse(r.text()?)?,
                    limit: r.string()?,
                    value: r.string()?,
                    detail: r.string()?,
                },
            },
            6 => Record::Submitted { now_ns: r.i64()?, client_order_id: ClientOrderId(r.u128()?) },
            7 => Record::CancelIntent { now_ns: r.i64()?, client_order_id: ClientOrderId(r.u128()?) },
            8 => Record::Report { now_ns: r.i64()?, report: decode_report(r)? },
            21 => Record::NotFound { now_ns: r.i64()?, report: decode_report(r)?, ends: decode_bool(r)? },
            9 => Record::Kill { now_ns: r.i64()?, reason: r.string()? },
            10 => Record::Resume { now_ns: r.i64()? },
            11 => Record::Watermark {
                day: r.i64()?,
                lines: (0..r.u32()?)
                    .map(|_| Some(Watermark { currency: r.name()?, peak: r.i128()?, day_start: r.i128()? }))
                    .collect::<Option<_>>()?,
            },
            12 => Record::Breach(Breach {
                code: RiskCode::parse(r.text()?)?,
                currency: r.name()?,
                limit: r.i128()?,
                value: r.i128()?,
                ts_ns: r.i64()?,
            }),
            13 => Record::Confirmed { sequence: r.u64()? },
            20 => Record::Note { now_ns: r.i64()?, text: r.string()? },
            14 => Record::Limits(decode_limits(r)?),
            17 => Record::Refused {
                now_ns: r.i64()?,
                strategy: r.name()?,
                code: RiskCode::parse(r.text()?)?,
                ids: (0..r.u32()?).map(|_| r.u128()).collect::<Option<_>>()?,
            },
            _ => Record::Venue(VenueRecord::decode(number, r)?),
        };
        r.is_done().then_some(record)
    }
}

fn encode_limits(changed: &LimitsChanged, w: &mut Writer) {
    w.i64(changed.now_ns);
    w.text(&changed.who);
    w.u8(u8::from(changed.confirmed));
    w.u64(changed.version);
    w.u32(changed.changes.len() as u32);
    for change in &changed.changes {
        w.text(&change.key);
        // No limit is an empty text, which is no value.
        w.text(change.old.as_deref().unwrap_or_default());
        w.text(change.new.as_deref().unwrap_or_default());
    }
}

fn decode_limits(r: &mut Reader<'_>) -> Option<LimitsChanged> {
    let (now_ns, who) = (r.i64()?, r.string()?);
    let confirmed = decode_bool(r)?;
    let version = r.u64()?;
    let value = |r: &mut Reader<'_>| r.string().map(|text| (!text.is_empty()).then_some(text));
    let changes = (0..r.u32()?).map(|_| Some(LimitChange { key: r.string()?, old: value(r)?, new: value(r)? }));
    Some(LimitsChanged { now_ns, who, confirmed, version, changes: changes.collect::<Option<_>>()? })
}

fn decode_bool(r: &mut Reader<'_>) -> Option<bool> {
    match r.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

pub(super) fn encode_request(request: &OrderRequest, w: &mut Writer) {
    w.u128(request.request_id);
    w.u128(request.signal_id);
    w.name(request.account);
    w.name(request.strategy);
    w.name(request.instrument);
    w.u8(request.side as u8);
    w.u8(request.order_type as u8);
    w.u8(request.time_in_force as u8);
    for value in [request.size, request.price, request.deadline_ns, request.ts_origin_ns] {
        w.i64(value);
    }
}

pub(super) fn decode_request(r: &mut Reader<'_>) -> Option<OrderRequest> {
    Some(OrderRequest {
        request_id: r.u128()?,
        signal_id: r.u128()?,
        account: r.name()?,
        strategy: r.name()?,
        instrument: r.name()?,
        side: match r.u8()? {
            0 => OrderSide::Buy,
            1 => OrderSide::Sell,
            _ => return None,
        },
        order_type: match r.u8()? {
            0 => OrderType::Market,
            1 => OrderType::Limit,
            _ => return None,
        },
        time_in_force: match r.u8()? {
            0 => TimeInForce::Gtc,
            1 => TimeInForce::Ioc,
            2 => TimeInForce::Fok,
            3 => TimeInForce::PostOnly,
            _ => return None,
        },
        size: r.i64()?,
        price: r.i64()?,
        deadline_ns: r.i64()?,
        ts_origin_ns: r.i64()?,
    })
}

fn encode_report(report: &VenueReport, w: &mut Writer) {
    w.u128(report.client_order_id.0);
    w.text(&report.venue_order_id);
    w.i64(report.ts_venue_ns);
    match &report.outcome {
        VenueOutcome::Accepted => w.u8(0),
        VenueOutcome::Rejected { code, detail } => {
            w.u8(1);
            w.text(code);
            w.text(detail);
        }
        VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity } => {
            w.u8(2);
            w.u64(*trade_id);
            w.i64(*price);
            w.i64(*size);
            w.i128(*fee);
            w.name(*fee_currency);
            w.u8(*liquidity as u8);
        }
        VenueOutcome::Cancelled { reason } => {
            w.u8(3);
            w.text(reason);
        }
        VenueOutcome::Expired => w.u8(4),
        VenueOutcome::CancelRejected { detail } => {
            w.u8(5);
            w.text(detail);
        }
        VenueOutcome::NotFound => w.u8(6),
    }
}

fn decode_report(r: &mut Reader<'_>) -> Option<VenueReport> {
    Some(VenueReport {
        client_order_id: ClientOrderId(r.u128()?),
        venue_order_id: r.string()?,
        ts_venue_ns: r.i64()?,
        outcome: match r.u8()? {
            0 => VenueOutcome::Accepted,
            1 => VenueOutcome::Rejected { code: r.string()?, detail: r.string()? },
            2 => VenueOutcome::Filled {
                trade_id: r.u64()?,
                price: r.i64()?,
                size: r.i64()?,
                fee: r.i128()?,
                fee_currency: r.name()?,
                liquidity: match r.u8()? {
                    0 => Liquidity::Maker,
                    1 => Liquidity::Taker,
                    _ => return None,
                },
            },
            3 => VenueOutcome::Cancelled { reason: r.string()? },
            4 => VenueOutcome::Expired,
            5 => VenueOutcome::CancelRejected { detail: r.string()? },
            6 => VenueOutcome::NotFound,
            _ => return None,
        },
    })
}

fn encode_instrument(i: &Instrument, w: &mut Writer) {
    for name in [i.id, i.symbol, i.venue, i.venue_symbol, i.base, i.quote, i.settle] {
        w.name(name);
    }
    w.u8(match i.kind {
        ContractKind::Spot => 0,
        ContractKind::Linear => 1,
        ContractKind::Inverse => 2,
    });
    for byte in [i.price_decimals, i.size_decimals, i.contract_decimals, i.fee_decimals, u8::from(i.tradable)] {
        w.u8(byte);
    }
    for value in [i.tick_size, i.lot_size, i.min_size, i.max_size, i.contract_size, i.maker_fee, i.taker_fee] {
        w.i64(value);
    }
    w.i128(i.min_notional);
}

fn decode_instrument(r: &mut Reader<'_>) -> Option<Instrument> {
    let [id, symbol, venue, venue_symbol, base, quote, settle] = read_all(|| r.name())?;
    let kind = match r.u8()? {
        0 => ContractKind::Spot,
        1 => ContractKind::Linear,
        2 => ContractKind::Inverse,
        _ => return None,
    };
    let [price_decimals, size_decimals, contract_decimals, fee_decimals, tradable] = read_all(|| r.u8())?;
    let [tick_size, lot_size, min_size, max_size, contract_size, maker_fee, taker_fee] = read_all(|| r.i64())?;
    let min_notional = r.i128()?;
    Some(Instrument {
        id,
        symbol,
        venue,
        venue_symbol,
        base,
        quote,
        settle,
        kind,
        price_decimals,
        size_decimals,
        tick_size,
        lot_size,
        min_size,
        max_size,
        min_notional,
        contract_size,
        contract_decimals,
        maker_fee,
        taker_fee,
        fee_decimals,
        tradable: match tradable {
            0 => false,
            1 => true,
            _ => return None,
        },
    })
}

fn read_all<T: Copy + Default, const N: usize>(mut read: impl FnMut() -> Option<T>) -> Option<[T; N]> {
    let mut values = [T::default(); N];
    for value in &mut values {
        *value = read()?;
    }
    Some(values)
}
