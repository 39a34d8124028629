//! Messages between actors of different nodes.

use std::sync::Arc;

use libra_kernel::router::{Delivery, RemoteOrigin};
use libra_kernel::{Encoded, Event, EventType, Name, Payload, SharedPayload, clock};
use libra_net::bridge::mail::{Mail, MailKind, TAG};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::gil::GilOnce;
use crate::node::{NodeCore, State};
use crate::payload;

/// A message from an actor of another node, or an answer.
#[pyclass(frozen, immutable_type, name = "Mail", module = "libra_core")]
pub struct PyMail {
    payload: Arc<dyn SharedPayload>,
    body: GilOnce<Py<PyAny>>,
}

impl PyMail {
    /// None for a payload that is no message.
    pub fn new(payload: &Arc<dyn SharedPayload>) -> Option<Self> {
        mail_of(payload).map(|_| PyMail { payload: payload.clone(), body: GilOnce::new() })
    }

    fn mail(&self) -> Mail<'_> {
        mail_of(&self.payload).expect("looked at when it was made")
    }
}

fn mail_of(payload: &Arc<dyn SharedPayload>) -> Option<Mail<'_>> {
    Mail::decode(payload.as_any().downcast_ref::<Encoded>()?)
}

#[pymethods]
impl PyMail {
    /// `tell`, `ask`, `reply` or `refusal`.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_name(self.mail().kind)
    }

    /// Which ask it is, or answers; 0 for a tell.
    #[getter]
    fn id(&self) -> u128 {
        self.mail().id
    }

    /// Who sends it: `NODE/ACTOR`, or `NODE/` for no actor.
    #[getter]
    fn sender(&self) -> &str {
        self.mail().from
    }

    /// What it says, decoded when it is first asked for. CodecError where this node cannot.
    #[getter]
    fn message(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mail = self.mail();
        Ok(self.body.get_or_try_init(py, || payload::decode(py, mail.tag, mail.body))?.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        let mail = self.mail();
        format!("Mail({} from {:?} to {:?})", kind_name(mail.kind), mail.from, mail.to)
    }
}

fn kind_name(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Tell => "tell",
        MailKind::Ask => "ask",
        MailKind::Reply => "reply",
        MailKind::Refusal => "refusal",
    }
}

#[pymethods]
impl NodeCore {
    /// The name under which other nodes know this one; None without a bridge.
    #[getter]
    fn node_name(&self, py: Python<'_>) -> Option<String> {
        self.state.borrow(py).bridge.as_ref().map(|bridge| bridge.shared.node().to_owned())
    }

    /// True for another node that is there, as far as this one has heard.
    fn is_node_up(&self, py: Python<'_>, node: &str) -> bool {
        self.state.borrow(py).bridge.as_ref().is_some_and(|bridge| bridge.up.contains(node))
    }

    /// Sends a message to an actor of another node (`NODE/ACTOR`), or an answer (`NODE/`), on behalf of an actor. Gives its
    /// bytes, or 0 when it was refused: the node is not known, or the bridge has no room. CodecError for what cannot be encoded.
    fn post(
        &self,
        py: Python<'_>,
        source_slot: Option<usize>,
        to: &str,
        kind: &str,
        id: u128,
        message: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let kinds = [MailKind::Tell, MailKind::Ask, MailKind::Reply, MailKind::Refusal];
        let kind = (kinds.into_iter().find(|known| kind_name(*known) == kind))
            .ok_or_else(|| PyValueError::new_err(format!("no kind of message: {kind:?}")))?;
        let (parent, source) = match source_slot {
            Some(slot) => match self.origin(py, slot)? {
                Some(origin) => origin,
                None => return Ok(0),
            },
            None => (None, Name::intern("outside")),
        };
        let (tag, body) = payload::encode_tagged(py, message)?;
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let Some(bridge) = &state.bridge else { return Ok(0) };
        let actor = if source_slot.is_some() { source.as_str() } else { "" };
        let from = format!("{}/{actor}", bridge.shared.node());
        let mail = Mail { kind, id, to, from: &from, tag: &tag, body: &body };
        let encoded = mail.encode().ok_or_else(|| PyValueError::new_err(format!("the address {to:?} is too long")))?;
        let bytes = encoded.data().len();
        let payload = Payload::shared(encoded);
        let now_ns = clock::now_ns();
        let event = match &parent {
            Some(parent) => parent.child(EventType::Message, source, now_ns, payload),
            None => Event::new(EventType::Message, source, now_ns, payload),
        };
        if let (Some(parent), Some(recorder)) = (&parent, state.router.recorder()) {
            recorder.caused(parent, &event);
        }
        let kept = event.clone();
        let taken = bridge.shared.wants(&event) && state.router.post(event);
        if !taken {
            state.note_letter(libra_kernel::letters::Reason::Refused, source, Some(&kept));
        }
        self.wake(state);
        Ok(if taken { bytes } else { 0 })
    }

    /// Called with (id, answer, refusal) when an answer came: the refusal is None, or why there is no answer.
    fn set_on_answer(&self, py: Python<'_>, call: Py<PyAny>) {
        let previous = self.state.borrow(py).on_answer.replace(call);
        drop(previous);
    }
}

impl NodeCore {
    /// Hands the answers that came to whoever waits for them, beside all mailboxes.
    pub fn hand_out_answers(&self, py: Python<'_>) -> PyResult<()> {
        let (answers, call) = {
            let mut state = self.state.borrow(py);
            let Some(bridge) = state.bridge.as_mut().filter(|bridge| !bridge.answers.is_empty()) else { return Ok(()) };
            let answers = std::mem::take(&mut bridge.answers);
            (answers, state.on_answer.as_ref().map(|call| call.clone_ref(py)))
        };
        let Some(call) = call else { return Ok(()) };
        for answer in answers {
            let Some(mail) = mail_of(&answer) else { continue };
            let (said, refusal) = match (payload::decode(py, mail.tag, mail.body), mail.kind) {
                (Ok(said), MailKind::Refusal) => (py.None(), Some(said.bind(py).str()?.to_string())),
                (Ok(said), _) => (said, None),
                // The asker learns why it gets no answer.
                (Err(error), _) => (py.None(), Some(error.to_string())),
            };
            call.call1(py, (mail.id, said, refusal))?;
        }
        Ok(())
    }
}

/// Brings a message to the mailbox of its actor, or an answer to whoever waits.
pub fn route(
    state: &mut State,
    node: &str,
    answers: &mut Vec<Arc<dyn SharedPayload>>,
    undeliverable: &mut u64,
    event: Event,
    origin: Option<RemoteOrigin>,
) -> Delivery {
    let lane = event.lane();
    let Payload::Shared(payload) = &event.payload else { return pass(state, undeliverable, &event, origin) };
    let Some((mail, (to_node, actor))) = mail_of(payload).and_then(|mail| Some((mail, mail.address()?))) else {
        return pass(state, undeliverable, &event, origin);
    };
    if to_node != node {
        return pass(state, undeliverable, &event, origin);
    }
    if matches!(mail.kind, MailKind::Reply | MailKind::Refusal) {
        if state.router.pass_remote(lane, origin) {
            answers.push(payload.clone());
        }
        return Delivery::Taken;
    }
    if let Some(slot) = state.slot_named(actor) {
        return state.router.send_remote(slot, event, origin);
    }
    if state.router.pass_remote(lane, origin) {
        *undeliverable += 1;
        state.note_unknown(actor, &event);
        if mail.kind == MailKind::Ask {
            refuse(state, &event, &mail);
        }
    }
    Delivery::Taken
}

/// A message that this node can do nothing with: its place is applied, or it would come for ever.
fn pass(state: &mut State, undeliverable: &mut u64, event: &Event, origin: Option<RemoteOrigin>) -> Delivery {
    *undeliverable += u64::from(state.router.pass_remote(event.lane(), origin));
    Delivery::Ignored
}

/// The asked actor is not here: the asker learns that at once. Where the bridge is full it learns by its timeout.
fn refuse(state: &mut State, event: &Event, ask: &Mail<'_>) {
    let Some((asker, _)) = ask.from.split_once('/') else { return };
    let (to, from) = (format!("{asker}/"), ask.to);
    let why = format!("there is no actor {}", ask.to);
    let body = msgpack_text(&why);
    let mail = Mail { kind: MailKind::Refusal, id: ask.id, to: &to, from, tag: "plain", body: &body };
    if let Some(encoded) = mail.encode() {
        let source = Name::intern("outside");
        state.router.post(event.child(EventType::Message, source, clock::now_ns(), Payload::shared(encoded)));
    }
}

/// A text as the codec's `plain` has it: msgpack's str 16 (its specification, "str format family").
fn msgpack_text(text: &str) -> Vec<u8> {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let length = (end as u16).to_be_bytes();
    [&[0xda][..], &length, &text.as_bytes()[..end]].concat()
}

/// The payload of a message as Python sees it.
pub fn to_python(py: Python<'_>, payload: &Arc<dyn SharedPayload>) -> Option<PyResult<Py<PyAny>>> {
    let encoded = payload.as_any().downcast_ref::<Encoded>()?;
    if encoded.tag() != TAG {
        return None;
    }
    Some(Py::new(py, PyMail::new(payload)?).map(Py::into_any))
}
