//! What the order of executions makes of the P&L.
//!
//! A part that is closed takes its share of the basis, so what is realised by then depends on the order in which executions are
//! booked, and an execution that was missed comes late. Position and equity are the same either way (`total - basis` does not
//! depend on the order), the wallet is not, until the position is flat. So where the wallet differs by exactly what the
//! venue's own order would make of it, basis and realised P&L are brought into that order; it is no difference.

use libra_kernel::Name;

use crate::account::Position;
use crate::gate::Gate;
use crate::instrument::{ContractKind, Money};

use super::accept::{Adjustment, BalanceLine, PositionLine};
use super::compare::{Difference, Subject};

/// The adjustment that brings a wallet's P&L into the venue's order; `None` where that does not explain the difference to
/// the last unit, but for what the venue may have rounded: `room`.
pub fn in_venue_order(gate: &Gate, difference: &Difference, room: Money) -> Option<Adjustment> {
    let Subject::Balance(currency) = difference.subject else { return None };
    let account = gate.account();
    let (mut positions, mut moved): (Vec<PositionLine>, Money) = (Vec::new(), 0);
    for instrument in account.instruments().filter(|i| i.kind == ContractKind::Linear && i.settle == currency) {
        let (now, then) = (account.position(instrument.id)?, replayed(gate, instrument.id)?);
        if now.size != then.size {
            return None;
        }
        if now.cost != then.cost {
            moved = moved.checked_add(then.cost.checked_sub(now.cost)?)?;
            positions.push(PositionLine { instrument: now.instrument, size: now.size, cost: then.cost });
        }
    }
    let rest = difference.amount()?.checked_sub(moved)?;
    let explains = !positions.is_empty() && rest.checked_abs()? <= room;
    let balances = vec![BalanceLine { currency, total: moved, realised: moved, capital: 0 }];
    explains.then_some(Adjustment { positions, balances, elsewhere: Vec::new() })
}

/// The position that executions since the last word on its basis make, in the order of the venue's clock and trade ids.
fn replayed(gate: &Gate, instrument: Name) -> Option<Position> {
    let definition = gate.account().instrument(instrument)?;
    let (count, size, cost) = gate.basis_anchor(instrument);
    let mut fills: Vec<_> = gate.fills().since(count).filter(|fill| fill.instrument == instrument).collect();
    fills.sort_by_key(|fill| (fill.ts_venue_ns, fill.trade_id));
    let mut position = Position { size, cost, ..Position::flat(instrument) };
    for fill in fills {
        position.book(definition, fill.side, fill.price, fill.size)?;
    }
    Some(position)
}
