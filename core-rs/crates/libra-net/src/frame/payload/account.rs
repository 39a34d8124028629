//! What an account tells: positions, balances, breaches of a limit, and notices in words.

use libra_kernel::Name;
use libra_trading::account::{Balance, Position};
use libra_trading::desk::payload::{Notice, PositionReport};
use libra_trading::risk::{Breach, RiskCode};

use super::super::cursor::Cursor;
use super::super::error::{EncodeError, Fault};
use super::{Sink, Wire};

impl Wire for Position {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.name(self.instrument)?;
        sink.i64s([self.size]);
        sink.i128s([self.cost, self.realised, self.fees]);
        sink.bytes(&self.trades.to_le_bytes());
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Position {
            instrument: cursor.name()?,
            size: cursor.i64()?,
            cost: cursor.i128()?,
            realised: cursor.i128()?,
            fees: cursor.i128()?,
            trades: cursor.u64()?,
        })
    }
}

impl Wire for PositionReport {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.name(self.account)?;
        self.position.write(sink)?;
        sink.i128s([self.unrealised]);
        sink.bytes(&[u8::from(self.average_price.is_some())]);
        sink.i128s([self.average_price.unwrap_or(0)]);
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let account = cursor.name()?;
        let position = Position::read(cursor)?;
        let unrealised = cursor.i128()?;
        let (has_average, average) = (cursor.flag()?, cursor.i128()?);
        Ok(PositionReport { account, position, unrealised, average_price: has_average.then_some(average) })
    }
}

impl Wire for Balance {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.name(self.currency)?;
        sink.i128s([self.opening, self.total, self.reserved, self.realised, self.fees, self.unrealised, self.peak]);
        sink.i64s([self.day]);
        sink.i128s([self.day_start]);
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Balance {
            currency: cursor.name()?,
            opening: cursor.i128()?,
            total: cursor.i128()?,
            reserved: cursor.i128()?,
            realised: cursor.i128()?,
            fees: cursor.i128()?,
            unrealised: cursor.i128()?,
            peak: cursor.i128()?,
            day: cursor.i64()?,
            day_start: cursor.i128()?,
        })
    }
}

impl Wire for Breach {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        // By its name: names are stable, the order of the codes is not.
        sink.text(self.code.as_str())?;
        sink.name(self.currency)?;
        sink.i128s([self.limit, self.value]);
        sink.i64s([self.ts_ns]);
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Breach {
            code: RiskCode::parse(cursor.text()?).ok_or(Fault::Value)?,
            currency: cursor.name()?,
            limit: cursor.i128()?,
            value: cursor.i128()?,
            ts_ns: cursor.i64()?,
        })
    }
}

impl Wire for Notice {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        sink.name(self.account)?;
        sink.text(&self.code)?;
        sink.text(&self.detail)?;
        sink.name(self.strategy)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (account, code, detail) = (cursor.name()?, cursor.text()?.to_owned(), cursor.text()?.to_owned());
        let strategy = if cursor.has_fields_of(2) { cursor.name()? } else { Name::NONE };
        Ok(Notice { account, strategy, code, detail })
    }
}
