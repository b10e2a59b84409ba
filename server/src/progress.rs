//! How far a long command has come: a bar on stderr, drawn on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many bytes; of an unknown number, only what was done is shown.
    pub fn bytes(total: Option<u64>) -> Self {
        match total {
            Some(total) => Progress::styled(
                ProgressBar::new(total),
                "{msg:24} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
            ),
            None => Progress::styled(ProgressBar::new_spinner(), "{msg:24} {spinner} {bytes} {bytes_per_sec}"),
        }
    }

    /// Of so many rows.
    pub fn rows(total: u64) -> Self {
        Progress::styled(
            ProgressBar::new(total),
            "{msg:24} {wide_bar} {human_pos}/{human_len} rows {per_sec}, {eta} left",
        )
    }

    /// Of so many steps that are alike.
    pub fn steps(total: u64) -> Self {
        Progress::styled(ProgressBar::new(total), "{msg:40} {wide_bar} {human_pos}/{human_len}")
    }

    /// For whom nobody watches.
    pub fn unseen() -> Self {
        Progress(ProgressBar::hidden())
    }

    fn styled(bar: ProgressBar, template: &str) -> Self {
        // the templates are ours; should one be wrong, the plain bar does as well
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }

    /// What is worked on now.
    pub fn at(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    pub fn add(&self, done: u64) {
        self.0.inc(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
