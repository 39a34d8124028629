//! Messages to actors of other nodes.
//!
//! A message is a `MESSAGE` event whose payload is [`Encoded`] under the tag [`TAG`], so that frames carry it as any other, and
//! whoever routes it reads where it goes without decoding what it says. The data: a version byte (1), the kind (0 tell, 1 ask,
//! 2 reply, 3 refusal), the id of the ask (16 bytes, little endian, 0 for a tell), then three texts (to, from, tag of the body)
//! each with its length in two bytes, little endian, then the body to the end.

use libra_kernel::{Encoded, Event, Payload};

use super::credits::Reserve;

/// The tag of a message's payload.
pub const TAG: &str = "libra.mail";

const VERSION: u8 = 1;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Nobody waits for an answer.
    Tell = 0,
    /// Its sender waits for an answer with the same id.
    Ask = 1,
    /// The answer.
    Reply = 2,
    /// There will be no answer; the body says why.
    Refusal = 3,
}

impl MailKind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<MailKind> {
        [MailKind::Tell, MailKind::Ask, MailKind::Reply, MailKind::Refusal]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// A message, read where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail<'a> {
    /// What it is.
    pub kind: MailKind,
    /// Which ask it is or answers.
    pub id: u128,
    /// Where it goes: `NODE/ACTOR`; of an answer `NODE/`.
    pub to: &'a str,
    /// Who sends it: `NODE/ACTOR`, or `NODE/` for no actor.
    pub from: &'a str,
    /// What the body is, for the codec.
    pub tag: &'a str,
    /// What it says.
    pub body: &'a [u8],
}

impl<'a> Mail<'a> {
    /// The message as a payload; none when a text is longer than a length can say.
    pub fn encode(&self) -> Option<Encoded> {
        let mut data = Vec::with_capacity(24 + self.to.len() + self.from.len() + self.tag.len() + self.body.len());
        data.extend([VERSION, self.kind as u8]);
        data.extend(self.id.to_le_bytes());
        for text in [self.to, self.from, self.tag] {
            data.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
            data.extend(text.as_bytes());
        }
        data.extend(self.body);
        Some(Encoded::new(TAG, data))
    }

    /// The message of a payload, if it is one.
    pub fn decode(encoded: &'a Encoded) -> Option<Self> {
        if encoded.tag() != TAG {
            return None;
        }
        let [VERSION, kind, rest @ ..] = encoded.data() else { return None };
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (to, rest) = text(rest)?;
        let (from, rest) = text(rest)?;
        let (tag, body) = text(rest)?;
        Some(Mail { kind: MailKind::from_number(*kind)?, id: u128::from_le_bytes(*id), to, from, tag, body })
    }

    /// The message of an event, if it carries one.
    pub fn of(event: &'a Event) -> Option<Self> {
        match &event.payload {
            Payload::Shared(shared) => Mail::decode(shared.as_any().downcast_ref()?),
            _ => None,
        }
    }

    /// The node and the actor that it goes to.
    pub fn address(&self) -> Option<(&'a str, &'a str)> {
        self.to.split_once('/')
    }
}

fn text(data: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = data.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The node that a message goes to.
pub fn node_of(event: &Event) -> Option<&str> {
    Mail::of(event)?.address().map(|(node, _)| node)
}

/// What a message may use beyond the limit: somebody waits for an answer, and else for the word that there is none.
pub fn reserve(event: &Event) -> Reserve {
    match Mail::of(event).map(|mail| mail.kind) {
        Some(MailKind::Reply) => Reserve::One,
        Some(MailKind::Refusal) => Reserve::Two,
        _ => Reserve::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_what_is_none_is_refused() {
        let mail = Mail {
            kind: MailKind::Ask,
            id: u128::MAX - 5,
            to: "md/feed",
            from: "strat/",
            tag: "plain",
            body: &[1, 2, 3],
        };
        let encoded = mail.encode().expect("short texts");
        assert_eq!(Mail::decode(&encoded), Some(mail));
        assert_eq!(mail.address(), Some(("md", "feed")));
        for cut in 0..encoded.data().len() - mail.body.len() {
            assert_eq!(Mail::decode(&Encoded::new(TAG, &encoded.data()[..cut])), None, "{cut}");
        }
        let mut other = encoded.data().to_vec();
        other[0] = 2;
        assert_eq!(Mail::decode(&Encoded::new(TAG, other)), None, "a later version");
        assert_eq!(Mail::decode(&Encoded::new("plain", encoded.data())), None);
        let long = "x".repeat(70_000);
        assert!(Mail { to: &long, ..mail }.encode().is_none());
    }
}
