//! The queues behind one face: what sends, and what receives from one or several senders.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crossbeam_channel as channel;
use crossbeam_queue::ArrayQueue;
use libra_kernel::edge::{EdgeReceiver, EdgeSender, edge};
use libra_kernel::event::Quote;
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Name, Payload};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// An order event: with a full edge it waits at the sender, where a quote would be conflated.
pub fn event(source: Name, tag: u64) -> Event {
    let mut event =
        Event::new(EventType::OrderFilled, source, 1, Payload::Quote(Quote { bid: tag as i64, ..Quote::default() }));
    event.sequence = tag;
    event
}

/// A bounded queue of a kind.
pub trait Queue {
    /// What a producer holds.
    type Sender: Send;
    /// What the consumer holds.
    type Receiver;

    /// A queue for so many producers.
    fn open(capacity: usize, producers: usize) -> (Vec<Self::Sender>, Self::Receiver);
    /// Gives the event back where there is no room.
    #[expect(clippy::result_large_err, reason = "what the queues measured here do")]
    fn send(sender: &mut Self::Sender, event: Event) -> Result<(), Event>;
    /// Sends what there is room for, and gives how many.
    fn send_many(sender: &mut Self::Sender, events: &mut dyn Iterator<Item = Event>) -> usize;
    /// The next event.
    fn receive(receiver: &mut Self::Receiver) -> Option<Event>;
    /// Up to so many events, and how many.
    fn receive_many(receiver: &mut Self::Receiver, most: usize, take: &mut dyn FnMut(Event)) -> usize;
}

/// `ringbuf`, single producer and single consumer.
pub struct RingEnds;

impl Queue for RingEnds {
    type Sender = HeapProd<Event>;
    type Receiver = HeapCons<Event>;

    fn open(capacity: usize, producers: usize) -> (Vec<Self::Sender>, Self::Receiver) {
        assert_eq!(producers, 1);
        let (sender, receiver) = HeapRb::new(capacity).split();
        (vec![sender], receiver)
    }
    #[inline]
    fn send(sender: &mut Self::Sender, event: Event) -> Result<(), Event> {
        sender.try_push(event)
    }
    fn send_many(sender: &mut Self::Sender, events: &mut dyn Iterator<Item = Event>) -> usize {
        sender.push_iter(events)
    }
    #[inline]
    fn receive(receiver: &mut Self::Receiver) -> Option<Event> {
        receiver.try_pop()
    }
    fn receive_many(receiver: &mut Self::Receiver, most: usize, take: &mut dyn FnMut(Event)) -> usize {
        const ROOM: usize = 256;
        let mut places = [const { MaybeUninit::uninit() }; ROOM];
        let count = receiver.pop_slice_uninit(&mut places[..most.min(ROOM)]);
        // SAFETY: so many places hold an event, and each is read once.
        places[..count].iter().for_each(|place| take(unsafe { place.assume_init_read() }));
        count
    }
}

/// The kernel's edge: one for each producer, polled in turn. `MEMBARRIER` as the machine offers it, or full fences.
pub struct EdgeEnds<const MEMBARRIER: bool>;

/// The consumer's ends, and which is looked at first.
pub struct Edges {
    edges: Vec<EdgeReceiver>,
    next: usize,
}

impl<const MEMBARRIER: bool> Queue for EdgeEnds<MEMBARRIER> {
    type Sender = EdgeSender;
    type Receiver = Edges;

    fn open(capacity: usize, producers: usize) -> (Vec<EdgeSender>, Edges) {
        let waker = if MEMBARRIER { Waker::new() } else { Waker::without_membarrier() };
        let waker = Arc::new(waker.expect("a descriptor"));
        let (senders, edges) = (0..producers).map(|_| edge(capacity, waker.clone())).unzip();
        (senders, Edges { edges, next: 0 })
    }
    #[inline]
    fn send(sender: &mut EdgeSender, event: Event) -> Result<(), Event> {
        // A producer that outruns its consumer waits, as with the other queues, instead of growing its overflow.
        if !sender.flush() {
            return Err(event);
        }
        assert!(sender.send(event), "facts are never refused");
        Ok(())
    }
    fn send_many(sender: &mut EdgeSender, events: &mut dyn Iterator<Item = Event>) -> usize {
        if sender.flush() { sender.send_many(events) } else { 0 }
    }
    #[inline]
    fn receive(receiver: &mut Edges) -> Option<Event> {
        for _ in 0..receiver.edges.len() {
            if let Some(event) = receiver.edges[receiver.next].pop() {
                return Some(event);
            }
            receiver.next = (receiver.next + 1) % receiver.edges.len();
        }
        None
    }
    fn receive_many(receiver: &mut Edges, most: usize, take: &mut dyn FnMut(Event)) -> usize {
        receiver.edges.iter_mut().map(|edge| edge.receive(most, &mut *take)).sum()
    }
}

/// `crossbeam-queue`, any number of producers.
pub struct ArrayQueueEnds;

impl Queue for ArrayQueueEnds {
    type Sender = Arc<ArrayQueue<Event>>;
    type Receiver = Arc<ArrayQueue<Event>>;

    fn open(capacity: usize, producers: usize) -> (Vec<Self::Sender>, Self::Receiver) {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (vec![queue.clone(); producers], queue)
    }
    #[inline]
    fn send(sender: &mut Self::Sender, event: Event) -> Result<(), Event> {
        sender.push(event)
    }
    fn send_many(sender: &mut Self::Sender, events: &mut dyn Iterator<Item = Event>) -> usize {
        events.take_while(|event| sender.push(event.clone()).is_ok()).count()
    }
    #[inline]
    fn receive(receiver: &mut Self::Receiver) -> Option<Event> {
        receiver.pop()
    }
    fn receive_many(receiver: &mut Self::Receiver, most: usize, take: &mut dyn FnMut(Event)) -> usize {
        std::iter::from_fn(|| receiver.pop()).take(most).map(take).count()
    }
}

/// `crossbeam-channel`, bounded.
pub struct ChannelEnds;

impl Queue for ChannelEnds {
    type Sender = channel::Sender<Event>;
    type Receiver = channel::Receiver<Event>;

    fn open(capacity: usize, producers: usize) -> (Vec<Self::Sender>, Self::Receiver) {
        let (sender, receiver) = channel::bounded(capacity);
        (vec![sender; producers], receiver)
    }
    #[inline]
    fn send(sender: &mut Self::Sender, event: Event) -> Result<(), Event> {
        sender.try_send(event).map_err(channel::TrySendError::into_inner)
    }
    fn send_many(sender: &mut Self::Sender, events: &mut dyn Iterator<Item = Event>) -> usize {
        events.take_while(|event| sender.try_send(event.clone()).is_ok()).count()
    }
    #[inline]
    fn receive(receiver: &mut Self::Receiver) -> Option<Event> {
        receiver.try_recv().ok()
    }
    fn receive_many(receiver: &mut Self::Receiver, most: usize, take: &mut dyn FnMut(Event)) -> usize {
        receiver.try_iter().take(most).map(take).count()
    }
}
