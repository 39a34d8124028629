//! What arrives at a node: from the threads that read to its router.
//!
//! Each urgent lane has a bounded queue of its own, so that a request that waits for room in a mailbox holds up neither the kill
//! switch nor anything else of another lane. Nothing is lost in them: a thread that finds one full keeps the event, and an event
//! that the router gives back is the first of its lane to be offered again. Market data comes through an edge, under its policies.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use libra_kernel::edge::{EdgeReceiver, EdgeSender, edge_of};
use libra_kernel::router::RemoteOrigin;
use libra_kernel::wake::Waker;
use libra_kernel::{Event, Lane};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::shared::Shared;

const URGENT: [Lane; 3] = [Lane::Risk, Lane::Orders, Lane::Signals];

/// An event of another node, with its place where it is durable.
pub struct Arrival {
    /// The event as it was published, but for its number.
    pub event: Event,
    /// Its place in its channel; none for what nobody acknowledges.
    pub origin: Option<RemoteOrigin>,
}

/// Makes the queues: the thread's end of the urgent ones, the loop's end, and the thread's end for market data.
pub(super) fn inbound(
    arrivals: usize,
    market: usize,
    shared: Arc<Shared>,
    node: Arc<Waker>,
) -> (Arrivals, Inbound, EdgeSender) {
    let (senders, lanes) = URGENT.map(|_| HeapRb::new(arrivals).split()).into_iter().unzip();
    let (market_in, market_out) = edge_of(1, market, node.clone());
    (
        Arrivals { lanes: senders, shared: shared.clone(), node },
        Inbound { lanes, stuck: [const { None }; 3], market: market_out, shared },
        market_in,
    )
}

/// A thread's end of the urgent lanes.
pub struct Arrivals {
    lanes: Vec<HeapProd<Arrival>>,
    shared: Arc<Shared>,
    node: Arc<Waker>,
}

impl Arrivals {
    /// Hands an urgent event over and wakes the loop, or gives it back when its lane is full: then the urgent thread is woken
    /// when there is room. What belongs on MARKET_DATA is given back too.
    pub fn offer(&mut self, arrival: Arrival) -> Option<Arrival> {
        let Some(lane) = self.lanes.get_mut(arrival.event.lane() as usize) else { return Some(arrival) };
        let Err(mut arrival) = lane.try_push(arrival) else {
            self.node.notify();
            return None;
        };
        self.shared.wants_room.store(true, Ordering::Relaxed);
        // Of this fence and the one in `made_room_for_arrivals` one comes first: the room is seen here, or the flag there.
        fence(Ordering::SeqCst);
        match lane.try_push(arrival) {
            Ok(()) => {
                self.node.notify();
                None
            }
            Err(back) => {
                arrival = back;
                Some(arrival)
            }
        }
    }

    /// How many events of a lane can be handed over now, at least.
    pub fn room(&self, lane: Lane) -> usize {
        self.lanes.get(lane as usize).map_or(0, Observer::vacant_len)
    }
}

/// The loop's end.
pub struct Inbound {
    lanes: Vec<HeapCons<Arrival>>,
    /// Of each lane: an event that the router had no room for.
    stuck: [Option<Arrival>; 3],
    market: EdgeReceiver,
    shared: Arc<Shared>,
}

impl Inbound {
    /// Takes urgent events in, up to `most` of each lane; `deliver` gives one back that has no room, which stops its lane. Gives
    /// how many were delivered.
    pub fn receive_urgent(&mut self, most: usize, mut deliver: impl FnMut(Arrival) -> Option<Arrival>) -> usize {
        self.shared.comes_round();
        let mut delivered = 0;
        for (index, (queue, stuck)) in self.lanes.iter_mut().zip(&mut self.stuck).enumerate() {
            let mut of_lane = 0;
            while of_lane < most {
                let Some(arrival) = stuck.take().or_else(|| queue.try_pop()) else { break };
                *stuck = deliver(arrival);
                if stuck.is_some() {
                    break;
                }
                of_lane += 1;
            }
            self.shared.lanes[index].arrived.add(of_lane as u64);
            delivered += of_lane;
        }
        if delivered != 0 {
            self.shared.made_room_for_arrivals();
        }
        delivered
    }

    /// Takes market data in, up to `most` events.
    pub fn receive_market(&mut self, most: usize, mut deliver: impl FnMut(Event)) -> usize {
        // Types of MARKET_DATA alone come this way.
        let taken = self.market.receive(most, &mut deliver);
        self.shared.lanes[Lane::MarketData as usize].arrived.add(taken as u64);
        taken
    }

    /// True when there is nothing to take in but what waits for room in a mailbox: its actor wakes the loop.
    pub fn is_idle(&self) -> bool {
        self.market.is_empty()
            && self.lanes.iter().zip(&self.stuck).all(|(queue, stuck)| stuck.is_some() || queue.is_empty())
    }

    /// Events of urgent lanes that wait for room in a mailbox.
    pub fn stuck(&self) -> usize {
        self.stuck.iter().flatten().count()
    }
}
