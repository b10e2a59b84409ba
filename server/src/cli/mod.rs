//! The commands. Each answers on stdout; what goes wrong is one sentence on stderr that says what to do,
//! and an exit code: 1 a check said no, 2 wrong use or configuration, more for failures.

mod audit;
mod demo;
mod export;
mod generate;
mod import;
mod migrate;
mod policy;
mod schema;
mod serve;
mod token;
mod webhook;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    access::connect::{DatabaseUrl, Db},
    app::App,
    config::{Config, Flags},
    error::{Error, Result},
    telemetry,
};

/// The file that `defaults.toml` names.
const DEFAULT_FILE: &str = "entente.db";

#[derive(Debug, Parser)]
#[command(name = "entente", version, about = "A GraphQL hub where one host organisation shares its CRM with partners")]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Settings {
    /// Settings file [default: entente.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `sqlite:FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// A folder of policies instead of those inside the binary
    #[arg(long, global = true, value_name = "DIR")]
    policies: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a small world in this folder and serve it, with a token for each seat
    Demo(demo::Demo),
    /// Serve
    Serve(serve::Serve),
    /// Bring the database's tables to this version, or back
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Make a world of any size, the same for the same seed
    Generate(generate::Generate),
    /// Take rows from CSV, all or none
    Import(import::Import),
    /// Write the rows that a seat sees as CSV
    Export(export::Export),
    /// Check the access log, or write it out
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print a bearer token for a seat
    Token(token::Token),
    /// Send what a seat subscribes to to a web address
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Print the GraphQL schema: the whole one, or what a seat sees of it
    Schema(schema::Schema),
    /// Check policies, or show what they do
    #[command(subcommand)]
    Policy(policy::Policy),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            drop(told.print());
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(cli: Cli) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|cause| Error::internal(format!("cannot start threads: {cause}")))?;
    let result = runtime.block_on(dispatch(cli));
    // a thread that waits for the disk or the database does not keep the process
    runtime.shutdown_background();
    result
}

async fn dispatch(cli: Cli) -> Result<()> {
    let settings = cli.settings;
    match cli.command {
        Command::Demo(demo) => demo.run(&settings).await,
        Command::Serve(serve) => serve.run(&settings).await,
        Command::Migrate(migrate) => migrate.run(&settings).await,
        Command::Generate(generate) => generate.run(&settings).await,
        Command::Import(import) => import.run(&settings).await,
        Command::Export(export) => export.run(&settings).await,
        Command::Audit(audit) => audit.run(&settings).await,
        Command::Token(token) => token.run(&settings).await,
        Command::Webhook(webhook) => webhook.run(&settings).await,
        Command::Schema(schema) => schema.run(&settings).await,
        Command::Policy(policy) => policy.run(&settings).await,
    }
}

impl Settings {
    fn flags(&self) -> Flags {
        Flags {
            database_url: self.database_url.clone(),
            policies: self.policies.clone(),
            file: self.config.clone(),
            ..Flags::default()
        }
    }

    /// The settings, with the log started as they say.
    fn load(&self) -> Result<Config> {
        self.load_with(&self.flags())
    }

    fn load_with(&self, flags: &Flags) -> Result<Config> {
        let config = Config::load(flags)?;
        telemetry::start(&config.log)?;
        Ok(config)
    }

    /// The settings and their database, which must be there with this build's tables.
    async fn database(&self) -> Result<(Config, Db)> {
        let config = existing(self.load()?)?;
        let db = config.open().await?;
        db.check_migrated().await?;
        Ok((config, db))
    }

    /// The same with all that answers.
    async fn app(&self) -> Result<Arc<App>> {
        let (config, db) = self.database().await?;
        let clock = config.clock();
        App::over(config, db, clock).await
    }
}

/// With a database that is there: to open a file makes one, which only `demo` and `migrate up` may.
fn existing(mut config: Config) -> Result<Config> {
    let Some(file) = config.database_url.file().filter(|file| !file.exists()) else { return Ok(config) };
    // whoever runs the demo asks it in the same folder, and has named no database
    if file != Path::new(DEFAULT_FILE) || !Path::new(demo::FILE).exists() {
        let file = file.display();
        return Err(Error::usage(format!("there is no database `{file}`, run `entente migrate up` or `entente demo`")));
    }
    tracing::info!("there is no `{DEFAULT_FILE}` here, taking the demo's database");
    config.database_url = DatabaseUrl::sqlite(demo::FILE);
    Ok(config)
}

/// Writes a command's answer. A reader that has seen enough, such as `head`, is no failure.
fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::internal(format!("cannot write the answer ({cause})")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
    }
}
