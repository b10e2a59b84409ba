//! A wire to PostgreSQL that can be cut and mended: for the hub, the database goes down and comes back.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    task::{AbortHandle, JoinHandle},
};

use super::RUNTIME;

pub struct Wire {
    at: SocketAddr,
    far: Arc<Far>,
    taking: Mutex<Option<JoinHandle<()>>>,
    running: Arc<Mutex<Vec<AbortHandle>>>,
}

/// Where the server listens.
enum Far {
    Socket(String),
    Address(String),
}

impl Wire {
    /// The wire, and the URL that leads over it.
    pub async fn to(database_url: &str) -> (Self, String) {
        let mut url: reqwest::Url = database_url.parse().unwrap();
        let host = url.host_str().unwrap().replace("%2F", "/");
        let port = url.port().unwrap_or(5432);
        let far = match host.starts_with('/') {
            true => Far::Socket(format!("{host}/.s.PGSQL.{port}")),
            false => Far::Address(format!("{host}:{port}")),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(at.port())).unwrap();
        let wire = Wire { at, far: Arc::new(far), taking: Mutex::default(), running: Arc::default() };
        wire.take(listener);
        (wire, url.to_string())
    }

    fn take(&self, listener: TcpListener) {
        let (far, running) = (self.far.clone(), self.running.clone());
        let taking = RUNTIME.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = far.clone();
                let task = RUNTIME.spawn(async move {
                    match &*far {
                        Far::Socket(path) => join(near, UnixStream::connect(path).await).await,
                        Far::Address(address) => join(near, TcpStream::connect(address).await).await,
                    }
                });
                running.lock().unwrap().push(task.abort_handle());
            }
        });
        *self.taking.lock().unwrap() = Some(taking);
    }

    /// Ends every connection and takes no other.
    pub async fn cut(&self) {
        let taking = self.taking.lock().unwrap().take();
        if let Some(taking) = taking {
            taking.abort();
            // its listener is closed when it has ended
            let _ = taking.await;
        }
        self.running.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    /// Takes connections again, at the same place.
    pub fn mend(&self) {
        let _guard = RUNTIME.enter();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.at).unwrap();
        self.take(socket.listen(64).unwrap());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(taking) = self.taking.lock().unwrap().take() {
            taking.abort();
        }
    }
}

async fn join<F: AsyncRead + AsyncWrite + Unpin>(mut near: TcpStream, far: std::io::Result<F>) {
    if let Ok(mut far) = far {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}
