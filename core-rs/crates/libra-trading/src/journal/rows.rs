//! Rows of a table as the text of one JSON array of arrays: a database takes a whole batch of them by one statement.
//!
//! Money, prices and sizes are exact decimal text without zeros behind the last digit; times are whole nanoseconds.

use libra_kernel::fixed::format_units;

use crate::instrument::{MONEY_DECIMALS, Money};
use crate::risk::keys::trim;

/// See the module. A row begins with [`Rows::begin`] and ends with the next one or with [`Rows::finish`].
#[derive(Debug, Default)]
pub struct Rows {
    text: String,
    count: usize,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The array.
    pub fn finish(mut self) -> String {
        self.text.push_str(if self.count == 0 { "[]" } else { "]]" });
        self.text
    }

    pub(super) fn begin(&mut self) -> &mut Self {
        self.text.push_str(if self.count == 0 { "[[" } else { "],[" });
        self.count += 1;
        self
    }

    fn comma(&mut self) {
        if !self.text.ends_with('[') {
            self.text.push(',');
        }
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.comma();
        self.text.push_str("null");
        self
    }

    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.comma();
        self.text.push_str(&value.to_string());
        self
    }

    pub(super) fn opt_int(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    /// Of what counts upwards from one and is far from the end of 63 bits.
    pub(super) fn count(&mut self, value: u64) -> &mut Self {
        self.comma();
        self.text.push_str(&value.to_string());
        self
    }

    /// A number in units of 10^-`decimals`.
    pub(super) fn units(&mut self, value: impl Into<i128>, decimals: u8) -> &mut Self {
        self.comma();
        let text = format_units(value.into(), decimals);
        self.text.push('"');
        self.text.push_str(trim(&text));
        self.text.push('"');
        self
    }

    pub(super) fn money(&mut self, amount: Money) -> &mut Self {
        self.units(amount, MONEY_DECIMALS)
    }

    pub(super) fn opt_money(&mut self, amount: Option<Money>) -> &mut Self {
        match amount {
            Some(amount) => self.money(amount),
            None => self.null(),
        }
    }

    /// Text; none where it is empty.
    pub(super) fn said(&mut self, text: &str) -> &mut Self {
        if text.is_empty() { self.null() } else { self.text(text) }
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.comma();
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                // A database ends a text there.
                '\0' => self.text.push(char::REPLACEMENT_CHARACTER),
                control if control < ' ' => self.text.push_str(&format!("\\u{:04x}", u32::from(control))),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_an_array_of_arrays() {
        assert_eq!(Rows::default().finish(), "[]");
        let mut rows = Rows::default();
        rows.begin().int(-1).null().text("a\"b\\c\n\0").said("").units(1_200, 3);
        rows.begin().money(-1_500_000_000_000).opt_int(None).opt_money(None).count(7).units(40, 0);
        assert_eq!((rows.len(), rows.is_empty()), (2, false));
        let expected = "[[-1,null,\"a\\\"b\\\\c\\u000a\u{fffd}\",null,\"1.2\"],[\"-1.5\",null,null,7,\"40\"]]";
        assert_eq!(rows.finish(), expected);
    }
}
