//! One account over all its lives: the desk with its log and its gateway, driven as production drives them, a venue and
//! a network that lose things, and the truth. Every call into the desk is a place where the process may die.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use libra_kernel::event::Quote;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::{MailboxId, Router};
use libra_kernel::{Event, EventType, Payload};
use libra_trading::desk::{Desk, DeskConfig, Link};
use libra_trading::gate::{Gate, GateConfig, LogConfig, OnBreach, SyncPolicy, client_order_id};
use libra_trading::order::{ClientOrderId, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce, VenueReport};
use libra_trading::portfolio::{PortfolioConfig, Sizing};

use crate::consumer::Consumer;
use crate::cover::Cover;
use crate::disk::Full;
use crate::market::{self, ACCOUNT, T0};
use crate::step::{Death, Kind, Step, Tail};
use crate::truth::{Memory, SECOND, Truth, WINDOW, name};
use crate::venue::Venue;

/// How a step ended early.
#[derive(Debug)]
pub enum End {
    /// The process died: it is started again.
    Died,
    /// A promise is broken.
    Broken(String),
}

pub type Done<T> = Result<T, End>;

pub fn broken<T>(what: impl Into<String>) -> Done<T> {
    Err(End::Broken(what.into()))
}

/// What the gateway has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Order(ClientOrderId),
    Cancel(ClientOrderId),
    Query(ClientOrderId),
}

/// On its way to the venue.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// The venue does not take it behind this time.
    Order(ClientOrderId, Box<OrderRequest>, i64),
    Cancel(ClientOrderId),
    Query(ClientOrderId, u32),
}

/// On its way from the venue, with the connection that it was said on.
#[derive(Clone, Debug)]
pub enum Words {
    Report(VenueReport),
    Answer(u32, ClientOrderId, Vec<VenueReport>),
}

/// What the call that was interrupted may have done already.
#[derive(Clone, Debug, Default)]
pub enum Maybe {
    #[default]
    Nothing,
    /// A quote: approvals that lapse, a loss that is noticed.
    Quote,
    Request(ClientOrderId),
    Approved(ClientOrderId),
    /// The bytes were about to leave, and may have been held back.
    HeldBack(ClientOrderId),
    Submitted(ClientOrderId),
    Report(Box<VenueReport>),
    /// The cancels of these.
    Cancel(BTreeSet<ClientOrderId>),
    Kill,
    Resume,
    /// The second look that shows the same difference.
    Differs,
}

/// What dies with the process.
pub struct Life {
    pub desk: Desk,
    pub router: Router,
    pub inbox: MailboxId,
    /// Every request as soon as it is published.
    pub requests: MailboxId,
    pub tasks: Vec<Task>,
    pub to_ask: BTreeSet<ClientOrderId>,
    /// Orders that the stream said are over, until an answer has said so too.
    pub ended: BTreeSet<ClientOrderId>,
    pub to_cancel: BTreeSet<ClientOrderId>,
}

/// The log's file, gone with the value.
/// Bytes of the log's header.
const HEADER: u64 = 16;

pub struct LogFile(pub PathBuf);

impl LogFile {
    pub fn new(seed: u64) -> LogFile {
        // Of the size of a few pages and written all the time: in memory where there is such a place.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.join(format!("libra-states-{}-{seed:x}-{count}.log", std::process::id()));
        let file = LogFile(path);
        file.remove();
        file
    }

    fn remove(&self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.marker());
    }

    /// What speaks to the next process when the log did not take the kill latch.
    pub fn marker(&self) -> PathBuf {
        self.0.with_extension("log.killed")
    }

    fn mark(&self) {
        fs::write(self.marker(), "").expect("a marker can be made");
    }

    pub fn len(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |found| found.len())
    }

    /// The length of what can be read: the header and whole records.
    fn whole(&self) -> u64 {
        self.ends().last().copied().unwrap_or(0)
    }

    /// Where the header and each whole record end.
    fn ends(&self) -> Vec<u64> {
        let bytes = fs::read(&self.0).unwrap_or_default();
        let mut at = HEADER as usize;
        if bytes.len() < at {
            return Vec::new();
        }
        let mut ends = vec![at as u64];
        while let Some(length) = bytes[at..].first_chunk::<4>() {
            let next = at + u32::from_le_bytes(*length) as usize + 8;
            let Some(frame) = bytes.get(at..next).filter(|frame| frame.len() > 8) else { break };
            let (body, sum) = frame.split_at(frame.len() - 4);
            if crc32c::crc32c(body).to_le_bytes() != sum {
                break;
            }
            at = next;
            ends.push(at as u64);
        }
        ends
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// See the module.
pub struct World {
    pub now_ns: i64,
    pub file: LogFile,
    sync: SyncPolicy,
    /// Ends that come by the stream are asked about first, as the gateway actor does; a native link books them at once.
    pub careful: bool,
    pub life: Option<Life>,
    pub session: u32,
    pub venue: Venue,
    pub out: Vec<Bytes>,
    pub words: Vec<Words>,
    pub truth: Truth,
    pub consumer: Consumer,
    pub cover: Cover,
    pub maybe: Maybe,
    pub armed: Option<Death>,
    limits: u8,
    pub next_request: u128,
    pub prices: BTreeMap<bool, i64>,
    /// Orders that the venue told lies about.
    pub lied: BTreeSet<ClientOrderId>,
    /// Day, passed limits and digest of the account that died between two records.
    digest: Option<(i64, usize, String)>,
    /// It died with so many whole records of the interrupted call in the log.
    pub appended: usize,
    /// What is left of a full disk.
    pub room: u8,
    /// A latch that the log had not taken spoke to this process.
    pub marked: bool,
    /// A request that must not be was seen.
    pub wrong: Option<String>,
    /// What the last signal asked for.
    pub signalled: Vec<OrderRequest>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let instruments = market::instruments();
        World {
            now_ns: T0,
            file: LogFile::new(seed),
            sync: if seed.is_multiple_of(2) { SyncPolicy::EveryRecord } else { SyncPolicy::None },
            careful: !seed.is_multiple_of(3),
            life: None,
            session: 0,
            venue: Venue::default(),
            out: Vec::new(),
            words: Vec::new(),
            truth: Truth {
                instruments,
                opening: market::opening().into_iter().collect(),
                strategies: market::strategies(seed),
                limits: market::limits(0),
                asked: BTreeMap::new(),
                rows: Vec::new(),
                moves: Vec::new(),
                killed: false,
                incident: false,
                lost_day: None,
                day: 0,
                start: (-1, 0),
                halts: seed % 5 == 4,
                intents: 0,
                strangers: BTreeSet::new(),
                strays: BTreeSet::new(),
                memory: Memory::default(),
            },
            consumer: Consumer::default(),
            cover: Cover::default(),
            maybe: Maybe::Nothing,
            armed: None,
            limits: 0,
            next_request: 1,
            prices: BTreeMap::from([(false, market::PRICE), (true, market::PRICE)]),
            lied: BTreeSet::new(),
            digest: None,
            appended: 0,
            room: 0,
            wrong: None,
            signalled: Vec::new(),
            marked: false,
        }
    }

    // Life and death --------------------------------------------------------------------------------------------------

    pub fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("a step is taken by a living process")
    }

    pub fn gate(&self) -> &Gate {
        self.life.as_ref().expect("a step is taken by a living process").desk.gate()
    }

    /// A place where the process may die with everything done that was done.
    pub fn point(&mut self, place: &str) -> Done<()> {
        let length = match self.armed {
            Some(death) if death.point == 0 => self.file.len(),
            _ => {
                self.armed = self.armed.map(|death| Death { point: death.point - 1, ..death });
                return Ok(());
            }
        };
        self.die(place, length, length, length)
    }

    /// A call into the desk: the process may die before it, and within it at any byte of what it appends.
    pub fn call<R>(
        &mut self,
        place: &str,
        maybe: Maybe,
        what: impl FnOnce(&mut Desk, &mut Router, i64) -> R,
    ) -> Done<R> {
        self.point(&format!("before {place}"))?;
        let length = self.armed.map(|_| self.file.len());
        let now_ns = self.now_ns;
        let marked = self.file.marker().exists();
        let full = self.truth.memory.full.then(|| Full::at(self.file.len() + u64::from(self.room)));
        let life = self.life();
        let result = what(&mut life.desk, &mut life.router, now_ns);
        drop(full);
        self.maybe = maybe;
        match (self.armed, length) {
            (Some(death), Some(length)) if death.point == 0 => {
                let appended = self.file.len() - length;
                let cut = length + appended * u64::from(death.cut) / 65_535;
                if marked && cut < self.file.len() {
                    // It goes when all is written.
                    self.file.mark();
                }
                self.die(&format!("in {place}"), length, cut, self.file.len())?;
            }
            (Some(death), _) => self.armed = Some(Death { point: death.point - 1, ..death }),
            (None, _) => {}
        }
        self.look_at_log(place)?;
        Ok(result)
    }

    /// A log fails on a full disk only, until someone resumes; what it is owed it gets as a whole.
    fn look_at_log(&mut self, place: &str) -> Done<()> {
        let (failed, owed) = (self.gate().log_failed(), self.gate().owed());
        let memory = &mut self.truth.memory;
        if failed && !memory.log_failed {
            if !memory.full {
                return broken(format!("the log failed in {place}, with room on the disk"));
            }
            memory.log_failed = true;
            self.cover.note("a write to the log fails");
        } else if !failed && memory.log_failed {
            if place != "a resume" {
                return broken(format!("a failed log was forgotten in {place}"));
            }
            memory.log_failed = false;
        }
        if owed == 0 && !self.truth.memory.owed.is_empty() {
            let paid = std::mem::take(&mut self.truth.memory.owed);
            self.truth.pay(&paid);
            self.cover.note("the log gets what it was owed");
        }
        Ok(())
    }

    fn die<T>(&mut self, place: &str, start: u64, cut: u64, end: u64) -> Done<T> {
        let death = self.armed.expect("it was to die");
        let life = self.life.take().expect("it lived");
        let owes = life.desk.gate().owed() > 0;
        let gate = life.desk.gate();
        self.digest = (cut == end && !owes).then(|| (gate.account().day(), gate.breaches().len(), gate.state_digest()));
        drop(life);
        self.cut(cut, death.tail);
        self.appended = self.file.ends().into_iter().filter(|end| *end > start).count();
        self.cover.note(&format!("died {place}"));
        if self.file.len() > self.file.whole() {
            self.cover.note("a torn record");
        }
        Err(End::Died)
    }

    fn cut(&mut self, length: u64, tail: Tail) {
        // The header is one small write: it is there or not, and without it there is nothing behind it either.
        let (length, tail) = if length < HEADER { (0, Tail::Nothing) } else { (length, tail) };
        let file = fs::OpenOptions::new().write(true).open(&self.file.0).expect("the log is there");
        file.set_len(length).expect("it can be cut");
        if let Tail::Zeros(count) = tail {
            file.set_len(length + u64::from(count)).expect("it can grow");
            self.cover.note("zeros behind the last record");
        }
    }

    fn config(&self) -> DeskConfig {
        let account = name(ACCOUNT);
        let gate = GateConfig {
            limits: market::limits(self.limits),
            instruments: market::instruments(),
            opening: market::opening(),
            log: LogConfig::File { path: self.file.0.clone(), sync: self.sync },
            validity_window_ns: WINDOW,
            on_breach: if self.truth.halts { OnBreach::Halt } else { OnBreach::ReduceOnly },
            // Orders that are over are packed at once, soon, or never in a life.
            keep_whole: [0, 2, 1_000][usize::from(self.limits % 3)],
            ..GateConfig::new(account)
        };
        let sizing = Sizing::fixed_notional("5000").expect("a rule");
        let portfolio = PortfolioConfig { account, sizing, overrides: Vec::new(), allow_short: true, volatility: None };
        DeskConfig { gate, portfolio, strategies: self.truth.strategies.clone(), link: Link::External }
    }

    /// Starts the process until it lives, dying on the way as often as it was to.
    pub fn start(&mut self) -> Done<()> {
        loop {
            let again = self.armed.map_or(0, |death| death.again);
            if let Some(death) = self.armed.take() {
                self.limits = death.limits;
                if again > 0 {
                    self.armed = Some(Death { again: again - 1, ..death });
                }
            }
            let whole = self.file.whole();
            let torn = self.file.len() - whole;
            self.marked = self.file.marker().exists();
            let (desk, recovered) = match Desk::open(self.config(), self.now_ns) {
                Ok(opened) => opened,
                Err(error) => return broken(format!("the log does not open: {error}")),
            };
            if let Some(death) = self.armed {
                // It dies again while it recovers, at any byte of what it has appended by now.
                let cut = whole + (self.file.len() - whole) * u64::from(death.cut) / 65_535;
                drop(desk);
                if self.marked {
                    self.file.mark();
                }
                self.cut(cut, death.tail);
                self.cover.note("died in recovery");
                continue;
            }
            if recovered.torn.map_or(0, |tail| tail.bytes) != torn {
                return broken(format!("{torn} bytes were torn, the log says {:?}", recovered.torn));
            }
            self.session += 1;
            self.cover.lives += 1;
            let mut router = Router::new();
            let inbox = router.add_mailbox(Capacity::Unbounded);
            for &event_type in EventType::ALL {
                router.subscribe(inbox, event_type, libra_kernel::Name::NONE);
            }
            let requests = router.add_mailbox(Capacity::Unbounded);
            router.subscribe(requests, EventType::OrderRequest, libra_kernel::Name::NONE);
            let (tasks, to_ask, ended) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
            let to_cancel = recovered.cancelling.iter().copied().collect();
            self.life = Some(Life { desk, router, inbox, requests, tasks, to_ask, ended, to_cancel });
            self.recovered(&recovered)?;
            let events = recovered.unconfirmed.into_iter().map(|(_, event)| event).collect();
            let now_ns = self.now_ns;
            let life = self.life();
            life.desk.publish_again(&mut life.router, now_ns, events);
            match self.begin() {
                Err(End::Died) => continue,
                other => return other,
            }
        }
    }

    /// What was found is what was there, but for what the interrupted call may have done.
    fn recovered(&mut self, recovered: &libra_trading::gate::Recovered) -> Done<()> {
        // A new day takes the last day's loss back, and a lower limit may be passed by what was lost before.
        if let Some((day, breaches, digest)) = self.digest.take()
            && day == self.gate().account().day()
            && breaches == self.gate().breaches().len()
            && digest != self.gate().state_digest()
        {
            return broken("the account differs from the one that died");
        }
        let maybe = std::mem::take(&mut self.maybe);
        let before = std::mem::take(&mut self.truth.memory);
        self.truth.memory.reconciling = true;
        self.truth.limits = market::limits(self.limits);
        let rows = self.truth.rows.len();
        self.adopt(&maybe, &before, &recovered.cancelling)?;
        self.adopt_day(&before, rows)?;
        self.truth.remember_rates();
        self.watch_losses_at_start()?;
        self.compare("after the restart")?;
        let ids = |orders: &[std::sync::Arc<libra_trading::order::Order>]| -> BTreeSet<ClientOrderId> {
            orders.iter().map(|order| order.client_order_id).collect()
        };
        let (mut unanswered, mut open) = (BTreeSet::new(), BTreeSet::new());
        for id in self.truth.open() {
            let status = self.truth.outcome(id).map(|outcome| outcome.status);
            if status < Some(OrderStatus::Accepted) {
                unanswered.insert(id)
            } else {
                open.insert(id)
            };
        }
        if (ids(&recovered.unanswered), ids(&recovered.open)) != (unanswered, open) {
            return broken("not every open order was handed out again");
        }
        if recovered.killed != self.truth.killed {
            return broken("the kill latch was not handed out");
        }
        Ok(())
    }

    pub fn compare(&mut self, when: &str) -> Done<()> {
        self.cover.compared += 1;
        if let Some(wrong) = self.wrong.take() {
            return broken(wrong);
        }
        self.truth.compare(self.gate()).or_else(|what| broken(format!("{when}: {what}")))
    }

    // The market and the strategies -----------------------------------------------------------------------------------

    pub fn quote(&mut self, spot: bool, ticks: i8) -> Done<()> {
        self.now_ns += 1_000_000;
        let price = self.prices.get_mut(&spot).expect("both have one");
        *price = (*price + 10 * i64::from(ticks)).max(market::PRICE / 2);
        let (bid, ask) = (*price, *price + 10);
        let instrument = &self.truth.instruments[usize::from(spot)];
        let decimals = (instrument.price_decimals, instrument.size_decimals);
        let id = instrument.id;
        let payload = Payload::Quote(Quote { bid, ask, bid_size: 5_000, ask_size: 5_000, ..Quote::default() });
        let event = Event::market(EventType::Quote, name("market"), id, decimals, self.now_ns, payload);
        self.call("a quote", Maybe::Quote, |desk, router, now_ns| desk.on_market(router, now_ns, &event))?;
        self.truth.turn_day(self.now_ns, self.truth.dollars());
        self.truth.memory.quotes.insert(id, (bid, ask, self.now_ns));
        self.truth.begin_day(self.truth.dollars());
        if !self.truth.memory.full {
            self.truth.book_again();
            if self.gate().owed() > 0 {
                return broken("the log can be written and has not what it is owed");
            }
        }
        for lapsed in self.truth.lapse(self.now_ns) {
            self.met(lapsed, "approval lapses");
        }
        for _ in 0..self.truth.end_unsent(self.now_ns) {
            self.cover.note("an order's time to leave is over");
        }
        self.done();
        self.watch_losses(true)?;
        self.pursue_unwanted();
        self.see_who_rests()
    }

    /// What must not stay is cancelled.
    pub fn pursue_unwanted(&mut self) {
        for (why, again) in self.truth.pursue_unwanted(self.now_ns) {
            self.cover.note(&format!("an order is cancelled{} for {why}", if again { " again" } else { "" }));
        }
        if self.truth.lost_day.is_some() && self.truth.open().len() > self.life().desk.gate().cancels_pending() {
            self.cover.note("an order that reduces stays behind a loss");
        }
    }

    pub fn request(&mut self, step: Step) -> Done<()> {
        let Step::Request { spot, buy, kind, size, ticks, ttl_ms, strategy } = step else { return Ok(()) };
        let instrument = &self.truth.instruments[usize::from(spot)];
        let market = matches!(kind, Kind::Market);
        let request = OrderRequest {
            request_id: self.next_request,
            signal_id: 0,
            account: name(ACCOUNT),
            strategy: self.strategy(strategy),
            instrument: instrument.id,
            side: if buy { OrderSide::Buy } else { OrderSide::Sell },
            order_type: if market { OrderType::Market } else { OrderType::Limit },
            time_in_force: match kind {
                Kind::Limit => TimeInForce::Gtc,
                Kind::PostOnly => TimeInForce::PostOnly,
                Kind::Market | Kind::Ioc => TimeInForce::Ioc,
                Kind::Fok => TimeInForce::Fok,
            },
            size: i64::from(size) * if spot { 37 } else { 1 },
            price: if market { 0 } else { self.prices[&spot] + 10 * i64::from(ticks) },
            deadline_ns: if ttl_ms == 0 { 0 } else { self.now_ns + i64::from(ttl_ms) * 1_000_000 },
            ts_origin_ns: 0,
        };
        self.next_request += 1;
        self.ask(request)
    }

    pub fn strategy(&self, which: u8) -> libra_kernel::Name {
        self.truth.strategies[usize::from(which) % self.truth.strategies.len()]
    }

    /// A strategy publishes a request.
    pub fn ask(&mut self, request: OrderRequest) -> Done<()> {
        let id = client_order_id(name(ACCOUNT), request.request_id);
        let asked = crate::truth::Asked { request: request.clone(), outcome: None, left: 0, left_ns: 0 };
        self.truth.asked.entry(id).or_insert(asked);
        let event = Event::new(EventType::OrderRequest, request.strategy, self.now_ns, Payload::shared(request));
        self.life().router.publish(event);
        Ok(())
    }

    /// The one that a number means among many.
    pub fn pick<T: Clone>(which: u8, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(usize::from(which) % of.len()).cloned() }
    }

    /// An order that is open if there is one, else any that was asked for.
    pub fn pick_order(&self, which: u8) -> Option<ClientOrderId> {
        let open = self.truth.open();
        let all: Vec<_> = self.truth.asked.keys().copied().collect();
        Self::pick(which, if open.is_empty() || which % 8 == 7 { &all } else { &open })
    }

    pub fn done(&mut self) {
        self.maybe = Maybe::Nothing;
        self.see_flattenings();
    }

    pub fn met(&mut self, id: ClientOrderId, event: &str) {
        let state = match self.truth.outcome(id) {
            None if self.truth.memory.approvals.contains_key(&id) => "Approved".to_owned(),
            None => "Unknown".to_owned(),
            Some(outcome) if outcome.refused => "Refused".to_owned(),
            Some(outcome) => format!("{:?}", outcome.status),
        };
        *self.cover.met.entry((state, event.to_owned())).or_default() += 1;
    }

    pub fn wait(&mut self, ms: u32) {
        self.now_ns += i64::from(ms) * 1_000_000;
        if i64::from(ms) * 1_000_000 > SECOND * 3_600 {
            self.cover.note("a day went by");
        }
    }
}
