//! Faults that tests plant, to show that the exams catch them. Outside this crate's own tests none can be planted and
//! the questions cost nothing.

/// A way of being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Replies do not wait for the store.
    AcknowledgeBeforeDurable,
    /// What an operation got is not remembered.
    ForgetOutcome,
    /// An operation that changed rows and waited is run from its start when it is sent again.
    RunWaitingFromStart,
    /// A checkpoint counts before the log reaches its end.
    PublishEarly,
    /// Calls execute under a lease that has ended.
    IgnoreEndedLease,
    /// Who was undone is told all the same what it had done.
    RememberUndone,
    /// Who was superseded writes on.
    IgnoreFence,
    /// It is not remembered that an object was made for a call that must make it.
    ForgetMade,
    /// A condition that is deleted leaves those who wait for it to themselves.
    KeepWaits,
    /// Replies bring references that nobody holds.
    ReturnUnheld,
}

/// The fault that was planted, if one was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults(Option<Fault>);

impl Faults {
    /// Plants a fault.
    #[cfg(test)]
    pub(crate) fn plant(fault: Fault) -> Faults {
        Faults(Some(fault))
    }

    /// Was this one planted?
    pub(crate) fn has(self, fault: Fault) -> bool {
        cfg!(test) && self.0 == Some(fault)
    }
}
