//! A note: what became of one event at one place.

use crate::event::{Event, EventType};
use crate::ids::TraceId;
use crate::name::Name;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// It was published here.
    Published,
    /// Something urgent came of it here. It is market data that was not sampled, noted for what it caused.
    Cause,
    /// It stands in a frame that the bridge has closed, and leaves with it as soon as the server takes it.
    Sent,
    /// It came from another node and was taken in.
    Received,
    /// An actor's handlers have ended.
    Handled,
    /// An actor's handler raised.
    Failed,
}

impl Step {
    /// The name that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Published => "published",
            Step::Cause => "cause",
            Step::Sent => "sent",
            Step::Received => "received",
            Step::Handled => "handled",
            Step::Failed => "failed",
        }
    }
}

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The event's trace.
    pub trace_id: TraceId,
    /// The event's own span.
    pub span_id: u64,
    /// The span of what caused the event, 0 for a root.
    pub parent_span_id: u64,
    /// Its number in this process (`bus_seq`); of a frame's events that of their publication.
    pub sequence: u64,
    /// When it happened, on the node's clock; where that took time, when it began.
    pub at_ns: i64,
    /// When it ended: as `at_ns` where it took no time.
    pub end_ns: i64,
    /// Who says so.
    pub source: Name,
    /// What it is about, or none.
    pub instrument: Name,
    /// Whose handlers; none where no actor had a part.
    pub actor: Name,
    /// The frame that it left in, from 1 for each writer; 0 for none.
    pub frame: u32,
    /// What happened.
    pub event_type: EventType,
    /// What became of it.
    pub step: Step,
}

const _: () = assert!(std::mem::size_of::<Note>() == 80);

impl Note {
    /// What became of `event` from `at_ns` to `end_ns`.
    #[inline]
    pub fn new(step: Step, event: &Event, sequence: u64, at_ns: i64, end_ns: i64) -> Note {
        Note {
            trace_id: event.trace_id,
            span_id: event.span_id,
            parent_span_id: event.parent_span_id,
            sequence,
            at_ns,
            end_ns,
            source: event.source,
            instrument: event.instrument,
            actor: Name::NONE,
            frame: 0,
            event_type: event.event_type,
            step,
        }
    }
}
