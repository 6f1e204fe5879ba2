//! The figures: a table for people, JSON for programs.
//!
//! It must never round a figure over its goal: goals are judged on what was measured, not on what is shown.

use std::{fs, path::Path, time::Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{numbers::count, stage::Stage};

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    None,
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::None => None,
            Self::AtLeast(goal) => Some(value >= goal),
            Self::AtMost(goal) => Some(value <= goal),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtLeast(goal) => format!("≥ {}", number(goal)),
            Self::AtMost(goal) => format!("≤ {}", number(goal)),
        }
    }
}

/// All figures of one run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    figures: Vec<Value>,
    part: &'static str,
    /// When the part began, and processor time of the machine and of us by then.
    begun: (Instant, (f64, f64)),
}

impl Report {
    pub(crate) async fn new(stage: &Stage, quick: bool) -> anyhow::Result<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let machine = json!({
            "cores": std::thread::available_parallelism()?.get(),
            "processor": model.trim_start_matches(['\t', ' ', ':']),
            "postgresql": stage.server_version().await?,
            "fsync": "on",
            "quick": quick,
        });
        println!("{machine}");
        Ok(Self { machine, figures: Vec::new(), part: "", begun: (Instant::now(), stage.shared()?) })
    }

    /// What the figures from here on are about.
    pub(crate) fn begin(&mut self, part: &'static str, stage: &Stage) -> anyhow::Result<()> {
        println!("\n{part}");
        self.part = part;
        self.begun = (Instant::now(), stage.shared()?);
        Ok(())
    }

    /// Says how much of the machine other programs took during this part: with more than a little, it says nothing.
    pub(crate) fn end(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let (begun, (machine, ours)) = self.begun;
        let (machine_now, ours_now) = stage.shared()?;
        let others = (machine_now - machine) - (ours_now - ours);
        let cores = count(std::thread::available_parallelism()?.get());
        let share = (others / (begun.elapsed().as_secs_f64() * cores)).max(0.0) * 100.0;
        self.figure("of the machine was taken by other programs meanwhile", share, "%", Goal::AtMost(5.0));
        Ok(())
    }

    /// Takes a figure down, and shows it at once.
    pub(crate) fn figure(&mut self, what: &str, value: f64, unit: &'static str, goal: Goal) {
        let met = goal.is_met(value);
        let verdict = match met {
            None => String::new(),
            Some(met) => format!("  goal {} {}", goal.shown(), if met { "met" } else { "MISSED" }),
        };
        println!("  {what:<66} {:>10} {unit}{verdict}", number(value));
        self.figures.push(json!({
            "part": self.part, "what": what, "value": value, "unit": unit, "goal": goal.shown(), "met": met,
        }));
    }

    /// Writes the JSON, and prints the same as a Markdown table.
    pub(crate) fn finish(self, path: &Path) -> anyhow::Result<()> {
        println!("\n| | | figure | goal | |\n|---|---|---:|---:|---|");
        let mut part = "";
        for figure in &self.figures {
            let text = |name: &str| figure[name].as_str().unwrap_or_default();
            let first = if text("part") == part { "" } else { text("part") };
            part = text("part");
            let value = number(figure["value"].as_f64().unwrap_or_default());
            let verdict = figure["met"].as_bool().map_or("", |met| if met { "met" } else { "missed" });
            println!("| {first} | {} | {value} {} | {} | {verdict} |", text("what"), text("unit"), text("goal"));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let all = json!({"machine": self.machine, "figures": self.figures});
        fs::write(path, serde_json::to_vec_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nwritten to {}", path.display());
        Ok(())
    }
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || (size.fract() == 0.0 && size >= 10.0) => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
