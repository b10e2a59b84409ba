//! Settings: flags, over the environment, over `entente.toml`, over the commented defaults inside the
//! binary. An unknown key is an error, so that a slip of the pen never runs unnoticed.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use entities::Instant;
use figment::{
    Figment, Metadata, Profile, Provider, Source,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::{
    access::{connect::DatabaseUrl, log::Watching},
    auth::Ttl,
    bus,
    error::{Error, Result},
    mail::SmtpUrl,
};

/// Every default, once.
pub const DEFAULTS: &str = include_str!("defaults.toml");
/// Read from the working folder if it is there.
const FILE: &str = "entente.toml";
const PREFIX: &str = "ENTENTE_";
/// Opens the name of a source that is an environment variable.
const VARIABLE: &str = "variable ";

#[derive(Clone, Debug)]
pub struct Config {
    pub database_url: DatabaseUrl,
    pub connections: usize,
    pub listen: String,
    pub policies: Option<PathBuf>,
    pub http: Http,
    pub limits: Limits,
    pub streams: Streams,
    pub log: Log,
    pub audit: Audit,
    pub mail: Mail,
    pub webhooks: Webhooks,
    pub changes: Changes,
    pub bus: bus::Settings,
    /// For tests: the hub starts at this instant and its clock runs on from there.
    pub clock: Option<Instant>,
    /// Whether a commit on SQLite survives the loss of power; only the demo does without.
    pub durable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Networks of proxies that tell from where a request came.
    pub trusted_proxies: Vec<IpNet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub body_bytes: usize,
    pub tokens: usize,
    pub depth: usize,
    pub aliases: usize,
    pub directives: usize,
    pub cost: u64,
    pub cost_per_minute: u32,
    /// Off only to measure and to test: a clock that stands still gives no budget back.
    pub budgets: bool,
    pub page_size_default: usize,
    pub page_size_max: usize,
    pub plans: usize,
}

/// Of connections that stay open. Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Streams {
    pub connections: usize,
    pub operations: usize,
    pub init_timeout: usize,
    pub keep_alive: usize,
    pub buffer_messages: usize,
    pub buffer_bytes: usize,
}

/// Of events that are sent out. Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    pub deliver: bool,
    pub allow_http: bool,
    pub allow_private: bool,
    pub timeout: u32,
    pub response_bytes: usize,
    pub per_host: usize,
    pub refused_for: u32,
    pub failing_for: u32,
    pub disable_after: u32,
    pub dead_letters_for: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Off only to measure what it costs.
    pub enabled: bool,
    /// The folder of the access log's journal; without it one is made beside the database's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<PathBuf>,
    /// Bytes that may wait there; 0: no limit.
    pub journal_bytes: u64,
    /// How long lines are kept; 0: for ever.
    pub keep_days: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_file: Option<PathBuf>,
    /// Instead of a server: each mail becomes a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// How much of the change log is kept, and how what comes is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub keep: Ttl,
    /// Changed rows.
    pub most: u32,
    pub listen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<Ttl>,
}

impl Changes {
    pub fn watching(&self) -> Watching {
        let look = self.look.map(|look| Duration::from_micros(look.micros().unsigned_abs()));
        Watching { listen: self.listen, look }
    }
}

/// As it is written, before it is checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    database_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    database_url_file: Option<PathBuf>,
    connections: usize,
    listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<Instant>,
    http: Http,
    limits: Limits,
    streams: Streams,
    log: Log,
    audit: Audit,
    mail: Mail,
    webhooks: Webhooks,
    changes: Changes,
    bus: bus::Settings,
}

/// What the command line sets: the last word.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<PathBuf>,
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The database if nobody names one; the demo's differs.
    #[serde(skip)]
    pub fallback_database_url: Option<String>,
}

impl Config {
    pub fn load(flags: &Flags) -> Result<Self> {
        Config::load_in(Path::new(""), &environment(), flags)
    }

    fn load_in(folder: &Path, environment: &[(String, String)], flags: &Flags) -> Result<Self> {
        let figment = Figment::from(Toml::string(DEFAULTS));
        let figment = match &flags.fallback_database_url {
            Some(url) => figment.merge(Serialized::default("database_url", url)),
            None => figment,
        };
        let figment = match &flags.file {
            Some(file) if !file.is_file() => {
                return Err(Error::usage(format!("no configuration file `{}`", file.display())));
            }
            Some(file) => figment.merge(Toml::file_exact(file)),
            None if folder.join(FILE).is_file() => figment.merge(Toml::file_exact(folder.join(FILE))),
            None => figment,
        };
        let figment = Variable::all(environment).fold(figment, Figment::merge);
        Config::read(&figment.merge(Serialized::defaults(flags)))
    }

    fn read(figment: &Figment) -> Result<Self> {
        let written: Written = figment.extract().map_err(|error| Error::usage(sentence(figment, &error)))?;
        written.checked()
    }

    /// The outcome as TOML; the password of the database is not in it.
    pub fn print(&self) -> Result<String> {
        let written = Written {
            database_url: self.database_url.to_string(),
            database_url_file: None,
            connections: self.connections,
            listen: self.listen.clone(),
            policies: self.policies.clone(),
            clock: self.clock,
            http: self.http.clone(),
            limits: self.limits,
            streams: self.streams,
            log: self.log.clone(),
            audit: self.audit.clone(),
            mail: Mail { smtp_file: None, ..self.mail.clone() },
            webhooks: self.webhooks,
            changes: self.changes,
            bus: self.bus.clone(),
        };
        toml::to_string(&written).map_err(|cause| Error::internal(cause.to_string()))
    }
}

impl Written {
    fn checked(self) -> Result<Config> {
        let database_url = match &self.database_url_file {
            None => self.database_url,
            Some(file) => {
                let text = std::fs::read_to_string(file);
                text.map_err(|cause| {
                    Error::usage(format!("cannot read `database_url_file` `{}` ({cause})", file.display()))
                })?
            }
        };
        let mut mail = self.mail;
        if let Some(file) = &mail.smtp_file {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|cause| {
                Error::usage(format!("cannot read `mail.smtp_file` `{}` ({cause})", file.display()))
            })?;
            mail.smtp = Some(SmtpUrl::new(&text));
        }
        let (limits, streams) = (self.limits, self.streams);
        let positive = [
            ("connections", self.connections),
            ("limits.body_bytes", limits.body_bytes),
            ("limits.tokens", limits.tokens),
            ("limits.depth", limits.depth),
            ("limits.page_size_default", limits.page_size_default),
            ("limits.plans", limits.plans),
            ("streams.connections", streams.connections),
            ("streams.operations", streams.operations),
            ("streams.init_timeout", streams.init_timeout),
            ("streams.keep_alive", streams.keep_alive),
            ("streams.buffer_messages", streams.buffer_messages),
            ("streams.buffer_bytes", streams.buffer_bytes),
            ("webhooks.timeout", self.webhooks.timeout as usize),
            ("webhooks.per_host", self.webhooks.per_host),
            ("changes.most", self.changes.most as usize),
            ("bus.replicas", self.bus.replicas),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::usage(format!("setting `{name}` must be at least 1")));
        }
        if limits.page_size_default > limits.page_size_max {
            return Err(Error::usage("setting `limits.page_size_default` must not exceed `limits.page_size_max`"));
        }
        if let Err(cause) = EnvFilter::try_new(&self.log.level) {
            return Err(Error::usage(format!("setting `log.level` is no log level ({cause})")));
        }
        if let Some(folder) = self.policies.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Error::usage(format!("setting `policies` names `{}`, which is no folder", folder.display())));
        }
        Ok(Config {
            database_url: database_url.trim().parse()?,
            connections: self.connections,
            listen: self.listen,
            policies: self.policies,
            http: self.http,
            limits,
            streams,
            log: self.log,
            audit: self.audit,
            mail,
            webhooks: self.webhooks,
            changes: self.changes,
            bus: self.bus,
            clock: self.clock,
            durable: true,
        })
    }
}

/// A setting from the environment. Not figment's own provider: tests hand in theirs instead of changing
/// the process's, and an error names the variable.
struct Variable {
    name: String,
    key: String,
    value: String,
}

/// The variables of this process.
fn environment() -> Vec<(String, String)> {
    // a variable whose name is no text is none of ours; a value that is none is wrong as any setting
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.to_string_lossy().into()));
    std::env::vars_os().filter_map(text).collect()
}

impl Variable {
    /// Those that are settings, the later ones over the earlier: ours over the common one.
    fn all(environment: &[(String, String)]) -> impl Iterator<Item = Variable> {
        let common = environment.iter().filter(|(name, _)| name == "DATABASE_URL");
        let common = common.map(|variable| ("database_url".to_owned(), variable));
        let ours = environment.iter().filter_map(|variable| {
            let key = variable.0.strip_prefix(PREFIX)?;
            Some((key.to_ascii_lowercase().replace("__", "."), variable))
        });
        // an empty one is as good as none: a shell cannot take a variable back from a file of them
        common.chain(ours).filter(|(_, (_, value))| !value.is_empty()).map(|(key, (name, value))| Variable {
            name: name.clone(),
            key,
            value: value.clone(),
        })
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("{VARIABLE}{}", self.name))
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, figment::Error> {
        let value: Value = self.value.parse().unwrap_or_else(|never| match never {});
        let nested = figment::util::nest(&self.key, value);
        Ok(Map::from([(Profile::Default, nested.into_dict().unwrap_or_default())]))
    }
}

/// One sentence with the key, what is wrong with it and where it was set.
fn sentence(figment: &Figment, error: &figment::Error) -> String {
    use figment::error::Kind;
    let key = match &error.kind {
        Kind::UnknownField(name, _) if error.path.last() != Some(name) => {
            error.path.iter().chain([name]).cloned().collect::<Vec<_>>().join(".")
        }
        _ => error.path.join("."),
    };
    let at = match error.metadata.as_ref().or_else(|| figment.find_metadata(&key)) {
        Some(metadata) => match (metadata.name.strip_prefix(VARIABLE), &metadata.source) {
            (Some(variable), _) => format!(" in the environment's `{variable}`"),
            (None, Some(Source::File(file))) => format!(" in `{}`", file.display()),
            _ => String::new(),
        },
        None => String::new(),
    };
    match &error.kind {
        Kind::UnknownField(_, known) => {
            let table = key.rsplit_once('.').map_or(String::new(), |(table, _)| format!("{table}."));
            let known = known.iter().map(|name| format!("`{table}{name}`")).collect::<Vec<_>>().join(", ");
            format!("unknown setting `{key}`{at}, there are {known}")
        }
        Kind::MissingField(name) => format!("setting `{name}` is missing{at}"),
        Kind::InvalidType(actual, expected) => format!("setting `{key}`{at} must be {expected}, not {actual}"),
        Kind::Message(text) if key.is_empty() => format!("cannot read the configuration{at}: {}", one_line(text)),
        other => format!("setting `{key}`{at} is wrong: {}", one_line(&other.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads as if run in a folder with this `entente.toml` and this environment.
    fn load(toml: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Config> {
        let folder = tempfile::tempdir().expect("a folder");
        if !toml.is_empty() {
            std::fs::write(folder.path().join(FILE), toml).expect("written");
        }
        let environment: Vec<_> = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::load_in(folder.path(), &environment, flags)
    }

    #[test]
    fn later_sources_win() {
        let none = Flags::default();
        assert_eq!(load("", &[], &none).expect("defaults").listen, "127.0.0.1:8080");
        let toml = "listen = '127.0.0.1:1'\n[limits]\ndepth = 3\n";
        let config = load(toml, &[], &none).expect("file");
        assert_eq!((config.listen.as_str(), config.limits.depth, config.limits.plans), ("127.0.0.1:1", 3, 2000));
        let mut environment = vec![
            ("ENTENTE_LISTEN", "127.0.0.1:2"),
            ("ENTENTE_LIMITS__DEPTH", "4"),
            ("ENTENTE_POLICIES", ""),
            ("DATABASE_URL", "sqlite:env.db"),
            ("HOME", "/root"),
        ];
        let config = load(toml, &environment, &none).expect("environment");
        assert_eq!((config.listen.as_str(), config.limits.depth), ("127.0.0.1:2", 4));
        assert_eq!(config.database_url.to_string(), "sqlite:env.db");
        environment.insert(0, ("ENTENTE_DATABASE_URL", "sqlite:own.db"));
        let config = load(toml, &environment, &none).expect("own variable");
        assert_eq!(config.database_url.to_string(), "sqlite:own.db");
        let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
        assert_eq!(load(toml, &environment, &flags).expect("flags").listen, "127.0.0.1:3");
    }

    #[test]
    fn a_fallback_database_yields_to_every_source() {
        let demo = Flags { fallback_database_url: Some("sqlite:demo.db".into()), ..Flags::default() };
        let url = |toml: &str| load(toml, &[], &demo).expect("loaded").database_url.to_string();
        assert_eq!(url(""), "sqlite:demo.db");
        assert_eq!(url("database_url = 'sqlite:own.db'"), "sqlite:own.db");
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_its_place() {
        for (toml, parts) in [
            ("lisen = '127.0.0.1:1'", ["unknown setting `lisen`", "entente.toml"]),
            ("[limits]\ndepht = 3", ["unknown setting `limits.depht`", "`limits.depth`"]),
            ("[limits]\ndepth = 'deep'", ["setting `limits.depth`", "entente.toml"]),
            ("[bus]\nurls = 'nats://a'", ["unknown setting `bus.urls`", "`bus.url`"]),
            ("bus.url = 'nats://hub:s3cret@a'", ["setting `bus.url`", "`bus.password`"]),
            ("bus.stream = 'a.b'", ["setting `bus.stream`", "letters"]),
            ("[limits\n", ["cannot read", "entente.toml"]),
            ("clock = 'noon'", ["clock", "RFC 3339"]),
        ] {
            let text = load(toml, &[], &Flags::default()).expect_err(toml).to_string();
            assert!(parts.iter().all(|part| text.contains(part)) && !text.contains('\n'), "{text}");
        }
        let text = load("", &[("ENTENTE_LISEN", "x")], &Flags::default()).expect_err("unknown").to_string();
        assert!(text.contains("unknown setting `lisen` in the environment's `ENTENTE_LISEN`"), "{text}");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (toml, part) in [
            ("limits.depth = 0", "`limits.depth` must be at least 1"),
            ("limits.page_size_max = 5", "page_size_default"),
            ("bus.replicas = 0", "`bus.replicas` must be at least 1"),
            ("log.level = 'a=b=c'", "log.level"),
            ("policies = 'missing'", "no folder"),
            ("database_url = 'mysql://a'", "database URL"),
            ("database_url_file = 'missing'", "database_url_file"),
        ] {
            let text = load(toml, &[], &Flags::default()).expect_err(toml).to_string();
            assert!(text.contains(part), "{text}");
        }
        let flags = Flags { file: Some("other.toml".into()), ..Flags::default() };
        assert!(load("", &[], &flags).expect_err("missing").to_string().contains("`other.toml`"));
    }

    #[test]
    fn the_printed_outcome_hides_the_password_and_can_be_read_back() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "postgres://hub:s3cret@db.example/crm\n").expect("written");
        let path = file.path().to_string_lossy().into_owned();
        let config = load("", &[("ENTENTE_DATABASE_URL_FILE", &path)], &Flags::default()).expect("loaded");
        let printed = config.print().expect("printed");
        assert!(printed.contains("postgres://db.example:5432/crm") && !printed.contains("s3cret"), "{printed}");
        assert!(!format!("{config:?}").contains("s3cret"));
        let again = Config::read(&Figment::from(Toml::string(&printed))).expect("read back");
        assert_eq!(again.limits, config.limits);
    }
}
