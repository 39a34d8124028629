//! The day that losses are counted from: by the account's clock, from the equity that was known before anything of that
//! day, or else from the first that is known.

use libra_kernel::Name;
use libra_trading::instrument::Money;
use libra_trading::order::{ClientOrderId, OrderRequest};

use crate::truth::{Memory, Owed, SECOND, Truth, name, sign};
use crate::world::{Done, World, broken};

const DAY: i64 = 86_400 * SECOND;

impl Truth {
    /// Equity at the quotes of this process; unknown while a position has none.
    pub fn dollars(&self) -> Option<Money> {
        self.equity(name("USDT"))
    }

    /// Something happens, before which the equity was `before`: midnight may lie in between. What cannot be written down
    /// does not begin.
    pub fn turn_day(&mut self, now_ns: i64, before: Option<Money>) {
        if !self.memory.full {
            self.day = self.day.max(now_ns.div_euclid(DAY));
            self.begin_day(before);
        }
    }

    /// What is known now may be known for the first time today.
    pub fn begin_day(&mut self, equity: Option<Money>) {
        if self.start.0 < self.day
            && !self.memory.full
            && let Some(equity) = equity
        {
            self.start = (self.day, equity);
            self.lost_day = self.lost_day.filter(|lost| *lost >= self.day);
        }
    }

    /// What was lost since the day began. What is not known is no loss.
    pub fn loss(&self) -> Option<Money> {
        self.dollars().map(|equity| self.start.1 - equity)
    }

    pub fn is_over_the_limit(&self) -> bool {
        self.limits.max_daily_loss.zip(self.loss()).is_some_and(|(limit, loss)| loss > limit)
    }

    /// True for an order that can only bring a position towards zero, with everything open on its side.
    pub fn reduces(&self, id: ClientOrderId, request: &OrderRequest) -> bool {
        let (buys, sells) = self.held(request.instrument);
        let own = if self.memory.approvals.contains_key(&id) { request.size } else { 0 };
        let open = if sign(request.side) > 0 { buys } else { sells } - own;
        open + request.size <= self.position(request.instrument).0 * -sign(request.side)
    }

    /// True for an order that could increase a position while nobody can say what is lost.
    pub fn unmeasured(&self, now_ns: i64, id: ClientOrderId, request: &OrderRequest) -> bool {
        let unknown = self.dollars().is_none() || self.has_an_old_mark(now_ns);
        self.limits.max_daily_loss.is_some() && unknown && !self.reduces(id, request)
    }

    /// True where something is held whose last quote is too old.
    pub fn has_an_old_mark(&self, now_ns: i64) -> bool {
        let Some(most) = self.limits.max_quote_age_ns else { return false };
        let old = |id: Name| self.memory.quotes.get(&id).is_some_and(|(.., at_ns)| now_ns - at_ns > most);
        self.instruments.iter().any(|instrument| self.position(instrument.id).0 != 0 && old(instrument.id))
    }
}

impl World {
    /// A process died, maybe in a call that began a day; `rows` were booked before that call.
    pub fn adopt_day(&mut self, before: &Memory, rows: usize) -> Done<()> {
        let balance = *self.gate().account().balance(name("USDT")).expect("it was opened with some");
        if balance.day > self.truth.start.0 {
            let with = |rows: &[crate::truth::Row], quotes: &dyn Fn(&mut Memory)| {
                let mut memory = Memory::default();
                quotes(&mut memory);
                let truth = Truth { rows: rows.to_vec(), memory, ..self.truth.clone() };
                truth.dollars()
            };
            let all = &self.truth.rows;
            let seen = |memory: &mut Memory| {
                for (spot, price) in &self.prices {
                    let id = self.truth.instruments[usize::from(*spot)].id;
                    memory.quotes.insert(id, (*price, *price + 10, 0));
                }
            };
            // Before the call, behind it, or by the opening of the log, which knows no price.
            let may = [
                with(&all[..rows], &|memory| memory.quotes = before.quotes.clone()),
                with(all, &seen),
                with(all, &|_| {}),
            ];
            if !may.contains(&Some(balance.day_start)) {
                return broken(format!("a day began at {}, and could at {may:?}", balance.day_start));
            }
            self.truth.day = balance.day;
            self.truth.begin_day(Some(balance.day_start));
            if rows > 0 {
                self.cover.note("died where a day begins");
            }
        }
        let known = self.truth.dollars();
        self.truth.turn_day(self.now_ns, known);
        if known.is_none() && self.truth.start.0 < self.truth.day {
            self.cover.note("a day without a quote of what is held");
        }
        Ok(())
    }

    /// A process notices at once what its limits make of the equity that is known without a quote. What else it knows of a
    /// loss it has from the log: the one before may have died in the call that noticed it.
    pub fn watch_losses_at_start(&mut self) -> Done<()> {
        if self.truth.lost_day.is_none() && self.truth.is_over_the_limit() {
            if self.gate().breaches().is_empty() {
                return broken("a loss over a limit that was lowered is not noticed");
            }
            self.cover.note("a loss over the limit is found at the start");
        }
        self.watch_losses(false)
    }

    /// A loss over the limit is noticed, and nothing else is; what is noticed stays for its day.
    pub fn watch_losses(&mut self, measured: bool) -> Done<()> {
        let (account, truth) = (self.gate().account(), &self.truth);
        let balance = account.balance(name("USDT")).expect("it was opened with some");
        let (theirs, ours) =
            ((account.day(), balance.day, balance.day_start), (truth.day, truth.start.0, truth.start.1));
        if theirs != ours {
            return broken(format!("the day is {theirs:?}, and should be {ours:?}"));
        }
        let told = !self.gate().breaches().is_empty();
        if self.truth.lost_day.is_some() && !told {
            return broken("a loss was forgotten within its day");
        }
        if measured && self.truth.lost_day.is_none() && told != self.truth.is_over_the_limit() {
            return broken(format!("a day's loss of {:?}: told {told}", self.truth.loss()));
        }
        if told && self.truth.lost_day.is_none() {
            self.cover.note("a day's loss over the limit");
            if self.truth.memory.full {
                self.truth.memory.owed.push(Owed::Loss);
            }
            self.truth.lost_day = Some(self.now_ns.div_euclid(DAY));
        }
        Ok(())
    }
}
