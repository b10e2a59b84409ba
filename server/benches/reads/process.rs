//! The servers under test run in processes of their own, so that their CPU time can be told from that of
//! the load. It is read from `/proc`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::Outcome;

/// Of `/proc/<pid>/stat` on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server that ends with its handle.
pub struct Server {
    child: Child,
    pub address: String,
    /// What it wrote before it said where it serves.
    pub said: String,
}

impl Server {
    /// Starts the program and waits for its line `serving http://ADDRESS/…`.
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                drop(child.kill());
                return Err(format!("the server ended before it served: {said}").into());
            }
            if let Some(rest) = line.strip_prefix("serving http://") {
                let address = rest.split(['/', ',']).next().unwrap_or_default().trim().to_owned();
                // whatever it says later must not find a closed pipe
                std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                return Ok(Server { child, address, said });
            }
            said.push_str(&line);
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A hub that is built as this benchmark is.
pub fn hub(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
    command.current_dir(folder).env("ENTENTE_LOG__LEVEL", "warn");
    command
}

/// User and system time of a process since it started.
pub fn cpu(pid: u32) -> Duration {
    let Some(fields) = stat(pid) else { return Duration::ZERO };
    ticks(&fields[11..13])
}

fn ticks(fields: &[String]) -> Duration {
    let ticks: f64 = fields.iter().filter_map(|n| n.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}

/// The same of a PostgreSQL server: the postmaster, its backends that live, and those that it has seen end.
pub fn cluster_cpu(postmaster: u32) -> Duration {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = pids.filter(|pid| *pid == postmaster || parent(*pid) == Some(postmaster));
    of.map(cpu).sum::<Duration>() + stat(postmaster).map(|fields| ticks(&fields[13..15])).unwrap_or_default()
}

pub fn parent(pid: u32) -> Option<u32> {
    stat(pid)?[1].parse().ok()
}

/// The fields behind the name of the program, which may contain anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = text.rsplit_once(") ")?.1;
    Some(rest.split(' ').map(str::to_owned).collect())
}

/// Memory that the process has in use, in MB.
pub fn memory(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
