//! The binary itself, in an empty folder and with a clean environment.

use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout},
};

use super::PATIENCE;

const LONGEST: Duration = Duration::from_secs(180);

/// `entente ARGUMENTS…`
pub fn entente(arguments: &[&str]) -> Command {
    Command {
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        environment: HashMap::new(),
        folder: Folder::Own(tempfile::tempdir().unwrap()),
        patience: LONGEST,
    }
}

pub struct Command {
    arguments: Vec<String>,
    environment: HashMap<String, String>,
    folder: Folder,
    patience: Duration,
}

enum Folder {
    Own(TempDir),
    Given(std::path::PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Folder::Own(folder) => folder.path(),
            Folder::Given(folder) => folder,
        }
    }
}

/// What a command that ended has said.
#[derive(Debug)]
pub struct Output {
    /// `None`: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Command {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Runs in this folder; else in an empty one that goes with the command.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Folder::Given(folder.to_owned());
        self
    }

    /// May take this long.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn build(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_entente"));
        command.args(&self.arguments).env_clear().envs(&self.environment).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub async fn run(self) -> Output {
        let output = tokio::time::timeout(self.patience, self.build().output()).await;
        let output = output.unwrap_or_else(|_| panic!("`{}` does not end", self.arguments.join(" "))).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Leaves it running.
    pub fn start(self) -> Running {
        let mut child = self.build().spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, stdout, stderr, heard: String::new(), _folder: self.folder }
    }
}

impl Output {
    /// What it printed; a failure fails the test.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// The one sentence on stderr, of a command that ended with this code.
    #[track_caller]
    pub fn sentence(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let said = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect::<Vec<_>>();
        assert!(said.len() == 1 && !self.stderr.contains("panic"), "{}", self.stderr);
        &said[0]["error: ".len()..]
    }
}

/// Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    heard: String,
    _folder: Folder,
}

impl Running {
    /// Reads on until a line of stdout or stderr holds the text, and gives that line.
    pub async fn says(&mut self, text: &str) -> String {
        let reading = async {
            loop {
                let line = tokio::select! {
                    Ok(Some(line)) = self.stdout.next_line() => line,
                    Ok(Some(line)) = self.stderr.next_line() => line,
                    else => panic!("ended before it said `{text}`:\n{}", self.heard),
                };
                self.heard.push_str(&line);
                self.heard.push('\n');
                if line.contains(text) {
                    return line;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(line) => line,
            Err(_) => panic!("waited in vain for `{text}`:\n{}", self.heard),
        }
    }

    /// Everything that was read so far.
    pub fn heard(&self) -> &str {
        &self.heard
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `HUP`, `TERM`, `INT`
    pub async fn signal(&self, name: &str) {
        let pid = self.id();
        let kill = format!("kill -{name} {pid}");
        assert!(tokio::process::Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Output {
        let ending = async {
            let (mut stdout, mut stderr) = (String::new(), String::new());
            let mut out = self.stdout.into_inner();
            let mut err = self.stderr.into_inner();
            let (a, b) = tokio::join!(out.read_to_string(&mut stdout), err.read_to_string(&mut stderr));
            a.unwrap();
            b.unwrap();
            let status = self.child.wait().await.unwrap();
            Output { code: status.code(), stdout, stderr }
        };
        tokio::time::timeout(PATIENCE, ending).await.unwrap_or_else(|_| panic!("it does not end"))
    }
}
