//! Orders that are over, and executions, in few bytes: nothing is left out, numbers take as many bytes as they need,
//! names stand by their number in this process, times as distances from each other.
//!
//! For this process's memory only; the log has a format of its own. What is read here was written here.

use std::sync::Arc;

use libra_kernel::Name;

use crate::order::{
    ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};
use crate::risk::{Rejection, RiskCode};

use super::ids::client_order_id;
use super::state::{Entry, NEVER_NS};

const REJECTION: u8 = 1;
const SLOT: u8 = 1 << 1;
const NOT_FOUND: u8 = 1 << 2;
const CANCEL_PENDING: u8 = 1 << 3;
const LAST_FILL: u8 = 1 << 4;
const MAKER: u8 = 1 << 5;
const SIGNAL: u8 = 1 << 6;
/// Its id is its request's: it was adopted, and what it was asked for by is not known.
const OWN_ID: u8 = 1 << 7;

/// Writes values behind each other.
#[derive(Default)]
struct Packer(Vec<u8>);

impl Packer {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Seven bits a byte, the lowest first.
    fn count(&mut self, mut value: u128) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A small number is short on either side of zero.
    fn number(&mut self, value: i128) {
        self.count((value << 1 ^ value >> 127) as u128);
    }

    /// A time, 0 for none, as its distance from another.
    fn time(&mut self, value: i64, from: i64) {
        if value == 0 {
            return self.byte(0);
        }
        let distance = i128::from(value) - i128::from(from);
        self.count((distance << 1 ^ distance >> 127) as u128 + 1);
    }

    fn id(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn name(&mut self, name: Name) {
        self.count(name.index() as u128);
    }

    fn text(&mut self, text: &str) {
        self.count(text.len() as u128);
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Reads them back. Behind the end everything is nothing: it is never read there.
struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn count(&mut self) -> u128 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u128::from(byte & 0x7f).wrapping_shl(shift);
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn number(&mut self) -> i128 {
        let value = self.count();
        (value >> 1) as i128 ^ -((value & 1) as i128)
    }

    fn small(&mut self) -> i64 {
        self.number() as i64
    }

    fn time(&mut self, from: i64) -> i64 {
        let value = self.count();
        match value.checked_sub(1) {
            None => 0,
            Some(value) => (i128::from(from) + ((value >> 1) as i128 ^ -((value & 1) as i128))) as i64,
        }
    }

    fn id(&mut self) -> u128 {
        let Some((head, tail)) = self.0.split_first_chunk() else { return 0 };
        self.0 = tail;
        u128::from_le_bytes(*head)
    }

    fn name(&mut self) -> Name {
        Name::at(self.count() as usize).unwrap_or(Name::NONE)
    }

    fn text(&mut self) -> String {
        let length = self.count() as usize;
        let (head, tail) = self.0.split_at(length.min(self.0.len()));
        self.0 = tail;
        String::from_utf8_lossy(head).into_owned()
    }
}

/// What can be read of a packed entry without unpacking it: its order's status, and whether the gate had refused it.
pub(super) fn status(bytes: &[u8]) -> (OrderStatus, bool) {
    (status_of(bytes[0]), bytes[1] & REJECTION != 0)
}

fn id_of(account: Name, own: bool, request_id: u128) -> ClientOrderId {
    if own { ClientOrderId(request_id) } else { client_order_id(account, request_id) }
}

/// Its order's id, which is not in it: it follows from the request's.
pub(super) fn id(account: Name, bytes: &[u8]) -> ClientOrderId {
    id_of(account, bytes[1] & OWN_ID != 0, Unpacker(&bytes[2..]).id())
}

fn status_of(byte: u8) -> OrderStatus {
    OrderStatus::ALL[usize::from(byte & 7)]
}

fn side_of(bit: u8) -> OrderSide {
    if bit & 1 == 0 { OrderSide::Buy } else { OrderSide::Sell }
}

fn liquidity_of(maker: bool) -> Liquidity {
    if maker { Liquidity::Maker } else { Liquidity::Taker }
}

/// Packs an entry whole.
pub(super) fn pack(entry: &Entry) -> Box<[u8]> {
    let (order, mut p) = (&*entry.order, Packer::default());
    let request = &order.request;
    let ways = (request.side as u8) << 3 | (request.order_type as u8) << 4 | (request.time_in_force as u8) << 5;
    p.byte(order.status as u8 | ways);
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let maker = order.last_fill.as_ref().is_some_and(|fill| fill.liquidity == Liquidity::Maker);
    p.byte(
        flag(entry.rejection.is_some(), REJECTION)
            | flag(entry.instrument.is_some(), SLOT)
            | flag(entry.not_found_ns.is_some(), NOT_FOUND)
            | flag(entry.cancel_pending, CANCEL_PENDING)
            | flag(order.last_fill.is_some(), LAST_FILL)
            | flag(maker, MAKER)
            | flag(request.signal_id != 0, SIGNAL)
            | flag(order.client_order_id.0 == request.request_id, OWN_ID),
    );
    p.id(request.request_id);
    if request.signal_id != 0 {
        p.id(request.signal_id);
    }
    for name in [request.account, request.strategy, request.instrument] {
        p.name(name);
    }
    p.number(order.ts_ns.into());
    for time in [request.deadline_ns, request.ts_origin_ns, entry.window_end_ns] {
        p.time(time, order.ts_ns);
    }
    for number in [request.size, request.price, order.filled, entry.hold_price, entry.open_size] {
        p.number(number.into());
    }
    for amount in [order.filled_notional, order.fees, entry.held] {
        p.number(amount);
    }
    for text in [&order.venue_order_id, &order.reason, &order.detail] {
        p.text(text);
    }
    p.count(entry.ordinal.into());
    if let Some(slot) = entry.instrument {
        p.count(slot as u128);
    }
    if let Some(not_found_ns) = entry.not_found_ns {
        p.number(not_found_ns.into());
    }
    if let Some(fill) = &order.last_fill {
        pack_trade(&mut p, fill, order.ts_ns);
    }
    if let Some(rejection) = &entry.rejection {
        p.text(rejection.code.as_str());
        for text in [&rejection.limit, &rejection.value, &rejection.detail] {
            p.text(text);
        }
    }
    p.0.into_boxed_slice()
}

/// The entry of `account` that was packed.
pub(super) fn unpack(account: Name, bytes: &[u8]) -> Entry {
    let mut u = Unpacker(bytes);
    let (ways, flags) = (u.byte(), u.byte());
    let has = |flag: u8| flags & flag != 0;
    let request_id = u.id();
    let signal_id = if has(SIGNAL) { u.id() } else { 0 };
    let [of, strategy, instrument] = [u.name(), u.name(), u.name()];
    let ts_ns = u.small();
    let [deadline_ns, ts_origin_ns, window_end_ns] = [u.time(ts_ns), u.time(ts_ns), u.time(ts_ns)];
    let [size, price, filled, hold_price, open_size] = [u.small(), u.small(), u.small(), u.small(), u.small()];
    let [filled_notional, fees, held] = [u.number(), u.number(), u.number()];
    let [venue_order_id, reason, detail] = [u.text(), u.text(), u.text()];
    let ordinal = u.count() as u64;
    let slot = has(SLOT).then(|| u.count() as usize);
    let not_found_ns = has(NOT_FOUND).then(|| u.small());
    let request = OrderRequest {
        request_id,
        signal_id,
        account: of,
        strategy,
        instrument,
        side: side_of(ways >> 3),
        order_type: if ways >> 4 & 1 == 0 { OrderType::Market } else { OrderType::Limit },
        time_in_force: match ways >> 5 & 3 {
            0 => TimeInForce::Gtc,
            1 => TimeInForce::Ioc,
            2 => TimeInForce::Fok,
            _ => TimeInForce::PostOnly,
        },
        size,
        price,
        deadline_ns,
        ts_origin_ns,
    };
    let id = id_of(account, has(OWN_ID), request_id);
    let last_fill = has(LAST_FILL).then(|| {
        let (side, liquidity) = (request.side, liquidity_of(has(MAKER)));
        unpack_trade(&mut u, Trade { id, instrument, strategy, side, liquidity }, ts_ns)
    });
    let rejection = has(REJECTION).then(|| {
        let code = RiskCode::parse(&u.text()).unwrap_or(RiskCode::UnknownOrder);
        Box::new(Rejection { code, limit: u.text(), value: u.text(), detail: u.text() })
    });
    Entry {
        order: Arc::new(Order {
            client_order_id: id,
            venue_order_id,
            request,
            status: status_of(ways),
            filled,
            filled_notional,
            fees,
            reason,
            detail,
            last_fill,
            ts_ns,
        }),
        ordinal,
        rejection,
        instrument: slot,
        hold_price,
        open_size,
        held,
        window_end_ns,
        not_found_ns,
        cancel_pending: has(CANCEL_PENDING),
        cancel_asked_ns: NEVER_NS,
    }
}

/// What a fill shares with its order, and what stands in bits elsewhere.
struct Trade {
    id: ClientOrderId,
    instrument: Name,
    strategy: Name,
    side: OrderSide,
    liquidity: Liquidity,
}

fn pack_trade(p: &mut Packer, fill: &Fill, from_ns: i64) {
    p.count(fill.trade_id.into());
    p.number(fill.price.into());
    p.number(fill.size.into());
    p.number(fill.fee);
    p.name(fill.fee_currency);
    p.time(fill.ts_venue_ns, from_ns);
}

fn unpack_trade(u: &mut Unpacker<'_>, of: Trade, from_ns: i64) -> Fill {
    let Trade { id, instrument, strategy, side, liquidity } = of;
    Fill {
        client_order_id: id,
        trade_id: u.count() as u64,
        instrument,
        strategy,
        side,
        price: u.small(),
        size: u.small(),
        fee: u.number(),
        fee_currency: u.name(),
        liquidity,
        ts_venue_ns: u.time(from_ns),
    }
}

/// Appends a fill of the order at `index` to `bytes`; its time stands as the distance from `from_ns`.
pub(super) fn pack_fill(bytes: &mut Vec<u8>, index: usize, fill: &Fill, from_ns: i64) {
    let mut p = Packer(std::mem::take(bytes));
    p.count(index as u128);
    p.byte(fill.side as u8 | (fill.liquidity as u8) << 1);
    p.name(fill.instrument);
    p.name(fill.strategy);
    pack_trade(&mut p, fill, from_ns);
    *bytes = p.0;
}

/// Takes the next fill from the front of `bytes`; `id_of` gives the id of the order at an index.
pub(super) fn unpack_fill(bytes: &mut &[u8], from_ns: i64, id_of: impl FnOnce(usize) -> ClientOrderId) -> Fill {
    let mut u = Unpacker(bytes);
    let (index, bits) = (u.count() as usize, u.byte());
    let (instrument, strategy) = (u.name(), u.name());
    let liquidity = liquidity_of(bits >> 1 & 1 == Liquidity::Maker as u8);
    let of = Trade { id: id_of(index), instrument, strategy, side: side_of(bits), liquidity };
    let fill = unpack_trade(&mut u, of, from_ns);
    *bytes = u.0;
    fill
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_end_everything_is_nothing() {
        let mut end = Unpacker(&[]);
        assert_eq!((end.byte(), end.count(), end.number(), end.small()), (0, 0, 0, 0));
        assert_eq!(
            (end.time(7), end.id(), end.name(), end.text()),
            (0, 0, Name::at(0).unwrap_or(Name::NONE), String::new())
        );
        // Cut off in the middle, too.
        assert_eq!(Unpacker(&[0x81]).count(), 1);
        assert_eq!(Unpacker(&[9; 15]).id(), 0);
    }
}
