//! How values stand in the log: little-endian integers, text with its length, names by their text.

use libra_kernel::Name;

/// Text in a record is at most this long; what venues say is cut to it before it becomes a record.
pub const MAX_TEXT: usize = 1_024;

/// Writes values behind each other.
#[derive(Default)]
pub struct Writer {
    pub(super) bytes: Vec<u8>,
    /// Set when a text was longer than [`MAX_TEXT`]: the record must not be written.
    pub(super) too_long: bool,
}

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn i128(&mut self, value: i128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn text(&mut self, text: &str) {
        if text.len() > MAX_TEXT {
            self.too_long = true;
            return;
        }
        self.bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub fn name(&mut self, name: Name) {
        self.text(name.as_str());
    }
}

/// Reads values back; `None` where the bytes do not hold what is asked for.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    pub fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_le_bytes)
    }

    pub fn i128(&mut self) -> Option<i128> {
        self.take().map(i128::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.take().map(u16::from_le_bytes)?);
        if length > MAX_TEXT {
            return None;
        }
        let (head, tail) = self.bytes.split_at_checked(length)?;
        self.bytes = tail;
        std::str::from_utf8(head).ok()
    }

    pub fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub fn name(&mut self) -> Option<Name> {
        self.text().map(Name::intern)
    }

    /// True when everything was read.
    pub fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// `text` cut to [`MAX_TEXT`] bytes at a character's border.
pub fn clip(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    let mut end = MAX_TEXT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
