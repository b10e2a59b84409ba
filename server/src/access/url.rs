//! Where the database is. The URL chooses between SQLite and PostgreSQL, and is never printed with its password.

use std::{fmt, path::PathBuf, str::FromStr};

use sea_orm::sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// Where the database is. Printing it never shows the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    pub(super) place: Place,
}

#[derive(Clone)]
pub(super) enum Place {
    File(PathBuf),
    Server(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        DatabaseUrl { text: format!("sqlite:{}", path.display()), place: Place::File(path) }
    }

    pub fn dialect(&self) -> Dialect {
        match self.place {
            Place::File(_) => Dialect::Sqlite,
            Place::Server(_) => Dialect::Postgres,
        }
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Server(_) => None,
        }
    }

    /// The text as given, password included: for drivers only.
    pub(in crate::access) fn reveal(&self) -> &str {
        &self.text
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains(":memory:") {
                return Err(Error::usage(
                    "a SQLite database needs a file, such as `sqlite:entente.db`: each connection would see its own `:memory:`",
                ));
            }
            if path.contains('?') {
                return Err(Error::usage("a SQLite database URL takes no parameters, write `sqlite:FILE`"));
            }
            return Ok(DatabaseUrl { text: text.to_owned(), place: Place::File(path.into()) });
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // the cause is left out: it may quote the password
            let options = PgConnectOptions::from_str(text).map_err(|_| {
                Error::usage(
                    "the database URL is no PostgreSQL URL, write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
                )
            })?;
            let options = options.application_name("entente").disable_statement_logging();
            return Ok(DatabaseUrl { text: text.to_owned(), place: Place::Server(Box::new(options)) });
        }
        Err(Error::usage("the database URL must be `sqlite:FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "sqlite:{}", path.display()),
            Place::Server(options) => {
                write!(f, "postgres://{}/{}", address(options), options.get_database().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

pub(super) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_prints_its_password() {
        let url: DatabaseUrl = "postgres://hub:s3cret@db.example:6543/crm".parse().expect("valid");
        assert_eq!(url.to_string(), "postgres://db.example:6543/crm");
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!(url.dialect(), Dialect::Postgres);
        let wrong = "postgres://hub:s3cret@db.example:65x43/crm".parse::<DatabaseUrl>().expect_err("no port");
        assert!(!wrong.to_string().contains("s3cret"));
    }

    #[test]
    fn sqlite_urls_name_a_file() {
        for text in ["sqlite:a/b.db", "sqlite://a/b.db"] {
            let url: DatabaseUrl = text.parse().expect("valid");
            assert_eq!(url.file(), Some(std::path::Path::new("a/b.db")));
        }
        for text in ["sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "mysql://a/b", "entente.db"] {
            assert!(matches!(text.parse::<DatabaseUrl>(), Err(Error::Usage(_))), "{text}");
        }
    }
}
