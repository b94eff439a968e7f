//! What processes say of when they believed, and how these accounts are compared.

/// What one process believed of one grant.
///
/// It surely believed from `from` to `until`. If it asked only once, `until` is before `from`, and it surely believed at
/// some moment between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belief {
    pub(super) slot: usize,
    pub(super) token: u64,
    /// When it had the first answer that said so.
    pub(super) from: u64,
    /// When it asked for the last answer that said so.
    pub(super) until: u64,
    pub(super) state: State,
}

/// How a belief ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet.
    Believes,
    /// With the work.
    GivenBack,
    /// Its guard said that it was lost.
    Lost,
}

impl Belief {
    pub(super) fn row(self) -> [u64; 4] {
        let state = match self.state {
            State::Believes => 0,
            State::GivenBack => 1,
            State::Lost => 2,
        };
        [self.token, self.from, self.until, state]
    }

    pub(super) fn of(slot: usize, [token, from, until, state]: [u64; 4]) -> Belief {
        Belief {
            slot,
            token,
            from,
            until,
            state: match state {
                0 => State::Believes,
                1 => State::GivenBack,
                _ => State::Lost,
            },
        }
    }

    /// Did both surely believe at one moment? One that asked once did if the other believed all the while that it asked.
    fn conflicts(self, other: Belief) -> bool {
        self.from <= other.until && other.from <= self.until
    }

    fn begins(self) -> u64 {
        self.from.min(self.until)
    }

    fn ends(self) -> u64 {
        self.from.max(self.until)
    }
}

/// Two that surely believed at one moment, if there are any.
pub(super) fn first_conflict(beliefs: &[Belief]) -> Option<(Belief, Belief)> {
    let mut open: Vec<Belief> = Vec::new();
    for belief in in_order(beliefs) {
        open.retain(|before| before.ends() >= belief.begins());
        if let Some(before) = open.iter().find(|before| before.conflicts(belief)) {
            return Some((*before, belief));
        }
        open.push(belief);
    }
    None
}

/// How close, in milliseconds, the end of a belief that was lost and the begin of the next came to each other. That is
/// not only how well the countdown went: who is in doubt for a moment gives the lock back.
pub(super) fn closest_handover_ms(beliefs: &[Belief]) -> Option<f64> {
    let beliefs = in_order(beliefs);
    let pairs = beliefs
        .windows(2)
        .filter(|pair| pair[0].state == State::Lost);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let gaps = pairs.map(|pair| pair[1].from.saturating_sub(pair[0].until) as f64 / 1e6);
    gaps.min_by(f64::total_cmp)
}

fn in_order(beliefs: &[Belief]) -> Vec<Belief> {
    let mut beliefs = beliefs.to_vec();
    beliefs.sort_by_key(|belief| belief.begins());
    beliefs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn belief(slot: usize, from: u64, until: u64) -> Belief {
        Belief {
            slot,
            token: from,
            from,
            until,
            state: State::Lost,
        }
    }

    #[test]
    fn a_belief_beside_another_is_found() {
        let (first, beside) = (belief(0, 10, 20), belief(1, 19, 30));
        let calm = [first, belief(1, 21, 30), belief(0, 31, 40)];
        assert_eq!(first_conflict(&calm), None);
        assert_eq!(
            first_conflict(&[belief(2, 50, 60), beside, first]),
            Some((first, beside))
        );
        // It began long before, and others came and went.
        let (long, late) = (belief(0, 1, 90), belief(2, 80, 85));
        assert_eq!(first_conflict(&[long, late]), Some((long, late)));
        assert_eq!(closest_handover_ms(&calm), Some(1e-6));
    }

    #[test]
    fn one_answer_conflicts_if_the_other_believed_all_the_while() {
        let long = belief(0, 10, 50);
        let once = |asked, answered| belief(1, answered, asked);
        assert!(first_conflict(&[long, once(20, 21)]).is_some());
        // It may have been answered before the other believed, or after.
        assert_eq!(first_conflict(&[long, once(9, 12)]), None);
        assert_eq!(first_conflict(&[long, once(49, 52)]), None);
        assert_eq!(first_conflict(&[once(20, 23), once(21, 22)]), None);
    }
}
