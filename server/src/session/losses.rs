//! Grants that a session lost singly, until its client has shown that it was told.

use commonhold_proto::Fence;
use std::collections::VecDeque;

/// Lost grants of a session that are remembered, to be told to connections that come later.
pub(crate) const LOST_MAX: usize = 1_024;

/// Lost grants, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Whether the log has it is told with each.
    lost: VecDeque<(Fence, bool)>,
    /// How many there were before the first of them.
    before: u64,
}

impl Losses {
    /// Notes one more. The oldest gives way if there are too many: it is returned if the log has it.
    #[must_use]
    pub(crate) fn note(&mut self, fence: Fence, logged: bool) -> Option<Fence> {
        self.lost.push_back((fence, logged));
        if self.lost.len() <= LOST_MAX {
            return None;
        }
        self.before += 1;
        let (oldest, logged) = self.lost.pop_front()?;
        logged.then_some(oldest)
    }

    /// All of them, and the mark that [`heard`](Losses::heard) takes for them.
    pub(crate) fn all(&self) -> (Vec<Fence>, u64) {
        let fences = self.lost.iter().map(|(fence, _)| *fence).collect();
        (fences, self.before + self.lost.len() as u64)
    }

    /// The client knows of those before this mark. Returns which of them the log has.
    pub(crate) fn heard(&mut self, mark: u64) -> Vec<Fence> {
        let known = usize::try_from(mark.saturating_sub(self.before)).unwrap_or(usize::MAX);
        let known = self.lost.drain(..known.min(self.lost.len()));
        let mut logged = Vec::new();
        for (fence, is_logged) in known {
            self.before += 1;
            logged.extend(is_logged.then_some(fence));
        }
        logged
    }

    /// Are there none?
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonhold_proto::{Oid, Revision};

    fn fence(token: u64) -> Fence {
        Fence {
            lock: Oid(1),
            token: Revision(token),
        }
    }

    #[test]
    fn what_was_told_goes_and_what_came_since_stays() {
        let mut losses = Losses::default();
        assert_eq!(losses.note(fence(1), true), None);
        assert_eq!(losses.note(fence(2), false), None);
        let (told, mark) = losses.all();
        assert_eq!(told, [fence(1), fence(2)]);
        assert_eq!(losses.note(fence(3), true), None);
        assert_eq!(losses.heard(mark), [fence(1)]);
        assert_eq!(losses.heard(mark), []);
        assert_eq!(losses.all().0, [fence(3)]);
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut losses = Losses::default();
        for token in 0..LOST_MAX as u64 {
            assert_eq!(losses.note(fence(token), token == 1), None);
        }
        let (_, mark) = losses.all();
        assert_eq!(losses.note(fence(5_000), true), None, "the log lacks it");
        assert_eq!(losses.note(fence(5_001), true), Some(fence(1)));
        assert_eq!(losses.heard(mark), []);
        assert_eq!(losses.all().0, [fence(5_000), fence(5_001)]);
    }
}
