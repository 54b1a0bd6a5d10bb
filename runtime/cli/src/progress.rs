//! What a submission shows while it runs: a bar on a terminal, a line for each thing that matters elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use fizz_client::News;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows a submission's news on standard error.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    names: Vec<String>,
    tasks: u64,
    done: BTreeMap<u32, usize>,
}

impl Progress {
    /// For a job of `tasks` tasks on nodes that are called `names`.
    pub(crate) fn new(tasks: usize, names: Vec<String>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(tasks as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len} tasks  {elapsed}  {msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            // The time goes on where nothing is heard for a while.
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress { bar, names, tasks: tasks as u64, done: BTreeMap::new() }
    }

    /// What a node is called.
    pub(crate) fn name(&self, node: usize) -> &str {
        self.names.get(node).map_or("?", String::as_str)
    }

    /// Shows one piece of news.
    pub(crate) fn tell(&mut self, news: &News) {
        match news {
            News::Connected { node, key, slots } => {
                let plural = if *slots == 1 { "" } else { "s" };
                self.line(&format!(
                    "{}: connected (key {}, {slots} slot{plural})",
                    self.name(*node),
                    key.short()
                ));
            }
            News::NodeLost { node, reason } => {
                self.line(&format!("{}: lost ({reason}); others take its tasks", self.name(*node)));
            }
            News::Started { node, task } => self.message(format!("{} runs task {task}", self.name(*node))),
            News::Committed { node, task, .. } => {
                self.done.insert(*task, *node);
                self.message(format!("{} delivered task {task}", self.name(*node)));
                self.moved();
                if self.bar.is_none() {
                    let (done, tasks) = (self.done.len(), self.tasks);
                    self.line(&format!("{}: delivered task {task} ({done}/{tasks})", self.name(*node)));
                }
            }
            News::Fault { node, task, reason } => {
                self.line(&format!("{}: could not do task {task} ({reason})", self.name(*node)));
            }
            News::Checking { node, task } => {
                self.message(format!("running task {task} of {} again", self.name(*node)));
            }
            News::CheckPassed { node, task } => {
                self.line(&format!("{}: task {task} run again, same bits", self.name(*node)));
            }
            News::Inconclusive { node, task, reason } => {
                self.line(&format!("{}: task {task} cannot be checked here: {reason}", self.name(*node)));
            }
            News::Caught { node, task, differences, again } => {
                let name = self.name(*node);
                self.line(&format!("{name}: CAUGHT. Task {task} run again gives something else:"));
                for difference in differences {
                    self.line(&format!("  {difference}"));
                }
                self.line(&format!("  all its tasks are done again by others: {again:?}"));
                self.done.retain(|_, by| by != node);
                self.moved();
            }
            News::Leased { .. } | News::Progress { .. } => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn moved(&self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done.len() as u64);
        }
    }

    fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            // Through the bar, so that it is drawn again below the line.
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}
