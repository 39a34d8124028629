//! A made-up market.
