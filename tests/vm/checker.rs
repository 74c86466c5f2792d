//! What has to hold of the IDs that were received, over all cuts and steps.

use std::collections::BTreeMap;

use shardflake::id::layout::Layout;

use crate::Fallible;
use crate::guest::Reply;

/// Takes in all that one shard has handed out, in the order in which it was received.
#[derive(Default)]
pub(crate) struct Checker {
    ids: Vec<u64>,
    refused: BTreeMap<String, u64>,
    disorder: u64,
    beyond: u64,
    /// The first violations, for people.
    seen: Vec<String>,
}

/// The tick of an ID.
pub(crate) fn tick(id: u64) -> u64 {
    let fields = Layout::SONYFLAKE.decompose(id);
    fields.map_or(u64::MAX, |fields| fields.time)
}

impl Checker {
    pub(crate) fn take(&mut self, reply: &Reply) {
        match &reply.outcome {
            Ok(id) => {
                if let Some(last) = self.ids.last()
                    && id <= last
                {
                    self.disorder += 1;
                    self.seen.push(format!("{id} came after {last}"));
                }
                self.ids.push(*id);
            }
            Err(code) => *self.refused.entry(code.clone()).or_default() += 1,
        }
    }

    /// How many IDs were received.
    pub(crate) fn received(&self) -> usize {
        self.ids.len()
    }

    /// The last ID that was received.
    pub(crate) fn last(&self) -> Option<u64> {
        self.ids.last().copied()
    }

    /// Compares all that was received with the bound that the disk holds.
    pub(crate) fn within(&mut self, bound: Option<u64>) {
        let highest = self.ids.iter().copied().map(tick).max();
        if highest > bound {
            self.beyond += 1;
            let text = format!("tick {highest:?} was received, durable is {bound:?}");
            self.seen.push(text);
        }
    }

    /// Prints the counts.
    ///
    /// # Errors
    /// If anything that has to hold does not.
    pub(crate) fn finish(self) -> Fallible<()> {
        let mut sorted = self.ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let duplicates = self.ids.len() - sorted.len();
        let Self {
            ids,
            refused,
            disorder,
            beyond,
            seen,
        } = self;
        println!(
            "{} IDs received, {duplicates} duplicates, {disorder} order violations, {beyond} times beyond the durable bound; refusals: {refused:?}",
            ids.len()
        );
        for violation in seen.iter().take(10) {
            println!("violation: {violation}");
        }
        if duplicates as u64 + disorder + beyond > 0 {
            return Err("the promise was broken".into());
        }
        Ok(())
    }
}
