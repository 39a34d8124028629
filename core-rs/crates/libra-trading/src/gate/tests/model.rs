//! Random runs with crashes at any step, against a venue that writes down what it was sent and a ledger of plain sums.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::order::OrderStatus;
use crate::risk::{InstrumentLimits, RiskCode};

const MAX_POSITION: i64 = 60;

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        request: u8,
        buy: bool,
        size: i64,
    },
    Spend {
        which: usize,
    },
    Release {
        which: usize,
    },
    Submitted {
        which: usize,
    },
    Cancel {
        which: usize,
    },
    Accept {
        which: usize,
    },
    Fill {
        which: usize,
        size: i64,
    },
    /// Says an earlier fill again.
    Repeat {
        which: usize,
    },
    End {
        which: usize,
        how: u8,
    },
    Kill,
    Resume,
    Wait {
        seconds: i64,
    },
    /// The process dies; `torn` bytes of another record reach the file.
    Crash {
        torn: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0usize..8;
    let step = prop_oneof![
        6 => (0u8..40, any::<bool>(), 2i64..30).prop_map(|(request, buy, size)| Step::Reserve { request, buy, size }),
        6 => which.clone().prop_map(|which| Step::Spend { which }),
        1 => which.clone().prop_map(|which| Step::Release { which }),
        2 => which.clone().prop_map(|which| Step::Submitted { which }),
        2 => which.clone().prop_map(|which| Step::Cancel { which }),
        2 => which.clone().prop_map(|which| Step::Accept { which }),
        6 => (which.clone(), 1i64..20).prop_map(|(which, size)| Step::Fill { which, size }),
        2 => which.clone().prop_map(|which| Step::Repeat { which }),
        3 => (which, 0u8..4).prop_map(|(which, how)| Step::End { which, how }),
        1 => Just(Step::Kill),
        1 => Just(Step::Resume),
        1 => (0i64..3).prop_map(|seconds| Step::Wait { seconds }),
        2 => (0usize..40).prop_map(|torn| Step::Crash { torn }),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What the venue knows of an order: its side, size and executions.
struct Sent {
    sign: i64,
    size: i64,
    fills: Vec<VenueReport>,
}

struct Model {
    file: TempLog,
    gate: Option<Gate>,
    now_ns: i64,
    approvals: Vec<(Approval, i64, i64)>,
    /// Every order that `spend` ever gave out, over all restarts.
    sent: BTreeMap<ClientOrderId, Sent>,
    /// Every request that was ever refused, at once, by its approval's end or when it was to be sent.
    refused: BTreeSet<ClientOrderId>,
    /// Lapsed ones that were handed out.
    told: BTreeSet<ClientOrderId>,
    next_trade: u64,
}

fn limits() -> RiskLimits {
    let default = InstrumentLimits { max_position: Some(MAX_POSITION), ..Default::default() };
    RiskLimits { default, ..RiskLimits::default() }
}

impl Model {
    fn gate(&mut self) -> &mut Gate {
        self.gate.as_mut().unwrap()
    }

    fn pick(&self, which: usize) -> Option<ClientOrderId> {
        self.sent.keys().nth(which % self.sent.len().max(1)).copied()
    }

    /// The orders that are open here, so that most steps do something.
    fn pick_open(&self, which: usize) -> Option<ClientOrderId> {
        let open: Vec<_> = self.gate.as_ref().unwrap().open_orders().map(|order| order.client_order_id).collect();
        if open.is_empty() { self.pick(which) } else { Some(open[which % open.len()]) }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.now_ns;
        match *step {
            Step::Reserve { request, buy: is_buy, size } => {
                let request = if is_buy { buy(request.into(), size) } else { sell(request.into(), size) };
                let id = crate::gate::client_order_id(name("main"), request.request_id);
                let outcome = self.gate().reserve(now, &request);
                if self.sent.contains_key(&id) {
                    prop_assert!(outcome.is_err(), "approved after it was sent");
                }
                if self.refused.contains(&id) {
                    prop_assert!(outcome.is_err(), "approved after it was refused");
                }
                if outcome.is_err() {
                    prop_assert!(self.gate().knows(id), "refused and not in the log");
                    // Other content under the id of an unspent approval refuses that content, not the approval.
                    if self.gate().order(id).is_some_and(|order| order.status == OrderStatus::Rejected) {
                        self.refused.insert(id);
                    }
                }
                if let Ok(approval) = outcome {
                    self.approvals.retain(|(other, ..)| other.client_order_id() != id);
                    self.approvals.push((approval, request.side.sign(), request.size));
                }
            }
            Step::Spend { which } => {
                if self.approvals.is_empty() {
                    return Ok(());
                }
                // Kept, so that it is tried again.
                let (approval, sign, size) = self.approvals[which % self.approvals.len()].clone();
                let held = self.gate().holds(&approval);
                let spent = self.gate().spend(now, &approval);
                if held && spent.is_err() {
                    self.refused.insert(approval.client_order_id());
                }
                if let Ok(order) = spent {
                    let id = order.client_order_id;
                    prop_assert!(!self.refused.contains(&id), "sent after it was refused");
                    let before = self.sent.insert(id, Sent { sign, size, fills: Vec::new() });
                    prop_assert!(before.is_none(), "sent twice: {id}");
                    prop_assert_eq!((order.request.size, order.request.side.sign()), (size, sign));
                    prop_assert!(!self.gate().is_killed());
                }
            }
            Step::Release { which } => {
                if !self.approvals.is_empty() {
                    let index = which % self.approvals.len();
                    let (approval, ..) = self.approvals.swap_remove(index);
                    let why = Rejection::new(RiskCode::Stopping, "model");
                    if self.gate().release(now, &approval, why).is_some() {
                        self.refused.insert(approval.client_order_id());
                    }
                }
            }
            Step::Submitted { which } => {
                if let Some(id) = self.pick_open(which) {
                    self.gate().mark_submitted(now, id).unwrap();
                }
            }
            Step::Cancel { which } => {
                if let Some(id) = self.pick_open(which) {
                    let open = !self.gate().order(id).unwrap().status.is_final();
                    prop_assert_eq!(self.gate().cancel(now, id).is_ok(), open, "cancels pass, whatever is latched");
                }
            }
            Step::Accept { which } => {
                if let Some(id) = self.pick_open(which) {
                    self.gate().on_report(now, &report(id, VenueOutcome::Accepted)).unwrap();
                }
            }
            Step::Fill { which, size } => {
                let Some(id) = self.pick_open(which) else { return Ok(()) };
                let trade_id = self.next_trade;
                self.next_trade += 1;
                let sent = self.sent.get_mut(&id).unwrap();
                let done: i64 = sent.fills.iter().map(fill_size).sum();
                let left = sent.size - done;
                if left > 0 {
                    // Also of orders that are final here: late executions.
                    let fill = filled(id, trade_id, PRICE + 10 * (trade_id as i64 % 7), size.min(left));
                    sent.fills.push(fill.clone());
                    let events = self.gate().on_report(now, &fill).unwrap();
                    prop_assert!(!events.is_empty());
                }
            }
            Step::Repeat { which } => {
                let fills: Vec<_> = self.sent.values().flat_map(|sent| sent.fills.clone()).collect();
                if !fills.is_empty() {
                    let events = self.gate().on_report(now, &fills[which % fills.len()]).unwrap();
                    prop_assert!(events.is_empty(), "booked twice");
                }
            }
            Step::End { which, how } => {
                if let Some(id) = self.pick_open(which) {
                    let outcome = match how {
                        0 => VenueOutcome::Cancelled { reason: "REQUESTED".into() },
                        1 => VenueOutcome::Expired,
                        2 => VenueOutcome::Rejected { code: "-1".into(), detail: String::new() },
                        _ => VenueOutcome::NotFound,
                    };
                    let said = VenueReport { ts_venue_ns: now, ..report(id, outcome) };
                    self.gate().on_report(now, &said).unwrap();
                }
            }
            Step::Kill => self.gate().kill(now, "model").1.unwrap(),
            Step::Resume => drop(self.gate().resume(now).unwrap()),
            Step::Wait { seconds } => {
                self.now_ns += seconds * 7 * SECOND;
                let now = self.now_ns;
                for order in self.gate().on_time(now) {
                    self.refused.insert(order.client_order_id);
                    prop_assert!(self.told.insert(order.client_order_id), "told twice");
                }
                quote(self.gate(), now);
            }
            Step::Crash { torn } => self.crash(torn)?,
        }
        Ok(())
    }

    fn crash(&mut self, torn: usize) -> Result<(), TestCaseError> {
        let gate = self.gate.take().unwrap();
        let (digest, killed) = (gate.state_digest(), gate.is_killed());
        let open: Vec<_> = gate.open_orders().cloned().collect();
        drop(gate);
        let mut bytes = std::fs::read(&self.file.0).unwrap();
        // The beginning of a record that never became whole.
        let tail: Vec<u8> = [200u8, 0, 0, 0, 4].into_iter().chain(std::iter::repeat(1)).take(torn).collect();
        bytes.extend_from_slice(&tail);
        std::fs::write(&self.file.0, &bytes).unwrap();
        let (mut gate, recovered) = self.file.open(limits(), self.now_ns);
        prop_assert_eq!(gate.state_digest(), digest);
        prop_assert_eq!(recovered.killed, killed);
        prop_assert_eq!(recovered.torn.map_or(0, |tail| tail.bytes), torn as u64);
        let mut again: Vec<_> = recovered.unanswered.into_iter().chain(recovered.open).collect();
        again.sort_by_key(|order| open.iter().position(|o| o.client_order_id == order.client_order_id));
        prop_assert_eq!(again, open, "every open order is known again");
        gate.set_reconciling(false);
        self.gate = Some(gate);
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let gate = self.gate.as_ref().unwrap();
        let (mut position, mut money_out, mut fills) = (0, 0, 0);
        let mut reserved = BTreeMap::from([(1, 0), (-1, 0)]);
        for (id, sent) in &self.sent {
            let order = gate.order(*id);
            prop_assert!(order.is_some(), "lost: {id}");
            let order = order.unwrap();
            let done: i64 = sent.fills.iter().map(fill_size).sum();
            prop_assert_eq!(order.filled, done);
            position += sent.sign * done;
            money_out += i128::from(sent.sign) * order.filled_notional;
            fills += sent.fills.len();
            if !order.status.is_final() {
                *reserved.get_mut(&sent.sign).unwrap() += sent.size - done;
            }
            if order.status == OrderStatus::Filled {
                prop_assert_eq!(done, sent.size);
            }
        }
        prop_assert_eq!(gate.fills().len(), fills);
        let keys: BTreeSet<_> = gate.fills().iter().map(|fill| (fill.client_order_id, fill.trade_id)).collect();
        prop_assert_eq!(keys.len(), fills, "every fill booked once");
        let held = *gate.account().position(linear().id).unwrap();
        prop_assert_eq!(held.size, position);
        prop_assert_eq!(held.cost - held.realised, money_out, "money adds up to the last unit");

        // What unspent approvals hold on top of open orders.
        let (open_buy, open_sell) = gate.reserved(linear().id).unwrap();
        let mut approved = BTreeMap::from([(1, 0), (-1, 0)]);
        for (approval, sign, size) in &self.approvals {
            let unspent = !self.sent.contains_key(&approval.client_order_id());
            if unspent && gate.holds(approval) {
                *approved.get_mut(sign).unwrap() += size;
            }
        }
        prop_assert_eq!((open_buy, open_sell), (reserved[&1] + approved[&1], reserved[&-1] + approved[&-1]));
        Ok(())
    }

    /// Only a late execution of an order that had ended, whose reservation was free, can break the limit.
    fn within_limit(&self) -> bool {
        let gate = self.gate.as_ref().unwrap();
        let position = gate.account().position(linear().id).unwrap().size;
        let (open_buy, open_sell) = gate.reserved(linear().id).unwrap();
        position + open_buy <= MAX_POSITION && position - open_sell >= -MAX_POSITION
    }
}

fn fill_size(report: &VenueReport) -> i64 {
    match report.outcome {
        VenueOutcome::Filled { size, .. } => size,
        _ => 0,
    }
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let file = TempLog::new();
    let (gate, _) = file.open(limits(), T0);
    let mut model = Model {
        file,
        gate: Some(gate),
        now_ns: T0,
        approvals: Vec::new(),
        sent: BTreeMap::new(),
        refused: BTreeSet::new(),
        told: BTreeSet::new(),
        next_trade: 1,
    };
    let mut late = false;
    for step in steps {
        if let Step::Fill { which, .. } = step
            && let Some(id) = model.pick_open(*which)
        {
            late |= model.gate().order(id).unwrap().status.is_final();
        }
        model.step(step)?;
        model.check()?;
        prop_assert!(late || model.within_limit(), "position and reservations beyond the limit after {step:?}");
    }
    model.crash(0)?;
    model.check()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_is_lost_nothing_is_sent_twice_nothing_passes_the_limit(steps in steps()) {
        run(&steps)?;
    }
}
