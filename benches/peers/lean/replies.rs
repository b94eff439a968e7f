//! Replies that are only counted.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeSet;

/// The numbers of the calls that have a reply. Most come in turn; one that waited for the disk may be overtaken.
pub(super) struct Answered {
    /// All up to this one have.
    pub(super) up_to: u64,
    ahead: BTreeSet<u64>,
}

impl Answered {
    /// All up to this one have a reply.
    pub(super) fn new(up_to: u64) -> Answered {
        Answered {
            up_to,
            ahead: BTreeSet::new(),
        }
    }

    /// How many have a reply.
    pub(super) fn count(&self) -> u64 {
        self.up_to + self.ahead.len() as u64
    }

    /// Takes in a frame of the server. Each of its replies must be the only one to a call that was sent, and no refusal.
    pub(super) fn take(&mut self, frame: &[u8], sent: u64) -> Result<()> {
        let mut frame = Fields(frame);
        while let Some((field, value)) = frame.next()? {
            match (field, value) {
                (2, Value::Bytes(reply)) => self.take_reply(Fields(reply), sent)?,
                // Credits: there were more at first than calls are ever under way.
                (3, Value::Number(_)) => {}
                _ => bail!("a frame with field {field}"),
            }
        }
        Ok(())
    }

    fn take_reply(&mut self, mut reply: Fields, sent: u64) -> Result<()> {
        let Some((1, Value::Number(number))) = reply.next()? else {
            bail!("a reply without a number");
        };
        let Some((2, Value::Bytes(_))) = reply.next()? else {
            bail!("call {number} was refused");
        };
        ensure!(number <= sent, "a reply to call {number}, which is none");
        if number == self.up_to + 1 {
            self.up_to = number;
            while self.ahead.first() == Some(&(self.up_to + 1)) {
                self.ahead.pop_first();
                self.up_to += 1;
            }
        } else {
            let is_first = number > self.up_to && self.ahead.insert(number);
            ensure!(is_first, "a second reply to call {number}");
        }
        Ok(())
    }
}

/// The fields of an encoded message.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?)?;
                let (bytes, rest) = self.0.split_at_checked(length).context("a cut message")?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => bail!("a field of another type"),
        };
        Ok(Some((key >> 3, value)))
    }

    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().context("a cut number")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number that is too long")
    }
}
