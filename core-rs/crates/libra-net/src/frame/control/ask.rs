//! Questions and messages to an actor in another node, and the answers.

use super::super::cursor::{Cursor, put_text};
use super::super::error::{EncodeError, Fault};

/// To an actor; the frame's one event is the message. Whoever publishes the frame gets the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Tells the answer from others; 0 for a message that wants none.
    pub request_id: u128,
    /// The actor that is meant.
    pub target: String,
    /// The actor that asks, empty where none does.
    pub asker: String,
    /// Behind this time nobody waits for the answer, nanoseconds since the epoch; 0 for never.
    pub deadline_ns: i64,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The actor answered: the frame's event is the answer.
    Answered = 0,
    /// There is no such actor.
    NoActor = 1,
    /// Its handler raised.
    Raised = 2,
    /// Its mailbox had no room.
    Refused = 3,
    /// The deadline had passed before the actor saw it.
    Expired = 4,
}

/// The answer to a question, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The question's.
    pub request_id: u128,
    /// What became of it.
    pub outcome: Outcome,
    /// More, for people.
    pub detail: String,
}

impl Ask {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.extend_from_slice(&self.request_id.to_le_bytes());
        to.extend_from_slice(&self.deadline_ns.to_le_bytes());
        put_text(to, &self.target)?;
        put_text(to, &self.asker)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (request_id, deadline_ns) = (cursor.u128()?, cursor.i64()?);
        Ok(Ask { request_id, target: cursor.text()?.to_owned(), asker: cursor.text()?.to_owned(), deadline_ns })
    }
}

impl Reply {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.extend_from_slice(&self.request_id.to_le_bytes());
        to.push(self.outcome as u8);
        put_text(to, &self.detail)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let request_id = cursor.u128()?;
        let outcome = match cursor.u8()? {
            0 => Outcome::Answered,
            1 => Outcome::NoActor,
            2 => Outcome::Raised,
            3 => Outcome::Refused,
            4 => Outcome::Expired,
            _ => return Err(Fault::Value),
        };
        Ok(Reply { request_id, outcome, detail: cursor.text()?.to_owned() })
    }
}
