//! A bus that asks who comes: credentials of accounts, tokens and passwords in files, certificates; and one of several
//! servers, of which one may die.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    AQUA, Follower, bucket,
    nodes::{Process, serve},
};
use crate::harness::{Command, Hub, Nats, free_port, tests, until};

tests! {
    changing: credentials_are_asked_for, a_token_is_asked_for, certificates_are_asked_for, one_of_three_servers_dies;
}

/// Two hubs: one that looks at the database, and one that knows only what it is told.
struct Pair {
    ears: Process,
    deaf: Process,
    follower: Follower,
}

impl Pair {
    async fn start(hub: &Hub, hubs: impl Fn() -> Command) -> Self {
        let deaf = hubs().env("ENTENTE_CHANGES__LISTEN", "false").env("ENTENTE_CHANGES__LOOK", "1h");
        let (ears, deaf) = (Process::start(hubs()).await, Process::start(deaf).await);
        ears.bus_is("up").await;
        deaf.bus_is("up").await;
        let mut follower = deaf.follow(hub, AQUA).await;
        follower.up_to_date().await;
        Pair { ears, deaf, follower }
    }

    async fn talk(&mut self, hub: &Hub) {
        let bucket = bucket("aqua-seals", 0);
        hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {bucket}")).await;
        assert_eq!(self.follower.told().await.0, "CHANGED");
    }
}

/// The hub cannot use the bus, says why, and serves.
async fn is_kept_out(hub: &Hub, command: Command, sentence: &str) -> Process {
    let mut process = Process::start(command).await;
    if !process.running.heard().contains(sentence) {
        process.running.says(sentence).await;
    }
    process.bus_is("away").await;
    process.follow(hub, AQUA).await.up_to_date().await;
    process
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

// ---- credentials

/// What a key says of another.
fn signed(by: &KeyPair, of: &KeyPair, claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let body =
        json!({ "iss": by.public_key(), "sub": of.public_key(), "iat": 1_767_225_600, "jti": "1", "nats": claims });
    let text = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), part(&body));
    let signature = by.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A user of the account that may do what the README says, and nothing else.
fn credentials(account: &KeyPair) -> String {
    let user = KeyPair::new_user();
    let claims = json!({
        "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
        "pub": { "allow": ["entente.*", "$JS.API.>", "$JS.FC.>"] },
        "sub": { "allow": ["_INBOX.>"] },
    });
    format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        signed(account, &user, &claims),
        user.seed().unwrap()
    )
}

/// Of a server that trusts an operator, and knows these accounts.
fn configuration(accounts: &KeyPair, system: &KeyPair) -> String {
    let operator = KeyPair::new_operator();
    let account = |of: &KeyPair, storage: i64| {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": storage, "disk_storage": storage, "streams": -1, "consumer": -1,
        });
        let claims = json!({ "type": "account", "version": 2, "limits": limits });
        format!("{}: {}\n", of.public_key(), signed(&operator, of, &claims))
    };
    format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}{}}}\n",
        signed(&operator, &operator, &json!({ "type": "operator", "version": 2 })),
        system.public_key(),
        account(accounts, -1),
        account(system, 0),
    )
}

async fn credentials_are_asked_for(hub: Hub) {
    let (account, system, folder) = (KeyPair::new_account(), KeyPair::new_account(), tempfile::tempdir().unwrap());
    let server = written(&folder, "server.conf", &configuration(&account, &system));
    let nats = Nats::with(&["-c", path(&server)]).await;
    let (good, other) = (credentials(&account), credentials(&KeyPair::new_account()));
    let (good, changing) = (written(&folder, "good.creds", &good), written(&folder, "changing.creds", &other));
    let hubs = |file: &Path| serve(&hub, &nats).env("ENTENTE_BUS__CREDENTIALS_FILE", path(file));
    let refuses = "it refuses the credentials, check `bus.user`";
    is_kept_out(&hub, serve(&hub, &nats), refuses).await;
    let other = is_kept_out(&hub, hubs(&changing), refuses).await;
    Pair::start(&hub, || hubs(&good)).await.talk(&hub).await;
    // the file is read at each attempt
    fs::copy(&good, &changing).unwrap();
    other.bus_is("up").await;
}

async fn a_token_is_asked_for(hub: Hub) {
    let (nats, folder) = (Nats::with(&["--auth", "r1ght"]).await, tempfile::tempdir().unwrap());
    let (right, wrong) = (written(&folder, "right", "r1ght\n"), written(&folder, "wrong", "wr0ng"));
    let hubs = |file: &Path| serve(&hub, &nats).env("ENTENTE_BUS__TOKEN_FILE", path(file));
    is_kept_out(&hub, hubs(&wrong), "it refuses the credentials").await;
    Pair::start(&hub, || hubs(&right)).await.talk(&hub).await;
    let gone = hubs(&folder.path().join("gone")).run().await;
    assert!(gone.sentence(2).contains("cannot read `bus.token_file`"), "{}", gone.stderr);
}

// ---- certificates

/// Certificate and key of the server or of a hub.
fn certificate(folder: &TempDir, name: &str, issuer: &Issuer<'_, rcgen::KeyPair>) -> [PathBuf; 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    let file = |end: &str, text: &str| written(folder, &format!("{name}.{end}"), text);
    [file("pem", &certificate.pem()), file("key", &key.serialize_pem())]
}

async fn certificates_are_asked_for(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let root = written(&folder, "root.pem", &authority.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(authority, key);
    let [server, server_key] = certificate(&folder, "server", &issuer);
    let [client, client_key] = certificate(&folder, "hub", &issuer);
    let nats = Nats::with(&[
        "--tlsverify",
        "--tlscert",
        path(&server),
        "--tlskey",
        path(&server_key),
        "--tlscacert",
        path(&root),
    ])
    .await;
    let url = nats.url().replace("nats:", "tls:");
    let unknown = || serve(&hub, &nats).env("ENTENTE_BUS__URL", &url);
    let nameless = || unknown().env("ENTENTE_BUS__CA_FILE", path(&root));
    let with_certificate = || nameless().env("ENTENTE_BUS__CERTIFICATE_FILE", path(&client));
    let known = || with_certificate().env("ENTENTE_BUS__KEY_FILE", path(&client_key));
    is_kept_out(&hub, unknown(), "it cannot be reached").await;
    is_kept_out(&hub, nameless(), "it cannot be reached").await;
    Pair::start(&hub, known).await.talk(&hub).await;
    let end = with_certificate().run().await;
    assert!(end.sentence(2).contains("`bus.certificate_file` and `bus.key_file` go together"), "{}", end.stderr);
    let end = unknown().env("ENTENTE_BUS__CA_FILE", "gone.pem").run().await;
    assert!(end.sentence(2).contains("`bus.ca_file` names `gone.pem`"), "{}", end.stderr);
    // who is asked for TLS and gets none does not go on in the open
    let open = Nats::start().await;
    let url = open.url().replace("nats:", "tls:");
    is_kept_out(&hub, known().env("ENTENTE_BUS__URL", &url), "it cannot be reached").await;
}

// ---- several servers

/// Each server has all of the stream: another may die.
async fn is_whole(url: &str) {
    let servers: Vec<_> = url.split(',').collect();
    until("three copies of the stream", async || {
        let client = async_nats::connect(&servers).await.ok()?;
        let stream = async_nats::jetstream::new(client).get_stream("entente").await.ok()?;
        let copies = &stream.cached_info().cluster.as_ref()?.replicas;
        (copies.len() == 2 && copies.iter().all(|copy| copy.current && !copy.offline)).then_some(())
    })
    .await;
}

async fn one_of_three_servers_dies(hub: Hub) {
    let ports = [free_port(), free_port(), free_port()];
    let routes = ports.map(|port| format!("nats://127.0.0.1:{port}"));
    let mut servers = Vec::new();
    for (name, at) in ["a", "b", "c"].iter().zip(&routes) {
        let all = routes.join(",");
        let arguments = ["--name", name, "--cluster_name", "hubs", "--cluster", at, "--routes", &all];
        servers.push(Nats::with(&arguments).await);
    }
    let url = servers.iter().map(Nats::url).collect::<Vec<_>>().join(",");
    let hubs = || serve(&hub, &servers[0]).env("ENTENTE_BUS__URL", &url).env("ENTENTE_BUS__REPLICAS", "3");
    let mut pair = Pair::start(&hub, hubs).await;
    pair.talk(&hub).await;
    is_whole(&url).await;
    // whichever the hubs are connected to, and whichever leads
    for server in &mut servers {
        server.kill();
        pair.talk(&hub).await;
        server.again().await;
        pair.ears.bus_is("up").await;
        pair.deaf.bus_is("up").await;
        is_whole(&url).await;
        pair.talk(&hub).await;
    }
    // as many copies as one server cannot keep
    let alone = Nats::start().await;
    let three = serve(&hub, &alone).env("ENTENTE_BUS__REPLICAS", "3");
    is_kept_out(&hub, three, "the stream `entente` cannot be had").await;
}
