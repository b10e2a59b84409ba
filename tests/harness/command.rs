//! The binary itself, in an empty folder and with a clean environment.

use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
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
        // read at once, whatever the test waits for: who cannot print stands still
        let (to, lines) = unbounded_channel();
        tokio::spawn(read(child.stdout.take().unwrap(), Said::Out, to.clone()));
        tokio::spawn(read(child.stderr.take().unwrap(), Said::Err, to));
        Running { child, lines, heard: String::new(), _folder: self.folder }
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

enum Said {
    Out(String),
    Err(String),
}

async fn read(from: impl AsyncRead + Unpin, said: fn(String) -> Said, to: UnboundedSender<Said>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        drop(to.send(said(line)));
    }
}

/// Killed when dropped.
pub struct Running {
    child: Child,
    lines: UnboundedReceiver<Said>,
    heard: String,
    _folder: Folder,
}

impl Running {
    /// Hears on until a line of stdout or stderr holds the text, and gives that line.
    pub async fn says(&mut self, text: &str) -> String {
        let reading = async {
            loop {
                let Some(Said::Out(line) | Said::Err(line)) = self.lines.recv().await else {
                    panic!("ended before it said `{text}`:\n{}", self.heard)
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

    /// Everything up to the line that was waited for last.
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

    /// `kill -9`; what it has said on stderr since it was last heard.
    pub async fn killed(mut self) -> String {
        self.child.kill().await.unwrap();
        self.ended().await.stderr
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Output {
        let ending = async {
            let (mut stdout, mut stderr) = (String::new(), String::new());
            while let Some(said) = self.lines.recv().await {
                let (text, line) = match said {
                    Said::Out(line) => (&mut stdout, line),
                    Said::Err(line) => (&mut stderr, line),
                };
                text.push_str(&line);
                text.push('\n');
            }
            Output { code: self.child.wait().await.unwrap().code(), stdout, stderr }
        };
        tokio::time::timeout(PATIENCE, ending).await.unwrap_or_else(|_| panic!("it does not end"))
    }
}
