//! What is asked for, and what became of it: requests, cancels, orders with their last fill, signals.

use libra_kernel::Name;
use libra_trading::order::{
    CancelRequest, ClientOrderId, Fill, Liquidity, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce,
};
use libra_trading::signal::{Signal, SignalType};

use super::super::cursor::{Cursor, put_text};
use super::super::error::{EncodeError, Fault};
use super::{Sink, Wire};

impl Sink<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.to.extend_from_slice(bytes);
    }

    pub(super) fn name(&mut self, name: Name) -> Result<(), EncodeError> {
        let number = self.names.number(name)?;
        self.bytes(&number.to_le_bytes());
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        put_text(self.to, text)
    }

    pub(super) fn i64s<const N: usize>(&mut self, values: [i64; N]) {
        values.iter().for_each(|value| self.bytes(&value.to_le_bytes()));
    }

    /// Sums of money, whole.
    pub(super) fn i128s<const N: usize>(&mut self, values: [i128; N]) {
        values.iter().for_each(|value| self.bytes(&value.to_le_bytes()));
    }
}

fn side(cursor: &mut Cursor<'_>) -> Result<OrderSide, Fault> {
    match cursor.u8()? {
        0 => Ok(OrderSide::Buy),
        1 => Ok(OrderSide::Sell),
        _ => Err(Fault::Value),
    }
}

impl Wire for OrderRequest {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.bytes(&self.request_id.to_le_bytes());
        sink.bytes(&self.signal_id.to_le_bytes());
        sink.name(self.account)?;
        sink.name(self.strategy)?;
        sink.name(self.instrument)?;
        sink.bytes(&[self.side as u8, self.order_type as u8, self.time_in_force as u8]);
        sink.i64s([self.size, self.price, self.deadline_ns, self.ts_origin_ns]);
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(OrderRequest {
            request_id: cursor.u128()?,
            signal_id: cursor.u128()?,
            account: cursor.name()?,
            strategy: cursor.name()?,
            instrument: cursor.name()?,
            side: side(cursor)?,
            order_type: match cursor.u8()? {
                0 => OrderType::Market,
                1 => OrderType::Limit,
                _ => return Err(Fault::Value),
            },
            time_in_force: match cursor.u8()? {
                0 => TimeInForce::Gtc,
                1 => TimeInForce::Ioc,
                2 => TimeInForce::Fok,
                3 => TimeInForce::PostOnly,
                _ => return Err(Fault::Value),
            },
            size: cursor.i64()?,
            price: cursor.i64()?,
            deadline_ns: cursor.i64()?,
            ts_origin_ns: cursor.i64()?,
        })
    }
}

impl Wire for CancelRequest {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.bytes(&self.client_order_id.0.to_le_bytes());
        sink.name(self.account)?;
        sink.name(self.strategy)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let client_order_id = ClientOrderId(cursor.u128()?);
        Ok(CancelRequest { account: cursor.name()?, strategy: cursor.name()?, client_order_id })
    }
}

impl Wire for Order {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.bytes(&self.client_order_id.0.to_le_bytes());
        self.request.write(sink)?;
        sink.bytes(&[self.status as u8, u8::from(self.last_fill.is_some())]);
        sink.i64s([self.filled, self.ts_ns]);
        sink.i128s([self.filled_notional, self.fees]);
        sink.text(&self.venue_order_id)?;
        sink.text(&self.reason)?;
        sink.text(&self.detail)?;
        self.last_fill.as_ref().map_or(Ok(()), |fill| write_fill(fill, sink))
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let client_order_id = ClientOrderId(cursor.u128()?);
        let request = OrderRequest::read(cursor)?;
        let status = *OrderStatus::ALL.get(usize::from(cursor.u8()?)).ok_or(Fault::Value)?;
        let has_fill = cursor.flag()?;
        let (filled, ts_ns) = (cursor.i64()?, cursor.i64()?);
        let (filled_notional, fees) = (cursor.i128()?, cursor.i128()?);
        let venue_order_id = cursor.text()?.to_owned();
        let (reason, detail) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
        let last_fill = if has_fill { Some(read_fill(cursor)?) } else { None };
        Ok(Order {
            client_order_id,
            venue_order_id,
            request,
            status,
            filled,
            filled_notional,
            fees,
            reason,
            detail,
            last_fill,
            ts_ns,
        })
    }
}

fn write_fill(fill: &Fill, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
    sink.bytes(&fill.client_order_id.0.to_le_bytes());
    sink.bytes(&fill.trade_id.to_le_bytes());
    sink.name(fill.instrument)?;
    sink.name(fill.strategy)?;
    sink.name(fill.fee_currency)?;
    sink.bytes(&[fill.side as u8, fill.liquidity as u8]);
    sink.i64s([fill.price, fill.size, fill.ts_venue_ns]);
    sink.i128s([fill.fee]);
    Ok(())
}

fn read_fill(cursor: &mut Cursor<'_>) -> Result<Fill, Fault> {
    let (client_order_id, trade_id) = (ClientOrderId(cursor.u128()?), cursor.u64()?);
    let (instrument, strategy, fee_currency) = (cursor.name()?, cursor.name()?, cursor.name()?);
    let side = side(cursor)?;
    let liquidity = match cursor.u8()? {
        0 => Liquidity::Maker,
        1 => Liquidity::Taker,
        _ => return Err(Fault::Value),
    };
    let (price, size, ts_venue_ns) = (cursor.i64()?, cursor.i64()?, cursor.i64()?);
    let fee = cursor.i128()?;
    Ok(Fill {
        client_order_id,
        trade_id,
        instrument,
        strategy,
        side,
        price,
        size,
        fee,
        fee_currency,
        liquidity,
        ts_venue_ns,
    })
}

impl Wire for Signal {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.bytes(&self.id.to_le_bytes());
        sink.name(self.strategy)?;
        sink.name(self.instrument)?;
        sink.bytes(&[self.signal_type as u8]);
        sink.bytes(&self.strength.to_bits().to_le_bytes());
        sink.i64s([self.price, self.deadline_ns]);
        sink.text(&self.reason)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Signal {
            id: cursor.u128()?,
            strategy: cursor.name()?,
            instrument: cursor.name()?,
            signal_type: match cursor.u8()? {
                0 => SignalType::Long,
                1 => SignalType::Short,
                2 => SignalType::CloseLong,
                3 => SignalType::CloseShort,
                4 => SignalType::Hold,
                _ => return Err(Fault::Value),
            },
            strength: f64::from_bits(cursor.u64()?),
            price: cursor.i64()?,
            deadline_ns: cursor.i64()?,
            reason: cursor.text()?.to_owned(),
        })
    }
}
