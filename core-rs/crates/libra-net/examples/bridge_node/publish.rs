//! The publisher: paced by the clock, or as fast as its bridge takes it.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libra_kernel::clock::wall_ns;
use libra_kernel::router::RemoteSink;
use libra_kernel::{EventType, Lane};
use libra_net::bridge::news::NewsKind;
use serde_json::{Value, json};

use super::load::{Load, Maker};
use super::{Node, cpu_s};

/// A paced source looks at the clock so often; one without a pace does when the bridge has no room.
const NAP: Duration = Duration::from_micros(200);
const NO_ROOM_NAP: Duration = Duration::from_micros(50);
/// Market events published between two looks at the queue's room.
const BURST: usize = 256;
/// A consumer that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(mut node: Node, load: &Load) -> io::Result<Value> {
    let mut source = Source { maker: Maker::new(), market: 0, orders: 0, durable: 0 };
    if load.market != 0.0 {
        // Nobody wants it yet; but from then on the node offers market data, and consumers ask for what is offered.
        node.side.outbound.published(&source.maker.trade(wall_ns()));
    }
    meet(&node, load)?;
    let (started, cpu_before_s) = (Instant::now(), cpu_s());
    while started.elapsed().as_secs_f64() < load.seconds {
        let has_room = source.turn(&mut node, load, started.elapsed().as_secs_f64());
        if !has_room {
            sleep(NO_ROOM_NAP);
        } else if load.market >= 0.0 && load.durable == 0 {
            sleep(NAP);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    while !node.side.outbound.flush() {
        sleep(NAP);
    }
    let applied = loop {
        let applied = node.side.shared.credits.in_use() == 0;
        if applied || started.elapsed() > PATIENCE + Duration::from_secs_f64(load.seconds) {
            break applied;
        }
        sleep(NAP);
    };
    let (settled_s, used_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu_before_s);
    let market = node.side.shared.counts(Lane::MarketData);
    node.link.stop(Duration::from_secs(1));
    Ok(json!({
        "seconds": seconds, "settled_s": settled_s, "cpu_s": used_s, "applied": applied,
        "market": source.market, "orders": source.orders, "durable": source.durable,
        "sent": market.sent, "dropped": market.dropped, "unwanted": market.unwanted,
    }))
}

/// Waits until the consumer is there, and wants what will be published.
fn meet(node: &Node, load: &Load) -> io::Result<()> {
    let (started, shared) = (Instant::now(), &node.side.shared);
    let mut is_up = false;
    let all = u64::MAX >> (64 - u32::from(load.shards));
    while !is_up || (load.market != 0.0 && shared.wanted.shards_of(EventType::Trade) & all != all) {
        if started.elapsed() > PATIENCE {
            return Err(io::Error::other("the consumer has never come"));
        }
        is_up |= shared.take_news().iter().any(|news| news.kind == NewsKind::NodeUp);
        node.sleep(Duration::from_millis(10), || !shared.has_news());
    }
    Ok(())
}

struct Source {
    maker: Maker,
    market: u64,
    orders: u64,
    durable: u64,
}

impl Source {
    /// Publishes what is due; false where the bridge has no room for more.
    fn turn(&mut self, node: &mut Node, load: &Load, elapsed_s: f64) -> bool {
        let outbound = &mut node.side.outbound;
        let mut has_room = true;
        if load.market != 0.0 {
            // Without a pace, no more than there is room for.
            has_room = load.market > 0.0 || outbound.flush();
            let due = match load.market > 0.0 {
                true => ((elapsed_s * load.market) as u64).saturating_sub(self.market),
                false => {
                    if has_room {
                        BURST as u64
                    } else {
                        0
                    }
                }
            };
            let now_ns = wall_ns();
            (0..due).for_each(|_| outbound.published(&self.maker.trade(now_ns)));
            self.market += due;
        }
        if load.orders > 0.0 && elapsed_s * load.orders >= (self.orders + 1) as f64 {
            let order = self.maker.signal(wall_ns());
            if outbound.accepts(&order) {
                outbound.published(&order);
                self.orders += 1;
            }
        }
        for _ in 0..load.durable {
            let event = self.maker.signal(wall_ns());
            if !outbound.accepts(&event) {
                return false;
            }
            outbound.published(&event);
            self.durable += 1;
        }
        has_room
    }
}
