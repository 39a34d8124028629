//! The fields of a frame that matter, found in one walk over simd-json's tape.

use simd_json::{Node, StaticNode};

use super::error::FrameError;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)+) => {
        /// A field of a frame, called by what it means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub(super) enum Field {
            $($(#[$doc])* $field,)+
        }

        impl Field {
            const COUNT: usize = [$(Field::$field),+].len();

            /// The key that the venue uses.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Field::$field => $name,)+ }
            }

            fn from_name(name: &str) -> Option<Field> {
                match name { $($name => Some(Field::$field),)+ _ => None }
            }
        }
    };
}

fields! {
    /// Name of the stream, in a combined frame.
    Stream = "stream",
    /// The frame itself, in a combined frame.
    Data = "data",
    /// Kind of the frame.
    Kind = "e",
    /// Symbol.
    Symbol = "s",
    /// Symbol, as COIN-M's REST snapshots write it.
    RestSymbol = "symbol",
    /// Pair: COIN-M only.
    Pair = "ps",
    /// Kind of the trade: futures only.
    TradeKind = "X",
    /// A field without meaning: spot trades only.
    SpotTrade = "M",
    /// Is the buyer the maker?
    BuyerIsMaker = "m",
    /// When the frame was made.
    EventTime = "E",
    /// When it happened.
    TransactionTime = "T",
    /// First update id.
    FirstId = "U",
    /// Last update id.
    LastId = "u",
    /// Last update id of the frame before: futures only.
    PreviousId = "pu",
    /// Update id of a snapshot.
    SnapshotId = "lastUpdateId",
    /// Trade id.
    TradeId = "t",
    /// Best bid price, or changed bids.
    Bid = "b",
    /// Size at the best bid.
    BidSize = "B",
    /// Best ask price, or changed asks.
    Ask = "a",
    /// Size at the best ask.
    AskSize = "A",
    /// Price of a trade.
    Price = "p",
    /// Size of a trade.
    Size = "q",
    /// Bids of a snapshot.
    Bids = "bids",
    /// Asks of a snapshot.
    Asks = "asks",
}

/// Where the fields of a frame stand on the tape.
pub(super) struct Fields<'t, 'f> {
    nodes: &'t [Node<'f>],
    /// Index of each field's value; 0, where the root stands, for a field that is absent.
    at: [usize; Field::COUNT],
}

impl<'t, 'f> Fields<'t, 'f> {
    /// Finds the fields of a frame, bare or wrapped as `{"stream":...,"data":{...}}`.
    pub(super) fn of(nodes: &'t [Node<'f>]) -> Result<Self, FrameError> {
        let mut fields = Fields { nodes, at: [0; Field::COUNT] };
        fields.walk(0)?;
        let (data, stream) = (fields.at[Field::Data as usize], fields.at[Field::Stream as usize]);
        if data != 0 && matches!(nodes[data], Node::Object { .. }) {
            // In a combined frame only the inner object speaks; its own "stream" or "data" would mean nothing.
            fields.at = [0; Field::COUNT];
            fields.walk(data)?;
            fields.at[Field::Stream as usize] = stream;
        }
        Ok(fields)
    }

    fn walk(&mut self, object: usize) -> Result<(), FrameError> {
        let Some(Node::Object { len, .. }) = self.nodes.get(object) else { return Err(FrameError::NotAnObject) };
        let mut at = object + 1;
        for _ in 0..*len {
            let (Some(Node::String(key)), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) else {
                return Err(FrameError::NotAnObject);
            };
            if let Some(field) = Field::from_name(key) {
                self.at[field as usize] = at + 1;
            }
            at += 2 + inner_nodes(value);
        }
        Ok(())
    }

    fn node(&self, field: Field) -> Option<&'t Node<'f>> {
        match self.at[field as usize] {
            0 => None,
            at => Some(&self.nodes[at]),
        }
    }

    /// True when the frame has the field.
    pub(super) fn has(&self, field: Field) -> bool {
        self.at[field as usize] != 0
    }

    /// The text of a field, `None` when it is absent or of another type.
    pub(super) fn text(&self, field: Field) -> Option<&'f str> {
        match self.node(field) {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of a field that has to be there.
    pub(super) fn need_text(&self, field: Field) -> Result<&'f str, FrameError> {
        match self.node(field) {
            Some(Node::String(text)) => Ok(text),
            Some(_) => Err(FrameError::Type { field: field.name(), wanted: "a string" }),
            None => Err(FrameError::Missing(field.name())),
        }
    }

    /// A whole number that is not negative, `None` when the field is absent.
    pub(super) fn integer(&self, field: Field) -> Result<Option<i64>, FrameError> {
        let Some(node) = self.node(field) else { return Ok(None) };
        let value = match node {
            Node::Static(StaticNode::I64(value)) => Some(*value),
            Node::Static(StaticNode::U64(value)) => i64::try_from(*value).ok(),
            _ => None,
        };
        match value {
            Some(value) if value >= 0 => Ok(Some(value)),
            Some(value) => Err(FrameError::Value { field: field.name(), value }),
            None => Err(FrameError::Type { field: field.name(), wanted: "a whole number of 63 bits" }),
        }
    }

    /// A whole number that has to be there and not negative.
    pub(super) fn need_integer(&self, field: Field) -> Result<i64, FrameError> {
        self.integer(field)?.ok_or(FrameError::Missing(field.name()))
    }

    /// A truth value, `None` when the field is absent.
    pub(super) fn truth(&self, field: Field) -> Result<Option<bool>, FrameError> {
        match self.node(field) {
            None => Ok(None),
            Some(Node::Static(StaticNode::Bool(truth))) => Ok(Some(*truth)),
            Some(_) => Err(FrameError::Type { field: field.name(), wanted: "true or false" }),
        }
    }

    /// The levels of one side of a book, as (price, size) texts. What stands behind the two in a level is ignored.
    pub(super) fn levels(&self, field: Field) -> Result<Levels<'t, 'f>, FrameError> {
        match self.node(field) {
            None => Err(FrameError::Missing(field.name())),
            Some(Node::Array { len, .. }) => {
                Ok(Levels { rest: &self.nodes[self.at[field as usize] + 1..], left: *len, field: field.name() })
            }
            Some(_) => Err(FrameError::Type { field: field.name(), wanted: "an array" }),
        }
    }
}

/// How many nodes of the tape stand inside a node.
fn inner_nodes(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => *count,
        Node::String(_) | Node::Static(_) => 0,
    }
}

/// The levels of one side of a book.
pub(super) struct Levels<'t, 'f> {
    rest: &'t [Node<'f>],
    left: usize,
    field: &'static str,
}

impl<'f> Iterator for Levels<'_, 'f> {
    type Item = Result<(&'f str, &'f str), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let [Node::Array { len: 2.., count }, Node::String(price), Node::String(size), ..] = self.rest else {
            self.left = 0;
            return Some(Err(FrameError::Type { field: self.field, wanted: "an array of [\"price\", \"size\"]" }));
        };
        self.rest = self.rest.get(1 + count..).unwrap_or_default();
        Some(Ok((price, size)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
