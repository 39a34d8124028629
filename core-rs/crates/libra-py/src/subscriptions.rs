//! Who handles what: handlers by event type and, where they ask for it, by instrument.
//!
//! The handlers of an event are an immutable list, replaced as a whole when it changes; so a handler may subscribe and
//! unsubscribe while an event is on its way through the old list. One that was taken out meanwhile is not called any more,
//! one that came in sees the next event.
//!
//! Handlers of single instruments are found by a hash of the instrument: ten thousand of them cost an event what one does.
//! The list of an instrument (its own handlers and those of all instruments, in the order of subscription) is made when its
//! first event comes, and thrown away when it changes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use libra_kernel::{EventType, Name};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::event::PyEvent;
use crate::gil::GilCell;
use crate::handlers::{Handler, Wanted};

/// The handlers of an event, as they were when it was taken up.
#[derive(Clone)]
pub enum HandlerList {
    /// The usual case, one step of memory nearer.
    One(Arc<Handler>),
    Many(Arc<[Arc<Handler>]>),
}

impl Default for HandlerList {
    fn default() -> Self {
        HandlerList::Many(Arc::default())
    }
}

impl FromIterator<Arc<Handler>> for HandlerList {
    fn from_iter<T: IntoIterator<Item = Arc<Handler>>>(handlers: T) -> Self {
        let mut handlers: Vec<_> = handlers.into_iter().collect();
        match (handlers.pop(), handlers.is_empty()) {
            (Some(one), true) => HandlerList::One(one),
            (last, _) => HandlerList::Many(handlers.into_iter().chain(last).collect()),
        }
    }
}

impl Deref for HandlerList {
    type Target = [Arc<Handler>];

    #[inline]
    fn deref(&self) -> &Self::Target {
        match self {
            HandlerList::One(handler) => std::slice::from_ref(handler),
            HandlerList::Many(handlers) => handlers,
        }
    }
}

/// The batch handlers that have gathered something, in the order of their first event.
pub type Gathering = GilCell<VecDeque<Arc<Handler>>>;

/// A list of handlers, with what tells whether it is still the right one: so that a run of events of one kind does not look
/// for it each time.
pub struct Known {
    event_type: EventType,
    /// `None` where the handlers of all instruments are the same.
    instrument: Option<Name>,
    version: u64,
    pub handlers: HandlerList,
}

impl Known {
    #[inline]
    pub fn is_current(&self, event_type: EventType, instrument: Name, subscriptions: &Subscriptions) -> bool {
        self.event_type == event_type
            && self.version == subscriptions.version
            && self.instrument.is_none_or(|known| known == instrument)
    }
}

/// Handlers by event type, and subscriptions by id.
pub struct Subscriptions {
    by_type: Vec<OfType>,
    by_id: HashMap<String, Arc<Handler>>,
    gathering: Arc<Gathering>,
    max_per_type: usize,
    /// Counts subscriptions.
    order: u64,
    /// Counts changes of the lists.
    version: u64,
}

/// The handlers of one event type.
#[derive(Default)]
struct OfType {
    count: usize,
    /// Handlers of all instruments.
    all: Vec<Arc<Handler>>,
    /// Handlers of single instruments.
    some: HashMap<Name, Vec<Arc<Handler>>, ByNumber>,
    /// `all` as a list; `None` until it is asked for.
    everywhere: Option<HandlerList>,
    /// The lists of instruments that have handlers of their own.
    merged: HashMap<Name, HandlerList, ByNumber>,
}

impl OfType {
    fn insert(&mut self, handler: &Arc<Handler>) {
        self.count += 1;
        if handler.instruments.is_empty() {
            self.all.push(handler.clone());
            self.forget_lists();
        }
        for instrument in &handler.instruments {
            self.some.entry(*instrument).or_default().push(handler.clone());
            self.merged.remove(instrument);
        }
    }

    fn remove(&mut self, handler: &Arc<Handler>) {
        self.count -= 1;
        let is_other = |other: &Arc<Handler>| !Arc::ptr_eq(other, handler);
        if handler.instruments.is_empty() {
            self.all.retain(is_other);
            self.forget_lists();
        }
        for instrument in &handler.instruments {
            self.merged.remove(instrument);
            if let Some(own) = self.some.get_mut(instrument) {
                own.retain(is_other);
                if own.is_empty() {
                    self.some.remove(instrument);
                }
            }
        }
    }

    fn forget_lists(&mut self) {
        self.everywhere = None;
        self.merged.clear();
    }

    #[inline]
    fn list(&mut self, instrument: Name) -> HandlerList {
        if !self.some.is_empty() {
            if let Some(list) = self.merged.get(&instrument) {
                return list.clone();
            }
            if let Some(own) = self.some.get(&instrument) {
                let mut both: Vec<Arc<Handler>> = self.all.iter().chain(own).cloned().collect();
                both.sort_by_key(|handler| handler.order);
                let list: HandlerList = both.into_iter().collect();
                self.merged.insert(instrument, list.clone());
                return list;
            }
        }
        self.everywhere.get_or_insert_with(|| self.all.iter().cloned().collect()).clone()
    }
}

impl Subscriptions {
    pub fn new(max_per_type: usize) -> Self {
        let types = EventType::ALL.iter().map(|t| *t as usize).max().unwrap_or(0) + 1;
        Subscriptions {
            by_type: (0..types).map(|_| OfType::default()).collect(),
            by_id: HashMap::new(),
            gathering: Arc::new(GilCell::new(VecDeque::new())),
            max_per_type,
            order: 0,
            version: 0,
        }
    }

    pub fn subscribe(&mut self, mut wanted: Wanted) -> PyResult<String> {
        let of_type = &mut self.by_type[wanted.event_type as usize];
        if of_type.count >= self.max_per_type {
            return Err(PyRuntimeError::new_err(format!(
                "Max handlers ({}) reached for {}",
                self.max_per_type,
                wanted.event_type.name()
            )));
        }
        wanted.instruments.sort_unstable();
        wanted.instruments.dedup();
        self.order += 1;
        let handler = Arc::new(Handler::new(wanted, self.order, Arc::downgrade(&self.gathering)));
        of_type.insert(&handler);
        self.version += 1;
        let id = uuid4();
        self.by_id.insert(id.clone(), handler);
        Ok(id)
    }

    /// Takes a subscription out. What it gives has to be dropped outside a borrow: the end of a handler may run Python.
    #[must_use]
    pub fn unsubscribe(&mut self, py: Python<'_>, id: &str) -> Option<Arc<Handler>> {
        let handler = self.by_id.remove(id)?;
        handler.retire();
        self.version += 1;
        self.by_type[handler.event_type as usize].remove(&handler);
        self.gathering.briefly(py).retain(|other| !Arc::ptr_eq(other, &handler));
        Some(handler)
    }

    /// Ids of the subscriptions of `call` to `event_type`. Comparing may run Python code, so the lists come out first.
    pub fn ids_of(&self, py: Python<'_>, event_type: EventType) -> Vec<(String, Py<PyAny>)> {
        let mut ids: Vec<(String, Py<PyAny>)> = (self.by_id.iter())
            .filter(|(_, handler)| handler.event_type == event_type)
            .map(|(id, handler)| (id.clone(), handler.call.clone_ref(py)))
            .collect();
        ids.sort_by(|a, b| a.0.cmp(&b.0));
        ids
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The handlers of an event, with what tells later whether they are still the right ones.
    #[inline]
    pub fn known(&mut self, event_type: EventType, instrument: Name) -> Known {
        let handlers = self.of(event_type, instrument);
        let is_one_list = self.by_type[event_type as usize].some.is_empty();
        let instrument = (!is_one_list).then_some(instrument);
        Known { event_type, instrument, version: self.version, handlers }
    }

    /// The handlers of an event, in the order of subscription.
    #[inline]
    pub fn of(&mut self, event_type: EventType, instrument: Name) -> HandlerList {
        self.by_type[event_type as usize].list(instrument)
    }

    /// Takes every subscription out, to be dropped outside a borrow.
    #[must_use]
    pub fn take_all(&mut self, py: Python<'_>) -> Vec<Arc<Handler>> {
        let handlers: Vec<Arc<Handler>> = std::mem::take(&mut self.by_id).into_values().collect();
        self.by_type.iter_mut().for_each(|of_type| *of_type = OfType::default());
        handlers.iter().for_each(|handler| handler.retire());
        self.gathering.briefly(py).clear();
        self.version += 1;
        handlers
    }

    /// Ids of all subscriptions, in a fixed order.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.by_id.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// What no handler asks for any more in the way of `gone`, now that it is out.
    pub fn no_longer_wanted(&self, gone: &Handler) -> Vec<(EventType, Name)> {
        let rest = &self.by_type[gone.event_type as usize];
        let wanted = if gone.instruments.is_empty() { &[Name::NONE][..] } else { &gone.instruments };
        let is_unwanted = |instrument: &&Name| match instrument.is_none() {
            true => !rest.all.iter().any(|other| other.own == gone.own),
            false => !rest.some.get(instrument).into_iter().flatten().any(|other| other.own == gone.own),
        };
        wanted.iter().filter(is_unwanted).map(|instrument| (gone.event_type, *instrument)).collect()
    }

    /// True when a batch handler has gathered something.
    pub fn has_gathered(&self, py: Python<'_>) -> bool {
        !self.gathering.briefly(py).is_empty()
    }

    /// The next batch handler that has gathered something.
    pub fn next_gathering(&self, py: Python<'_>) -> Option<Arc<Handler>> {
        self.gathering.briefly(py).front().cloned()
    }

    /// Takes what batch handlers have gathered and not been given: objects to be dropped outside a borrow, and the numbers
    /// of the events.
    #[must_use]
    pub fn take_gathered(&self, py: Python<'_>) -> (Vec<Py<PyEvent>>, Vec<u64>) {
        let handlers = std::mem::take(&mut *self.gathering.briefly(py));
        let (mut objects, mut numbers) = (Vec::new(), Vec::new());
        // None of them ends here: those that are taken out are not on the list.
        for handler in &handlers {
            let (events, sequences) = handler.take_gathered(py);
            objects.extend(events);
            numbers.extend(sequences);
        }
        (objects, numbers)
    }

    /// Shows the garbage collector every handler and filter.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for handler in self.by_id.values() {
            visit.call(&handler.call)?;
            visit.call(&handler.filter)?;
        }
        Ok(())
    }
}

/// Names are numbers, dense from 0: multiplied by an odd constant they spread over a table's buckets.
#[derive(Default)]
struct NumberHasher(u64);

type ByNumber = BuildHasherDefault<NumberHasher>;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio (Knuth, "The Art of Computer Programming", vol. 3, 6.4).
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn uuid4() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
