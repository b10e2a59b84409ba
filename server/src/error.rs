//! The one error of the hub. It has two texts: what the other side may read (`client_text`), and what
//! the log gets (`Display`). An internal cause reaches nobody but the log.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Who asks is not known: no token, or one that does not hold.
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    /// A value from outside is wrong.
    #[error("{0}")]
    Input(String),
    /// Missing, or not yours: the same answer.
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// Another transaction was in the way of this one, which can be begun again.
    #[error("another transaction was in the way")]
    InTheWay,
    /// The document is no GraphQL.
    #[error("{0}")]
    Parse(String),
    /// The document does not fit the caller's schema.
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    Cost(String),
    /// Too much in too short a time.
    #[error("{text}")]
    RateLimited {
        text: String,
        /// In so many seconds it would be taken.
        retry_after: u64,
    },
    /// A stream cannot be taken up where it was left.
    #[error("{0}")]
    Gap(String),
    /// The operator's command, configuration or surroundings are wrong.
    #[error("{0}")]
    Usage(String),
    /// A check that the operator asked for says no.
    #[error("{0}")]
    Refused(String),
    /// The database, or a program that a command needs, does not answer; the text says how it was noticed.
    #[error("{0}")]
    Unavailable(String),
    /// The access log takes no line, so nothing that must be in it is handed out.
    #[error("{0}")]
    Unlogged(String),
    #[error("{0}")]
    Internal(String),
}

/// The closed set of `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    Unauthenticated,
    Forbidden,
    BadUserInput,
    NotFound,
    Conflict,
    GraphqlParseFailed,
    GraphqlValidationFailed,
    CostLimitExceeded,
    RateLimited,
    Gap,
    /// What was asked for is written; only what it gives could not be read.
    Written,
    Internal,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::Forbidden => "FORBIDDEN",
            Code::BadUserInput => "BAD_USER_INPUT",
            Code::NotFound => "NOT_FOUND",
            Code::Conflict => "CONFLICT",
            Code::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Code::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Code::CostLimitExceeded => "COST_LIMIT_EXCEEDED",
            Code::RateLimited => "RATE_LIMITED",
            Code::Gap => "GAP",
            Code::Written => "WRITTEN",
            Code::Internal => "INTERNAL",
        }
    }
}

impl Error {
    pub fn unauthenticated(text: impl Into<String>) -> Self {
        Error::Unauthenticated(text.into())
    }

    pub fn forbidden(text: impl Into<String>) -> Self {
        Error::Forbidden(text.into())
    }

    pub fn input(text: impl Into<String>) -> Self {
        Error::Input(text.into())
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Error::NotFound(text.into())
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Error::Usage(text.into())
    }

    pub fn refused(text: impl Into<String>) -> Self {
        Error::Refused(text.into())
    }

    pub fn unavailable(log_text: impl Into<String>) -> Self {
        Error::Unavailable(log_text.into())
    }

    pub fn internal(log_text: impl Into<String>) -> Self {
        Error::Internal(log_text.into())
    }

    pub const fn code(&self) -> Code {
        match self {
            Error::Unauthenticated(_) => Code::Unauthenticated,
            Error::Forbidden(_) => Code::Forbidden,
            Error::Input(_) | Error::Usage(_) | Error::Refused(_) => Code::BadUserInput,
            Error::NotFound(_) => Code::NotFound,
            Error::Conflict(_) | Error::InTheWay => Code::Conflict,
            Error::Parse(_) => Code::GraphqlParseFailed,
            Error::Validation(_) => Code::GraphqlValidationFailed,
            Error::Cost(_) => Code::CostLimitExceeded,
            Error::RateLimited { .. } => Code::RateLimited,
            Error::Gap(_) => Code::Gap,
            Error::Unavailable(_) | Error::Unlogged(_) | Error::Internal(_) => Code::Internal,
        }
    }

    /// What a client may read.
    pub fn client_text(&self) -> &str {
        match self {
            Error::Unauthenticated(text)
            | Error::Forbidden(text)
            | Error::Input(text)
            | Error::NotFound(text)
            | Error::Conflict(text)
            | Error::Parse(text)
            | Error::Validation(text)
            | Error::Cost(text)
            | Error::RateLimited { text, .. }
            | Error::Gap(text) => text,
            Error::InTheWay => "others write the same rows at this moment, try again",
            Error::Unavailable(_) => "the hub cannot reach its database, try again in a moment",
            Error::Unlogged(_) => "the hub cannot write its access log, try again in a moment",
            Error::Usage(_) | Error::Refused(_) | Error::Internal(_) => {
                "internal error, tell the operator the request id"
            }
        }
    }

    /// What a client finds beside the message.
    pub fn extensions(&self) -> serde_json::Value {
        let mut extensions = serde_json::json!({ "code": self.code().as_str() });
        if let Error::RateLimited { retry_after, .. } = self {
            extensions["retryAfter"] = (*retry_after).into();
        }
        extensions
    }

    /// The exit code of a command that ended with this error.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Error::Refused(_) => 1,
            Error::Usage(_) | Error::Input(_) | Error::NotFound(_) => 2,
            Error::Unavailable(_) | Error::Unlogged(_) => 3,
            Error::Conflict(_) | Error::InTheWay => 4,
            _ => 5,
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let lost = match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) => true,
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => lost(cause),
            _ => false,
        };
        if lost { unavailable(error) } else { Error::Internal(error.to_string()) }
    }
}

/// Both databases end a statement of a read that takes too long.
fn too_long() -> Error {
    Error::Cost("the query took too long and was ended, ask for less at once".into())
}

fn unavailable(cause: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("the database does not answer ({cause})"))
}

fn lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| lost_state(&code)),
        _ => false,
    }
}

/// Codes with which a database says that it cannot serve now. PostgreSQL: connection exceptions, too many
/// connections, shutting down or starting up. SQLite: busy, cannot open, disk full.
fn lost_state(code: &str) -> bool {
    let postgres = code.len() == 5 && (code.starts_with("08") || code.starts_with("57P") || code == "53300");
    postgres || matches!(code, "5" | "261" | "517" | "13" | "14")
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use std::error::Error as _;
        if error.code() == Some(&tokio_postgres::error::SqlState::QUERY_CANCELED) {
            return too_long();
        }
        let refused = error.source().is_some_and(|cause| cause.is::<std::io::Error>());
        let lost = refused || error.is_closed() || error.code().is_some_and(|state| lost_state(state.code()));
        // its own `Display` keeps the server's sentence back
        let text = match error.as_db_error() {
            Some(cause) => format!("{} ({})", cause.message(), cause.code().code()),
            None => match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        };
        if lost { unavailable(text) } else { Error::Internal(text) }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(cause) => cause.into(),
            other => unavailable(other),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OperationInterrupted};
        match error.sqlite_error_code() {
            Some(OperationInterrupted) => too_long(),
            Some(CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull) => unavailable(error),
            _ => Error::Internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_database_is_told_from_a_wrong_statement() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let refused = DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(io).into()));
        assert!(matches!(Error::from(refused), Error::Unavailable(_)));
        assert!(matches!(Error::from(DbErr::Type("boom".into())), Error::Internal(_)));
    }

    #[test]
    fn clients_never_read_internal_causes() {
        let unlogged = Error::Unlogged("secret".into());
        for error in [Error::internal("secret"), Error::unavailable("secret"), Error::usage("secret"), unlogged] {
            assert!(!error.client_text().contains("secret"));
        }
    }
}
