//! `entente serve`, and what every server of the hub does: take the port, watch the policies, stop when told.

use std::{path::Path, sync::Arc, time::Duration};

use clap::Args;
use notify::{RecursiveMode, Watcher};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    time,
};

use super::{Settings, existing, say};
use crate::{
    app::App,
    config::Flags,
    error::{Error, Result},
    http, webhook,
};

/// An editor writes a file in several steps; the set is read when they are over.
const QUIET: Duration = Duration::from_millis(200);
/// How long requests that have begun may take after the hub was told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to serve [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Print the settings that hold, secrets hidden, and end
    #[arg(long)]
    print_config: bool,
}

impl Serve {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let config = settings.load_with(&Flags { listen: self.listen, ..settings.flags() })?;
        if self.print_config {
            return say(&config.print()?);
        }
        let config = existing(config)?;
        let listener = http::listen(&config.listen).await?;
        let app = App::start(config).await?;
        let greeting = format!("serving {}\n", address(&listener)?);
        run(app, listener, &greeting).await
    }
}

/// The address of `/graphql`, as one types it.
pub(super) fn address(listener: &TcpListener) -> Result<String> {
    let local = listener.local_addr().map_err(|cause| Error::internal(format!("no local address: {cause}")))?;
    let host = match local.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    };
    Ok(format!("http://{host}:{}/graphql", local.port()))
}

/// Serves until the process is told to stop. It greets when it listens to signals: whoever reads the
/// greeting may send one at once.
pub(super) async fn run(app: Arc<App>, listener: TcpListener, greeting: &str) -> Result<()> {
    let _watcher = watch(&app)?;
    let told = told_to_stop()?;
    if let Err(error) = app.audit.take().await {
        tracing::warn!("lines of the access log that were left behind wait on: {error}");
    }
    let (keep, keeping) = {
        let (keep, told) = oneshot::channel();
        (keep, tokio::spawn(app.audit.clone().keep(told)))
    };
    let (post, told_post) = oneshot::channel();
    tokio::spawn(app.post.clone().keep(told_post));
    let (deliver, delivering) = {
        let (deliver, told) = oneshot::channel();
        (deliver, tokio::spawn(webhook::keep(app.clone(), told)))
    };
    let (hush, told_to_hush) = oneshot::channel();
    if let Some(bus) = app.bus.clone() {
        tokio::spawn(bus.keep(told_to_hush));
    }
    let (trim, told_to_trim) = oneshot::channel::<()>();
    tokio::spawn(app.gate.clone().keep_changes(app.config.changes, told_to_trim));
    say(greeting)?;
    let (stopping, mut stopped) = mpsc::channel::<()>(1);
    let stop = async move {
        told.await;
        tracing::info!("stopping");
        drop(stopping);
    };
    let served = http::serve(app.clone(), listener, stop);
    let served = tokio::select! {
        served = served => served,
        () = async { stopped.recv().await; time::sleep(FAREWELL).await } => {
            tracing::warn!("some requests did not end in time");
            Ok(())
        }
    };
    drop(deliver);
    if time::timeout(FAREWELL, delivering).await.is_err() {
        tracing::warn!("other hubs must wait for the end of webhook leases");
    }
    // lines that streams owe come before the end of those who take lines
    if let Some(feed) = app.feed.load_full()
        && time::timeout(FAREWELL, feed.settled()).await.is_err()
    {
        tracing::warn!("some streams did not end in time");
    }
    drop((keep, post, trim, hush));
    if time::timeout(FAREWELL, keeping).await.is_err() {
        tracing::warn!("some lines of the access log stay in its journal until the next start");
    }
    served
}

fn told_to_stop() -> Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) = (listen_to(SignalKind::terminate())?, listen_to(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn listen_to(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|cause| Error::internal(format!("cannot listen to signals ({cause})")))
}

/// Takes the policies anew on `SIGHUP` and, where they come from a folder, when a file in it changes.
fn watch(app: &Arc<App>) -> Result<Option<notify::RecommendedWatcher>> {
    let (changed, mut changes) = mpsc::channel::<()>(1);
    let watcher = app.config.policies.as_ref().map(|folder| watch_folder(folder, changed.clone())).transpose()?;
    let mut hangup = listen_to(SignalKind::hangup())?;
    let app = app.clone();
    tokio::spawn(async move {
        // kept, so that the channel stays open without a folder
        let _changed = changed;
        loop {
            tokio::select! {
                Some(()) = changes.recv() => {
                    while time::timeout(QUIET, changes.recv()).await.is_ok_and(|more| more.is_some()) {}
                }
                Some(()) = hangup.recv() => {}
                else => return,
            }
            reload(&app).await;
        }
    });
    Ok(watcher)
}

fn watch_folder(folder: &Path, changed: mpsc::Sender<()>) -> Result<notify::RecommendedWatcher> {
    let cannot = |cause: notify::Error| Error::usage(format!("cannot watch `{}` ({cause})", folder.display()));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // reading the files is an event, too
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // if the channel is full, a reload is coming anyway
            let _full = changed.try_send(());
        }
    })
    .map_err(cannot)?;
    watcher.watch(folder, RecursiveMode::Recursive).map_err(cannot)?;
    Ok(watcher)
}

async fn reload(app: &Arc<App>) {
    let app = app.clone();
    // parsing and checking a set takes a while, and is no waiting
    let reloaded = tokio::task::spawn_blocking(move || app.gate.reload_policies()).await;
    match reloaded {
        Ok(Ok(summary)) => tracing::info!("policies: {summary}"),
        Ok(Err(error)) => tracing::error!("policies refused, the old ones stay: {error}"),
        Err(_) => tracing::error!("policies not reloaded, the old ones stay"),
    }
}
