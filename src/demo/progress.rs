//! Showing how far the demo is: a bar on a terminal, lines elsewhere.

use crate::units::grouped;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _};

/// Lines come at every so many percent.
const STEP: u64 = 10;

pub(super) struct Progress {
    words: u64,
    bar: Option<ProgressBar>,
    /// The percentage of the last line.
    told: u64,
    /// Whoever wants JSON wants nothing else.
    quiet: bool,
}

impl Progress {
    pub(super) fn new(words: u64, quiet: bool) -> Progress {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(
                "{bar:40} {percent:>3} %  {human_pos} words  {per_sec}  {eta}",
            );
            ProgressBar::new(words).with_style(style.expect("the template is good"))
        });
        Progress {
            words,
            bar,
            told: 0,
            quiet,
        }
    }

    /// So many words are counted.
    pub(super) fn advance(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let percent = done * 100 / self.words.max(1) / STEP * STEP;
        if percent > self.told && percent < 100 {
            self.told = percent;
            self.note(&format!("{percent:>3} %  {} words", grouped(done)));
        }
    }

    /// Says something that stays.
    pub(super) fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.quiet => {}
            None => eprintln!("{line}"),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
