//! What the server says, read where it was received: a [`Reply`] borrows from the buffer and allocates nothing.

use super::scan::{double, integer, line_end};

/// A reply, or a message that the server pushed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply<'a> {
    /// A short status like `OK`.
    Simple(&'a [u8]),
    /// The server refused. Its first word is a code.
    Error(&'a [u8]),
    /// A whole number.
    Int(i64),
    /// A string of any bytes.
    Bulk(&'a [u8]),
    /// A string with the three letters of its format (`txt`, `mkd`) before it.
    Verbatim(&'a [u8], &'a [u8]),
    /// Nothing there.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A floating-point number.
    Double(f64),
    /// The digits of a number of any size.
    BigNumber(&'a [u8]),
    /// Values in order.
    Array(Items<'a>),
    /// Values without an order.
    Set(Items<'a>),
    /// Keys and values, one after the other.
    Map(Items<'a>),
    /// Nobody asked for it: a message of a subscription, the confirmation of one, an invalidation.
    Push(Items<'a>),
}

impl<'a> Reply<'a> {
    /// The value at the beginning of bytes that a [`Scanner`](super::scan::Scanner) has passed.
    pub(super) fn view(bytes: &'a [u8]) -> Self {
        take(bytes).0
    }

    /// The bytes of a string of any kind.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Reply::Simple(bytes) | Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string, if it is UTF-8.
    pub fn text(self) -> Option<&'a str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// A whole number, also where a server wrote it as a string.
    pub fn int(self) -> Option<i64> {
        match self {
            Reply::Int(number) => Some(number),
            other => other.bytes().and_then(integer),
        }
    }

    /// What is inside an array, a set, a map (keys and values in turn) or a push message.
    pub fn items(self) -> Option<Items<'a>> {
        match self {
            Reply::Array(items) | Reply::Set(items) | Reply::Map(items) | Reply::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key in a map, or in an array of keys and values as older servers send it.
    pub fn get(self, key: &str) -> Option<Reply<'a>> {
        let mut items = self.items()?;
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            if name.bytes() == Some(key.as_bytes()) {
                return Some(value);
            }
        }
        None
    }

    /// The channel and payload, if this is a message of a subscription.
    pub fn message(self) -> Option<(&'a [u8], &'a [u8])> {
        let Reply::Push(mut items) = self else { return None };
        if items.next()?.bytes()? != b"message" {
            return None;
        }
        Some((items.next()?.bytes()?, items.next()?.bytes()?))
    }
}

/// The values inside a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Items<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (reply, rest) = take(self.bytes);
        self.bytes = match reply {
            Reply::Array(inner) | Reply::Set(inner) | Reply::Map(inner) | Reply::Push(inner) => skip(rest, inner.left),
            _ => rest,
        };
        Some(reply)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// Past `values` values, whatever is inside them. No recursion: what is opened is only added to what is left.
fn skip(mut bytes: &[u8], mut values: usize) -> &[u8] {
    while values > 0 {
        let (reply, rest) = take(bytes);
        values = values - 1 + reply.items().map_or(0, |items| items.left);
        bytes = rest;
    }
    bytes
}

/// The value at the beginning and what follows it: for an aggregate, what is inside it.
///
/// Only for bytes that were scanned; anything else would be read as nulls, never beyond its end.
fn take(mut bytes: &[u8]) -> (Reply<'_>, &[u8]) {
    loop {
        let Some((&kind, after)) = bytes.split_first() else { return (Reply::Null, &[]) };
        let end = line_end(after).unwrap_or(after.len());
        let (line, rest) = (&after[..end], after.get(end + 2..).unwrap_or_default());
        let number = || integer(line).and_then(|number| usize::try_from(number).ok());
        let body = || {
            let length = number()?;
            Some((rest.get(..length)?, rest.get(length + 2..)?))
        };
        let items = |values: usize| Items { bytes: rest, left: values };
        let reply = match kind {
            b'|' => {
                bytes = skip(rest, number().map_or(0, |pairs| 2 * pairs));
                continue;
            }
            b'+' => Reply::Simple(line),
            b'-' => Reply::Error(line),
            b':' => integer(line).map_or(Reply::Null, Reply::Int),
            b'#' => Reply::Bool(line == b"t"),
            b',' => double(line).map_or(Reply::Null, Reply::Double),
            b'(' => Reply::BigNumber(line),
            b'$' | b'!' | b'=' => {
                let Some((text, rest)) = body() else { return (Reply::Null, rest) };
                let reply = match kind {
                    b'!' => Reply::Error(text),
                    b'=' => Reply::Verbatim(&text[..3.min(text.len())], text.get(4..).unwrap_or_default()),
                    _ => Reply::Bulk(text),
                };
                return (reply, rest);
            }
            b'*' => number().map_or(Reply::Null, |values| Reply::Array(items(values))),
            b'~' => number().map_or(Reply::Null, |values| Reply::Set(items(values))),
            b'>' => number().map_or(Reply::Null, |values| Reply::Push(items(values))),
            b'%' => number().map_or(Reply::Null, |pairs| Reply::Map(items(2 * pairs))),
            _ => Reply::Null,
        };
        return (reply, rest);
    }
}
