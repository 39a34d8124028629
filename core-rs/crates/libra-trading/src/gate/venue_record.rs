//! Records of what a reconciliation found and did. They are numbered and encoded as all others (see `record`), from 30 on.

use libra_kernel::Name;

use crate::instrument::Money;
use crate::order::{ClientOrderId, OrderRequest};
use crate::reconcile::{Adjustment, BalanceLine, Difference, FlowKind, PositionLine, Subject, VenueFlow};

use super::codec::{Reader, Writer};
use super::record::{decode_request, encode_request};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueRecord {
    /// An order that works, or worked, at the venue under an id of ours became one of the account.
    Adopted {
        /// When.
        now_ns: i64,
        /// Its id; the request's id is the same, since what it was asked for by is not known.
        client_order_id: ClientOrderId,
        /// The venue's id.
        venue_order_id: String,
        /// What the venue says of it.
        request: OrderRequest,
    },
    /// Money came or went by no execution.
    Flow {
        /// When it was booked.
        now_ns: i64,
        /// What the venue says of it.
        flow: VenueFlow,
    },
    /// The account was opened with what its venue has.
    Opened {
        /// When.
        now_ns: i64,
        /// The venue's time of it: what came before is in it.
        ts_venue_ns: i64,
        /// Instrument, size and basis.
        positions: Vec<PositionLine>,
        /// Currency and total.
        balances: Vec<(Name, Money)>,
        /// Positions in symbols that are not the account's, in base units.
        elsewhere: Vec<(Name, Money)>,
    },
    /// An operator took the venue's word.
    Adjusted {
        /// When.
        now_ns: i64,
        /// Who, and why.
        who: String,
        /// What changes.
        adjustment: Adjustment,
    },
    /// A difference that nothing explains.
    Differs {
        /// When.
        now_ns: i64,
        /// Which.
        difference: Difference,
    },
    /// A look found nothing, and all that the venue says up to a time of its clock is booked.
    Looked {
        /// When.
        now_ns: i64,
        /// Up to when.
        ts_venue_ns: i64,
        /// Nothing was booked that the look's picture did not show yet.
        equal: bool,
    },
    /// The venue works on an order of ours otherwise than the log has it: on more of it, or behind its end.
    OrderDiffers {
        /// When.
        now_ns: i64,
        /// Which.
        client_order_id: ClientOrderId,
        /// For people.
        detail: String,
    },
}

impl VenueRecord {
    /// The number of the record's type in the file.
    pub const fn number(&self) -> u8 {
        match self {
            VenueRecord::Adopted { .. } => 30,
            VenueRecord::Flow { .. } => 31,
            VenueRecord::Opened { .. } => 32,
            VenueRecord::Adjusted { .. } => 33,
            VenueRecord::Differs { .. } => 34,
            VenueRecord::Looked { equal: true, .. } => 35,
            VenueRecord::Looked { equal: false, .. } => 36,
            VenueRecord::OrderDiffers { .. } => 37,
        }
    }

    /// When it was written, by the account's clock.
    pub const fn now_ns(&self) -> i64 {
        match self {
            VenueRecord::Adopted { now_ns, .. }
            | VenueRecord::Flow { now_ns, .. }
            | VenueRecord::Opened { now_ns, .. }
            | VenueRecord::Adjusted { now_ns, .. }
            | VenueRecord::Differs { now_ns, .. }
            | VenueRecord::Looked { now_ns, .. }
            | VenueRecord::OrderDiffers { now_ns, .. } => *now_ns,
        }
    }

    /// Writes all but the type's number.
    pub(super) fn encode(&self, w: &mut Writer) {
        match self {
            VenueRecord::Adopted { now_ns, client_order_id, venue_order_id, request } => {
                w.i64(*now_ns);
                w.u128(client_order_id.0);
                w.text(venue_order_id);
                encode_request(request, w);
            }
            VenueRecord::Flow { now_ns, flow } => {
                w.i64(*now_ns);
                w.text(&flow.key);
                w.u8(flow.kind as u8);
                w.name(flow.currency);
                w.i128(flow.amount);
                w.name(flow.symbol);
                w.i64(flow.ts_venue_ns);
            }
            VenueRecord::Opened { now_ns, ts_venue_ns, positions, balances, elsewhere } => {
                w.i64(*now_ns);
                w.i64(*ts_venue_ns);
                encode_positions(positions, w);
                encode_amounts(balances, w);
                encode_amounts(elsewhere, w);
            }
            VenueRecord::Adjusted { now_ns, who, adjustment } => {
                w.i64(*now_ns);
                w.text(who);
                encode_positions(&adjustment.positions, w);
                w.u32(adjustment.balances.len() as u32);
                for line in &adjustment.balances {
                    w.name(line.currency);
                    w.i128(line.total);
                    w.i128(line.realised);
                    w.i128(line.capital);
                }
                encode_amounts(&adjustment.elsewhere, w);
            }
            VenueRecord::Differs { now_ns, difference } => {
                w.i64(*now_ns);
                w.u8(u8::from(matches!(difference.subject, Subject::Balance(_))));
                w.name(difference.subject.name());
                w.i128(difference.ours);
                w.i128(difference.theirs);
            }
            VenueRecord::Looked { now_ns, ts_venue_ns, .. } => {
                w.i64(*now_ns);
                w.i64(*ts_venue_ns);
            }
            VenueRecord::OrderDiffers { now_ns, client_order_id, detail } => {
                w.i64(*now_ns);
                w.u128(client_order_id.0);
                w.text(detail);
            }
        }
    }

    /// Reads a record of type `number`; the caller sees to it that nothing is left.
    pub(super) fn decode(number: u8, r: &mut Reader<'_>) -> Option<VenueRecord> {
        let now_ns = r.i64()?;
        Some(match number {
            30 => VenueRecord::Adopted {
                now_ns,
                client_order_id: ClientOrderId(r.u128()?),
                venue_order_id: r.string()?,
                request: decode_request(r)?,
            },
            31 => VenueRecord::Flow {
                now_ns,
                flow: VenueFlow {
                    key: r.string()?,
                    kind: *FlowKind::ALL.get(usize::from(r.u8()?))?,
                    currency: r.name()?,
                    amount: r.i128()?,
                    symbol: r.name()?,
                    ts_venue_ns: r.i64()?,
                },
            },
            32 => VenueRecord::Opened {
                now_ns,
                ts_venue_ns: r.i64()?,
                positions: decode_positions(r)?,
                balances: decode_amounts(r)?,
                elsewhere: decode_amounts(r)?,
            },
            33 => VenueRecord::Adjusted {
                now_ns,
                who: r.string()?,
                adjustment: Adjustment {
                    positions: decode_positions(r)?,
                    balances: (0..r.u32()?).map(|_| decode_balance(r)).collect::<Option<_>>()?,
                    elsewhere: decode_amounts(r)?,
                },
            },
            34 => {
                let of: fn(Name) -> Subject = match r.u8()? {
                    0 => Subject::Position,
                    1 => Subject::Balance,
                    _ => return None,
                };
                let difference = Difference { subject: of(r.name()?), ours: r.i128()?, theirs: r.i128()? };
                VenueRecord::Differs { now_ns, difference }
            }
            35 | 36 => VenueRecord::Looked { now_ns, ts_venue_ns: r.i64()?, equal: number == 35 },
            37 => VenueRecord::OrderDiffers { now_ns, client_order_id: ClientOrderId(r.u128()?), detail: r.string()? },
            _ => return None,
        })
    }
}

fn encode_positions(lines: &[PositionLine], w: &mut Writer) {
    w.u32(lines.len() as u32);
    for line in lines {
        w.name(line.instrument);
        w.i64(line.size);
        w.i128(line.cost);
    }
}

fn decode_positions(r: &mut Reader<'_>) -> Option<Vec<PositionLine>> {
    (0..r.u32()?).map(|_| Some(PositionLine { instrument: r.name()?, size: r.i64()?, cost: r.i128()? })).collect()
}

fn encode_amounts(amounts: &[(Name, Money)], w: &mut Writer) {
    w.u32(amounts.len() as u32);
    for (name, amount) in amounts {
        w.name(*name);
        w.i128(*amount);
    }
}

fn decode_amounts(r: &mut Reader<'_>) -> Option<Vec<(Name, Money)>> {
    (0..r.u32()?).map(|_| Some((r.name()?, r.i128()?))).collect()
}

fn decode_balance(r: &mut Reader<'_>) -> Option<BalanceLine> {
    Some(BalanceLine { currency: r.name()?, total: r.i128()?, realised: r.i128()?, capital: r.i128()? })
}
