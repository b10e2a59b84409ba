//! A NATS server with JetStream, in a temporary folder and on a port of its own, that can be killed and come back
//! empty. It goes with the test.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{skip, until};

/// Debian's is not on everybody's path.
const PLACES: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// The server's program, or what is missing.
pub fn nats_server() -> Result<String, String> {
    let named = std::env::var("NATS_SERVER").ok();
    let places = named.into_iter().chain(PLACES.map(String::from));
    let runs = |program: &String| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    let found = places.into_iter().find(runs);
    found.ok_or_else(|| "no NATS: `nats-server` is not found, install it or name it in NATS_SERVER".to_owned())
}

/// That nobody listens at now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub struct Nats {
    program: String,
    port: u16,
    arguments: Vec<String>,
    running: Option<Child>,
    folder: TempDir,
}

impl Nats {
    pub async fn start() -> Self {
        Nats::with(&[]).await
    }

    /// With more arguments.
    pub async fn with(arguments: &[&str]) -> Self {
        let program = nats_server().unwrap_or_else(|missing| skip(missing));
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut nats = Nats { program, port: free_port(), arguments, running: None, folder: folder() };
        nats.again().await;
        nats
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// At once, as `kill -9` does. What it held in memory is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// At the same place, with nothing in it.
    pub async fn back(&mut self) {
        self.folder = folder();
        self.again().await;
    }

    /// At the same place, with what it had written.
    pub async fn again(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"]).arg(self.folder.path());
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(command.spawn().unwrap());
        until("a NATS server", || async { TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.ok() }).await;
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("entente-nats-").tempdir().unwrap()
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
