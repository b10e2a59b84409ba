//! `[bus]`: where the bus is, and who the hub is there. Files with secrets are read at each connection, so that they
//! can be changed under a running hub.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use async_nats::{ConnectOptions, ServerAddr};
use figment::value::Value;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Without one there is no bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Servers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    pub stream: StreamName,
    pub replicas: usize,
}

impl Settings {
    /// The error is a sentence for the operator.
    pub(super) async fn options(&self) -> Result<ConnectOptions, String> {
        let password = secret("password", self.password.as_ref(), self.password_file.as_deref())?;
        let token = secret("token", self.token.as_ref(), self.token_file.as_deref())?;
        let options = match (self.user.clone(), password, token, &self.credentials_file) {
            (None, None, None, None) => ConnectOptions::new(),
            (Some(user), Some(password), None, None) => ConnectOptions::with_user_and_password(user, password),
            (None, None, Some(token), None) => ConnectOptions::with_token(token),
            (None, None, None, Some(file)) => ConnectOptions::with_credentials_file(file)
                .await
                .map_err(|cause| format!("cannot read `bus.credentials_file` `{}` ({cause})", file.display()))?,
            _ => {
                return Err("a hub signs in at its bus in one way: give `bus.user` with `bus.password`, `bus.token`, \
                     or `bus.credentials_file`"
                    .into());
            }
        };
        let options = match &self.ca_file {
            Some(file) => options.add_root_certificates(there("ca_file", file)?),
            None => options,
        };
        match (&self.certificate_file, &self.key_file) {
            (None, None) => Ok(options),
            (Some(certificate), Some(key)) => {
                let certificate = there("certificate_file", certificate)?;
                Ok(options.add_client_certificate(certificate, there("key_file", key)?))
            }
            _ => Err("`bus.certificate_file` and `bus.key_file` go together, give both".into()),
        }
    }
}

/// What the file holds, or else the setting.
fn secret(name: &str, given: Option<&Secret>, file: Option<&Path>) -> Result<Option<String>, String> {
    let Some(file) = file else { return Ok(given.map(|secret| secret.0.clone())) };
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(cause) => Err(format!("cannot read `bus.{name}_file` `{}` ({cause})", file.display())),
    }
}

fn there(name: &str, file: &Path) -> Result<PathBuf, String> {
    if file.is_file() {
        return Ok(file.to_owned());
    }
    Err(format!("setting `bus.{name}` names `{}`, which is no file", file.display()))
}

/// One or more servers of one cluster. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Servers(String);

impl Servers {
    pub(super) fn addresses(&self) -> Vec<ServerAddr> {
        self.0.split(',').filter_map(|part| part.trim().parse().ok()).collect()
    }
}

impl TryFrom<String> for Servers {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = |part: &str| part.starts_with("nats://") || part.starts_with("tls://");
        // what is wrong is not repeated: it may hold a password
        let good = |part: &str| {
            known(part)
                && part
                    .parse::<ServerAddr>()
                    .is_ok_and(|at| !at.host().is_empty() && at.username().is_none() && at.password().is_none())
        };
        if text.split(',').all(|part| good(part.trim())) {
            return Ok(Servers(text));
        }
        Err("write `nats://HOST:4222` or `tls://HOST:4222`, several with a comma between, and whoever signs in into \
             `bus.user` and `bus.password`"
            .into())
    }
}

impl From<Servers> for String {
    fn from(servers: Servers) -> Self {
        servers.0
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The stream, and the first word of its subjects.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

impl TryFrom<String> for StreamName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || !text.chars().all(plain) {
            return Err("name a stream by letters, digits, `-` and `_`".into());
        }
        Ok(StreamName(text))
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shown to nobody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Secret(String);

impl TryFrom<Value> for Secret {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        // a number of the environment has lost its leading zeros by now
        value.into_string().map(Secret).ok_or_else(|| "write it in quotes, or into a file".into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_scheme_a_host_and_no_password() {
        for text in ["nats://a:4222", "tls://a.example", "nats://a:4222, nats://b:4223", "nats://[::1]:4222"] {
            let servers = Servers::try_from(text.to_owned()).expect(text);
            assert_eq!(servers.addresses().len(), text.split(',').count());
        }
        for text in
            ["", "a:4222", "ws://a", "nats://", "nats://u:s3cret@a", "nats://a,", "nats://s3cret@a", "nats://a:b"]
        {
            let refused = Servers::try_from(text.to_owned()).expect_err(text);
            assert!(!refused.contains("s3cret") && refused.contains("nats://HOST:4222"), "{refused}");
        }
    }
}
