//! Why a frame, or one event of it, is refused. Each reason has a stable code to be counted by.

/// A frame that is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin as a frame does.
    #[error("not a frame: it does not begin with LBRF")]
    Foreign,
    /// A later version wrote it.
    #[error(
        "a frame of format {theirs}, and this node reads format {ours}: update this node, or take the other one back"
    )]
    NewerMajor {
        /// Its major version.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// A major version that never was.
    #[error("a frame of format {0}, which does not exist")]
    UnknownMajor(u8),
    /// It ends early.
    #[error("a frame of {has} bytes that should have {needs}")]
    Truncated {
        /// What its header says, or the least that any frame has.
        needs: usize,
        /// What is there.
        has: usize,
    },
    /// It is longer than a frame may be, or than its header says.
    #[error("a frame of {has} bytes, where at most {allowed} are allowed")]
    Oversized {
        /// The limit.
        allowed: usize,
        /// What is there, or announced.
        has: usize,
    },
    /// Its bytes are not those that were written.
    #[error("a damaged frame: its checksum is {stated:08x}, that of its bytes {found:08x}")]
    Corrupted {
        /// What the frame says.
        stated: u32,
        /// What its bytes give.
        found: u32,
    },
    /// A kind of frame that this version does not know.
    #[error("a frame of the unknown kind {0}")]
    UnknownKind(u8),
    /// Its header contradicts itself.
    #[error("a frame with a wrong header: {0}")]
    Header(&'static str),
    /// Its events do not fill their part of it.
    #[error("a frame whose events do not fit its length")]
    Events,
    /// Its table of names is wrong.
    #[error("a frame with a wrong table of names: {0}")]
    Names(&'static str),
    /// Its publisher has used more names than one may.
    #[error("a frame with new names from a publisher that used {0} already")]
    TooManyNames(usize),
    /// Its message is wrong.
    #[error("a frame with a wrong message: {0}")]
    Preface(Fault),
}

impl FrameError {
    /// Its name in counters.
    pub const fn code(&self) -> &'static str {
        match self {
            FrameError::Foreign => "foreign",
            FrameError::NewerMajor { .. } => "newer_major",
            FrameError::UnknownMajor(_) => "unknown_major",
            FrameError::Truncated { .. } => "truncated",
            FrameError::Oversized { .. } => "oversized",
            FrameError::Corrupted { .. } => "corrupted",
            FrameError::UnknownKind(_) => "unknown_kind",
            FrameError::Header(_) => "bad_header",
            FrameError::Events => "bad_events",
            FrameError::Names(_) => "bad_names",
            FrameError::TooManyNames(_) => "too_many_names",
            FrameError::Preface(_) => "bad_preface",
        }
    }
}

/// What is wrong with the fields of a payload or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends within a field.
    #[error("it ends within a field")]
    Short,
    /// Bytes are left, and no newer version wrote them.
    #[error("bytes are left behind its last field")]
    Trailing,
    /// A field has a value that this version does not know.
    #[error("a field has an unknown value")]
    Value,
    /// A name's number is not in the frame's table.
    #[error("a name is not in the table")]
    Name,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
}

/// An event that is skipped, by its length; the others of its frame are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// Its type is of a later version.
    #[error("an event of the unknown type {0}")]
    UnknownType(u16),
    /// Its payload is encoded in a way of a later version.
    #[error("an event with a payload in the unknown encoding {0}")]
    UnknownEncoding(u8),
    /// It may not come from another process: an approval, a venue's report, a timer.
    #[error("an event of type {0}, which never leaves a process")]
    LocalOnly(&'static str),
    /// Its fields are wrong.
    #[error("an event that cannot be decoded: {0}")]
    Malformed(Fault),
}

impl Skip {
    /// Its name in counters.
    pub const fn code(&self) -> &'static str {
        match self {
            Skip::UnknownType(_) => "unknown_type",
            Skip::UnknownEncoding(_) => "unknown_encoding",
            Skip::LocalOnly(_) => "local_only",
            Skip::Malformed(_) => "malformed",
        }
    }
}

impl From<Fault> for Skip {
    fn from(fault: Fault) -> Skip {
        Skip::Malformed(fault)
    }
}

/// An event that cannot be put into a frame; the frame is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It is of a kind that never leaves a process.
    #[error("{0} never leaves a process")]
    LocalOnly(&'static str),
    /// A name is too long for the wire.
    #[error("a name of {0} bytes: at most 255 can be sent")]
    NameTooLong(usize),
    /// A text is too long for the wire.
    #[error("a text of {0} bytes: at most {1} can be sent")]
    TextTooLong(usize, usize),
    /// A list is too long for the wire.
    #[error("a list of {0} entries is too long to be sent")]
    ListTooLong(usize),
    /// The frame's table of names has no number left.
    #[error("more names than the table of a frame holds")]
    TooManyNames,
    /// It alone is longer than a frame may be.
    #[error("an event of {0} bytes with its names: more than a frame holds")]
    TooLarge(usize),
}

impl EncodeError {
    /// Its name in counters.
    pub const fn code(&self) -> &'static str {
        match self {
            EncodeError::LocalOnly(_) => "local_only",
            EncodeError::NameTooLong(_) => "name_too_long",
            EncodeError::TextTooLong(..) => "text_too_long",
            EncodeError::ListTooLong(_) => "list_too_long",
            EncodeError::TooManyNames => "too_many_names",
            EncodeError::TooLarge(_) => "too_large",
        }
    }
}
