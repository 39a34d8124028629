//! What the runs came through: places where the process died, what the venue and the network did, and which events met
//! an order in which state. A run that stopped reaching these would test nothing and say so.

use std::collections::BTreeMap;

#[derive(Default)]
pub struct Cover {
    /// Deaths by place, misbehaviours by name.
    pub happened: BTreeMap<String, u64>,
    /// (state of the order, what met it).
    pub met: BTreeMap<(String, String), u64>,
    pub steps: u64,
    pub lives: u64,
    pub sent: u64,
    pub fills: u64,
    pub compared: u64,
}

impl Cover {
    pub fn note(&mut self, what: &str) {
        match self.happened.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.happened.insert(what.to_owned(), 1)),
        }
    }

    pub fn add(&mut self, other: Cover) {
        for (what, count) in other.happened {
            *self.happened.entry(what).or_default() += count;
        }
        for (pair, count) in other.met {
            *self.met.entry(pair).or_default() += count;
        }
        self.steps += other.steps;
        self.lives += other.lives;
        self.sent += other.sent;
        self.fills += other.fills;
        self.compared += other.compared;
    }

    /// A line for everything that happened, and a table of states and events.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.happened {
            text += &format!("{count:>10}  {what}\n");
        }
        let mut columns: Vec<&str> = self.met.keys().map(|(state, _)| state.as_str()).collect();
        columns.dedup();
        let mut rows: Vec<&str> = self.met.keys().map(|(_, event)| event.as_str()).collect();
        rows.sort_unstable();
        rows.dedup();
        text += &format!("{:>22}", "");
        for column in &columns {
            text += &format!("{column:>17}");
        }
        for row in rows {
            text += &format!("\n{row:>22}");
            for column in &columns {
                let count = self.met.get(&((*column).to_owned(), row.to_owned())).copied().unwrap_or(0);
                text += &if count == 0 { format!("{:>17}", ".") } else { format!("{count:>17}") };
            }
        }
        text
    }
}
