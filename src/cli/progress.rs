//! How far a command has come: a bar on a terminal, now and then a line elsewhere.
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Something that takes its time.
#[derive(Debug)]
pub(super) struct ProgressLine {
    what: &'static str,
    bar: Option<ProgressBar>,
    total: Option<usize>,
    done: usize,
    told: Instant,
}

impl ProgressLine {
    /// Begins; the total may be unknown.
    pub(super) fn start(what: &'static str, total: Option<usize>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = match total {
                Some(total) => ProgressBar::new(total.try_into().unwrap_or(u64::MAX)),
                None => ProgressBar::new_spinner(),
            };
            let template = match total {
                Some(_) => "{msg} [{bar:30}] {human_pos} of {human_len} ({eta} left)",
                None => "{spinner} {msg} {human_pos}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.with_message(what)
        });
        Self { what, bar, total, done: 0, told: Instant::now() }
    }

    /// So many more are done.
    pub(super) fn advance(&mut self, count: usize) {
        self.done += count;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.try_into().unwrap_or(u64::MAX));
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let of = self.total.map_or_else(String::new, |it| format!(" of {it}"));
            note(&format!("{}: {}{of}", self.what, self.done));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line to standard error. A closed standard error is no failure.
pub(super) fn note(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
