//! Changes of limits, written as a profile writes them: `max_drawdown_pct`, `instruments.BTC/USDT:USDT.max_order_size`.
//!
//! The same code sets the limits of a profile, changes them while an account trades, and takes up what an earlier process
//! wrote down. A change that loosens anything, for the account or for any instrument, has to be confirmed.

use std::collections::BTreeMap;

use crate::instrument::{Instrument, MONEY_DECIMALS};

use super::keys::LimitKey;
use super::limits::{LimitsError, RiskLimits};

/// A limit and its value as text; `None` for no limit.
pub type Term = (String, Option<String>);

/// A limit that changed, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// The limit, an instrument by its id.
    pub key: String,
    /// What it was.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// Where a key points to.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    key: LimitKey,
    instrument: Option<&'a Instrument>,
}

impl Target<'_> {
    fn decimals(&self) -> u8 {
        self.instrument.map_or(MONEY_DECIMALS, |instrument| instrument.size_decimals)
    }

    fn get(&self, limits: &RiskLimits) -> Option<i128> {
        match self.instrument {
            Some(instrument) => limits.own(instrument.id).get(self.key),
            None => limits.get(self.key),
        }
    }

    fn set(&self, limits: &mut RiskLimits, value: Option<i128>) {
        match self.instrument {
            Some(instrument) => limits.own_mut(instrument.id).set(self.key, value),
            None => limits.set(self.key, value),
        }
    }

    fn name(&self) -> String {
        match self.instrument {
            Some(instrument) => format!("instruments.{}.{}", instrument.id, self.key.as_str()),
            None => self.key.as_str().to_owned(),
        }
    }
}

fn find<'a>(key: &str, instruments: &'a [Instrument]) -> Result<Target<'a>, String> {
    let Some(rest) = key.strip_prefix("instruments.") else {
        let known = LimitKey::parse(key).ok_or_else(|| format!("{key}: no such limit"))?;
        return Ok(Target { key: known, instrument: None });
    };
    let (name, limit) = rest.rsplit_once('.').ok_or_else(|| format!("{key}: write instruments.SYMBOL.LIMIT"))?;
    let mut named = instruments.iter().filter(|i| i.id.as_str() == name || i.symbol.as_str() == name);
    let instrument = named.next().ok_or_else(|| format!("{key}: the account has no instrument {name}"))?;
    if named.next().is_some() {
        return Err(format!("{key}: more than one venue lists {name}, write SYMBOL@VENUE"));
    }
    match LimitKey::parse(limit) {
        Some(known) if known.is_per_instrument() => Ok(Target { key: known, instrument: Some(instrument) }),
        Some(_) => Err(format!("{key}: {limit} is a limit of the whole account")),
        None => Err(format!("{key}: no such limit")),
    }
}

/// `limits` with `terms` set, and what that changed. All mistakes are told at once. A limit that every account has to
/// have is lowered or raised, never taken away; an instrument's own value of it is, since the account's holds then.
pub fn apply(
    limits: &RiskLimits,
    terms: &[Term],
    instruments: &[Instrument],
) -> Result<(RiskLimits, Vec<LimitChange>), LimitsError> {
    let mut next = limits.clone();
    let (mut changes, mut problems, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for (key, text) in terms {
        let target = match find(key, instruments) {
            Ok(target) => target,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let decimals = target.decimals();
        let name = target.name();
        if seen.contains(&name) {
            problems.push(format!("{key}: given twice"));
            continue;
        }
        match text.as_deref().map(|text| target.key.read(text, decimals)).transpose() {
            Ok(None) if target.instrument.is_none() && target.key.is_required() => {
                problems.push(format!("{key} has to be set for every account: give it a value"));
            }
            Ok(value) => {
                let old = target.get(limits);
                target.set(&mut next, value);
                if old != value {
                    let write = |value: Option<i128>| value.map(|value| target.key.write(value, decimals));
                    changes.push(LimitChange { key: name.clone(), old: write(old), new: write(value) });
                }
            }
            Err(problem) => problems.push(format!("{key} {problem}")),
        }
        seen.push(name);
    }
    if problems.is_empty() { Ok((next, changes)) } else { Err(LimitsError { problems }) }
}

/// `limits` with the words of a log. One that cannot be read (since then its instrument has lost decimals, say) shuts what it is
/// about: the limit becomes nothing, and what is known of no instrument here leaves the account no place for an order.
pub fn recall(limits: &RiskLimits, words: &BTreeMap<String, Option<String>>, instruments: &[Instrument]) -> RiskLimits {
    let mut next = limits.clone();
    let mut shut = false;
    for (key, text) in words {
        let Ok(target) = find(key, instruments) else {
            shut = true;
            continue;
        };
        match text.as_deref().map(|text| target.key.read(text, target.decimals())).transpose() {
            Ok(value) => target.set(&mut next, value),
            Err(_) if target.instrument.is_some() => target.set(&mut next, Some(0)),
            Err(_) => shut = true,
        }
    }
    if shut {
        // Behind them all: the account may have a word of its own on its open orders.
        next.max_open_orders = Some(0);
    }
    next
}

fn is_looser(old: Option<i128>, new: Option<i128>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => new > old,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// What `new` allows and `old` did not, one line each: for the account, and for each instrument with its own limits and
/// the account's taken together.
pub fn loosened(old: &RiskLimits, new: &RiskLimits, instruments: &[Instrument]) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |name: String, key: LimitKey, decimals: u8, old: Option<i128>, new: Option<i128>| {
        if is_looser(old, new) {
            let show = |value: Option<i128>| value.map_or("no limit".into(), |value| key.write(value, decimals));
            found.push(format!("{name} would loosen from {} to {}: confirm it", show(old), show(new)));
        }
    };
    for &key in LimitKey::ALL {
        compare(key.as_str().to_owned(), key, MONEY_DECIMALS, old.get(key), new.get(key));
        for instrument in instruments.iter().filter(|_| key.is_per_instrument()) {
            let target = Target { key, instrument: Some(instrument) };
            let (before, after) = (old.of(instrument).get(key), new.of(instrument).get(key));
            // What follows from the account's own loosening was told with it.
            let followed = is_looser(old.get(key), new.get(key))
                && old.own(instrument.id).get(key) == new.own(instrument.id).get(key);
            if followed {
                continue;
            }
            compare(target.name(), key, target.decimals(), before, after);
        }
    }
    found
}

/// The stricter of two sets, key by key, for the account as for each instrument.
pub fn stricter(a: &RiskLimits, b: &RiskLimits, instruments: &[Instrument]) -> RiskLimits {
    let mut strict = a.clone();
    for &key in LimitKey::ALL {
        strict.set(key, smaller(a.get(key), b.get(key)));
    }
    for instrument in instruments {
        let (in_a, in_b) = (a.of(instrument), b.of(instrument));
        for &key in LimitKey::ALL.iter().filter(|key| key.is_per_instrument()) {
            let value = smaller(in_a.get(key), in_b.get(key));
            if strict.of(instrument).get(key) != value {
                strict.own_mut(instrument.id).set(key, value);
            }
        }
    }
    strict
}

fn smaller(a: Option<i128>, b: Option<i128>) -> Option<i128> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Every limit that is set, as text: the account's, then those of single instruments.
pub fn terms(limits: &RiskLimits, instruments: &[Instrument]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for instrument in std::iter::once(None).chain(instruments.iter().map(Some)) {
        for &key in LimitKey::ALL {
            let target = Target { key, instrument };
            if let Some(value) = target.get(limits) {
                all.push((target.name(), key.write(value, target.decimals())));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use libra_kernel::Name;
    use proptest::prelude::*;

    use super::*;
    use crate::instrument::tests::btc;

    fn instruments() -> Vec<Instrument> {
        let eth =
            Instrument { id: Name::intern("ETH/USDT@x"), symbol: Name::intern("ETH/USDT"), size_decimals: 5, ..btc() };
        vec![btc(), eth]
    }

    fn term(key: &str, value: &str) -> Term {
        (key.to_owned(), (value != "-").then(|| value.to_owned()))
    }

    fn set(limits: &RiskLimits, terms: &[(&str, &str)]) -> RiskLimits {
        let terms: Vec<Term> = terms.iter().map(|(key, value)| term(key, value)).collect();
        apply(limits, &terms, &instruments()).unwrap().0
    }

    #[test]
    fn changes_say_what_was_and_what_is() {
        let before = set(&RiskLimits::default(), &[("max_drawdown_pct", "10"), ("max_open_orders", "5")]);
        let terms = [
            term("max_drawdown_pct", "7.5"),
            term("max_open_orders", "5"),
            term("instruments.ETH/USDT.max_order_size", "0.5"),
            term("max_daily_loss", "-"),
        ];
        let (after, changes) = apply(&before, &terms, &instruments()).unwrap();
        let text: Vec<_> = changes.iter().map(|c| (c.key.as_str(), c.old.as_deref(), c.new.as_deref())).collect();
        assert_eq!(
            text,
            [
                ("max_drawdown_pct", Some("10"), Some("7.5")),
                ("instruments.ETH/USDT@x.max_order_size", None, Some("0.5")),
            ]
        );
        assert_eq!(after.max_drawdown_bps, Some(750));
        assert_eq!(after.own(Name::intern("ETH/USDT@x")).max_order_size, Some(50_000));
        let listed = super::terms(&after, &instruments());
        assert_eq!(listed[2], ("instruments.ETH/USDT@x.max_order_size".to_owned(), "0.5".to_owned()));
        assert_eq!(listed.len(), 3);
    }

    #[test]
    fn every_mistake_is_told_and_nothing_changes() {
        let terms = [
            term("max_drawdown", "5"),
            term("max_drawdown_pct", "0"),
            term("instruments.XRP/USDT.max_order_size", "5"),
            term("instruments.ETH/USDT.max_daily_loss", "5"),
            term("instruments.ETH/USDT.max_size", "5"),
            term("instruments.max_order_size", "5"),
            term("max_open_orders", "3"),
            term("max_open_orders", "4"),
        ];
        let problems = apply(&RiskLimits::default(), &terms, &instruments()).unwrap_err().problems;
        assert_eq!(
            problems,
            [
                "max_drawdown: no such limit",
                "max_drawdown_pct has to be above zero, is 0",
                "instruments.XRP/USDT.max_order_size: the account has no instrument XRP/USDT",
                "instruments.ETH/USDT.max_daily_loss: max_daily_loss is a limit of the whole account",
                "instruments.ETH/USDT.max_size: no such limit",
                "instruments.max_order_size: write instruments.SYMBOL.LIMIT",
                "max_open_orders: given twice",
            ]
        );
        let twin = Instrument { id: Name::intern("ETH/USDT@y"), ..instruments()[1].clone() };
        let both = [instruments()[1].clone(), twin];
        let told = apply(&RiskLimits::default(), &[term("instruments.ETH/USDT.max_order_size", "1")], &both);
        assert!(told.unwrap_err().problems[0].contains("write SYMBOL@VENUE"));
    }

    #[test]
    fn what_every_account_has_to_have_is_not_taken_away() {
        let terms = [
            term("max_order_notional", "-"),
            term("max_position_notional", "-"),
            term("instruments.ETH/USDT.max_order_notional", "-"),
            term("max_order_size", "-"),
        ];
        let problems = apply(&RiskLimits::default(), &terms, &instruments()).unwrap_err().problems;
        assert_eq!(
            problems,
            [
                "max_order_notional has to be set for every account: give it a value",
                "max_position_notional has to be set for every account: give it a value",
            ]
        );
        let own = set(
            &RiskLimits::default(),
            &[("max_order_notional", "9"), ("instruments.ETH/USDT.max_order_notional", "8")],
        );
        let back = set(&own, &[("instruments.ETH/USDT.max_order_notional", "-")]);
        assert_eq!(back.of(&instruments()[1]).max_order_notional, own.default.max_order_notional);
    }

    #[test]
    fn an_own_limit_above_the_account_s_loosens() {
        let before = set(&RiskLimits::default(), &[("max_order_notional", "100")]);
        let own = set(&before, &[("instruments.ETH/USDT.max_order_notional", "200")]);
        let found = loosened(&before, &own, &instruments());
        assert_eq!(found, ["instruments.ETH/USDT@x.max_order_notional would loosen from 100 to 200: confirm it"]);
        let mut removed = before.clone();
        removed.set(LimitKey::MaxOrderNotional, None);
        let told = loosened(&before, &removed, &instruments());
        assert_eq!(
            told,
            ["max_order_notional would loosen from 100 to no limit: confirm it"],
            "once, not by instrument"
        );
        // What an instrument loosens beside it is told as well.
        let both = set(&before, &[("max_order_notional", "150"), ("instruments.ETH/USDT.max_order_notional", "200")]);
        let told = loosened(&before, &both, &instruments());
        assert_eq!(told.len(), 2);
        assert_eq!(told[1], "instruments.ETH/USDT@x.max_order_notional would loosen from 100 to 200: confirm it");
        assert!(loosened(&before, &set(&before, &[("max_order_notional", "99")]), &instruments()).is_empty());
        // An own limit is taken away, and the account has none behind it.
        let own = set(&before, &[("instruments.ETH/USDT.max_order_size", "2")]);
        let told = loosened(&own, &before, &instruments());
        assert_eq!(told, ["instruments.ETH/USDT@x.max_order_size would loosen from 2 to no limit: confirm it"]);
    }

    fn some_limits() -> impl Strategy<Value = RiskLimits> {
        let term = (0..LimitKey::ALL.len(), 0usize..3, proptest::option::of(1i128..9_000));
        proptest::collection::vec(term, 0..30).prop_map(|terms| {
            let mut limits = RiskLimits::default();
            for (key, place, value) in terms {
                let key = LimitKey::ALL[key];
                match place {
                    0 => limits.set(key, value),
                    at => limits.own_mut(instruments()[at - 1].id).set(key, value),
                }
            }
            limits
        })
    }

    proptest! {
        #[test]
        fn the_stricter_of_two_loosens_neither(a in some_limits(), b in some_limits()) {
            let strict = stricter(&a, &b, &instruments());
            prop_assert!(loosened(&a, &strict, &instruments()).is_empty());
            prop_assert!(loosened(&b, &strict, &instruments()).is_empty());
            for instrument in instruments() {
                for &key in LimitKey::ALL {
                    let of = |limits: &RiskLimits| limits.of(&instrument).get(key);
                    prop_assert_eq!(of(&strict), smaller(of(&a), of(&b)));
                }
            }
        }
    }
}
