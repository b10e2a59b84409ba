//! `entente demo`: from an empty folder to a hub that one can ask, with a token for each seat.

use std::{fs, path::PathBuf};

use clap::Args;

use super::{Settings, serve};
use crate::{
    access::{
        connect::{DatabaseUrl, Db},
        roster::{self, TakenSeat},
    },
    app::App,
    auth::Ttl,
    catalogue::CATALOGUE,
    clock::Clock,
    config::Flags,
    error::{Error, Result},
    http,
};

pub(super) const FILE: &str = "entente-demo.db";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to serve [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where `entente-demo.db` is kept
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
}

impl Demo {
    pub(super) async fn run(self, settings: &Settings) -> Result<()> {
        let file = DatabaseUrl::sqlite(match self.dir.as_os_str() == "." {
            true => PathBuf::from(FILE),
            false => self.dir.join(FILE),
        });
        let flags = Flags { listen: self.listen, fallback_database_url: Some(file.to_string()), ..settings.flags() };
        let mut config = settings.load_with(&flags)?;
        // the world can be built again
        config.durable = false;
        if config.mail.smtp.is_none() {
            config.mail.folder.get_or_insert_with(|| self.dir.join("mail"));
        }
        let listener = http::listen(&config.listen).await?;
        if config.database_url.to_string() == file.to_string() {
            fs::create_dir_all(&self.dir).map_err(|cause| {
                Error::usage(format!("cannot create folder `{}` ({cause}), give another `--dir`", self.dir.display()))
            })?;
        }
        let (clock, db) = (config.clock(), config.open().await?);
        db.migrate_up().await?;
        let built = build(&db, &clock).await?;
        let app = App::over(config, db, clock).await?;
        let seats = roster::all_seats(&app.db, app.clock.now()).await?;
        let greeting = banner(&app, &serve::address(&listener)?, &seats, built)?;
        serve::run(app, listener, &greeting).await
    }
}

/// Builds the world if nobody is there yet.
async fn build(db: &Db, clock: &Clock) -> Result<bool> {
    let mut load = db.load().await?;
    let organisations = CATALOGUE.by_name("Organisation");
    let empty = match organisations {
        Some(organisations) => load.is_empty(organisations).await?,
        None => false,
    };
    if empty {
        crate::demo::build(&mut load, clock).await?;
        load.commit().await?;
    }
    Ok(empty)
}

fn banner(app: &App, address: &str, seats: &[TakenSeat], built: bool) -> Result<String> {
    let kept = if built { "built in" } else { "kept in" };
    let mut text = format!("The Nordwind world, {kept} {}\n\n  {address}\n\n", app.db.url());
    text.push_str(
        "Open a link, and GraphiQL asks as that seat. What follows `token=` is its bearer token, good for 7 days.\n",
    );
    let mut organisation = "";
    for seat in seats {
        if organisation != seat.name.organisation {
            organisation = &seat.name.organisation;
            text.push_str(&format!("\n{}\n", seat.title));
        }
        let token = app.tokens.issue(&seat.seat, seat.principal, Ttl::days(7), &app.clock)?;
        text.push_str(&format!("  {}\n    {address}#token={token}\n", seat.name));
    }
    text.push_str(&format!("\nserving {address}, Ctrl-C stops\n"));
    Ok(text)
}
