//! Settings, flags, ports and folders.

use std::{fs, net::TcpListener};

use crate::harness::{Hub, entente, tests};

tests! {
    alone: a_slip_in_a_setting_is_told_with_its_place, a_wrong_command_is_told, a_folder_that_cannot_be_written_is_told;
    reading: a_port_in_use_is_told, a_policy_with_a_typo_keeps_the_hub_from_starting;
}

async fn a_slip_in_a_setting_is_told_with_its_place() {
    for (file, environment, parts) in [
        ("lisen = 'x'", None, &["unknown setting `lisen`", "entente.toml", "`listen`"][..]),
        ("[limits]\ndepht = 1", None, &["unknown setting `limits.depht`", "entente.toml"]),
        ("[limits]\ndepth = 'deep'", None, &["`limits.depth`", "entente.toml"]),
        ("[limits]\ndepth = 0", None, &["`limits.depth` must be at least 1"]),
        ("[limits", None, &["cannot read the configuration", "entente.toml"]),
        ("", Some(("ENTENTE_LISEN", "x")), &["unknown setting `lisen`", "`ENTENTE_LISEN`"]),
        ("", Some(("ENTENTE_LIMITS__DEPTH", "deep")), &["`limits.depth`", "`ENTENTE_LIMITS__DEPTH`"]),
        ("", Some(("ENTENTE_LOG__LEVEL", "loud=very=much")), &["`log.level`"]),
        ("", Some(("ENTENTE_POLICIES", "nowhere")), &["`policies`", "`nowhere`", "no folder"]),
        ("", Some(("DATABASE_URL", "mysql://localhost/x")), &["database URL must be"]),
        ("", Some(("DATABASE_URL", "sqlite::memory:")), &["needs a file"]),
        ("", Some(("ENTENTE_DATABASE_URL_FILE", "nowhere")), &["`database_url_file`", "`nowhere`"]),
        ("", Some(("DATABASE_URL", "postgres://hub:s3cret@host:65x43/crm")), &["no PostgreSQL URL"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("entente.toml"), file).unwrap();
        let mut command = entente(&["serve"]).folder(folder.path());
        if let Some((name, value)) = environment {
            command = command.env(name, value);
        }
        let said = command.run().await;
        let sentence = said.sentence(2);
        assert!(parts.iter().all(|part| sentence.contains(part)), "{file} {environment:?}: {sentence}");
        assert!(!said.stderr.contains("s3cret"));
    }
    let said = entente(&["serve", "--config", "nowhere.toml"]).run().await;
    assert!(said.sentence(2).contains("no configuration file `nowhere.toml`"), "{}", said.stderr);
}

async fn a_wrong_command_is_told() {
    for arguments in [
        &["srve"][..],
        &["serve", "--lisen", "x"],
        &[],
        &["migrate"],
        &["migrate", "sideways"],
        &["token"],
        &["schema", "--as"],
    ] {
        let said = entente(arguments).run().await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(said.stderr.contains("--help") || said.stderr.contains("Commands:"), "{}", said.stderr);
    }
    for flag in ["--help", "--version"] {
        assert!(entente(&[flag]).run().await.good().contains("entente"));
    }
}

/// Not even root may write there, so that the test tells something wherever it runs.
const READ_ONLY: &str = "/sys/entente";

async fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "no database, and more than sixteen bytes of it").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (arguments, parts) in [
        (
            &["demo", "--listen", "127.0.0.1:0", "--dir", READ_ONLY][..],
            &["cannot create folder `/sys/entente`", "--dir"][..],
        ),
        (
            &["migrate", "up", "--database-url", "sqlite:/sys/entente.db"],
            &["folder `/sys`", "make it writable or use another one"],
        ),
        (&["migrate", "up", "--database-url", "sqlite:/nowhere/at/all.db"], &["folder `/nowhere/at` does not exist"]),
        (&["migrate", "up", "--database-url", "sqlite:folder"], &["`folder` is a folder"]),
        (&["migrate", "up", "--database-url", "sqlite:notes.txt"], &["`notes.txt` is no SQLite database"]),
        (
            &["serve", "--listen", "127.0.0.1:0", "--database-url", "sqlite:none.db"],
            &["there is no database `none.db`", "entente migrate up"],
        ),
        (&["token", "--as", "nordwind/admin"], &["there is no database `entente.db`", "entente demo"]),
        (&["migrate", "status"], &["there is no database `entente.db`"]),
    ] {
        let said = entente(arguments).folder(folder.path()).run().await;
        let sentence = said.sentence(2);
        assert!(parts.iter().all(|part| sentence.contains(part)), "{arguments:?}: {sentence}");
    }
    // who only asked made nothing
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["folder", "notes.txt"]);
    assert_eq!(
        fs::read_to_string(folder.path().join("notes.txt")).unwrap(),
        "no database, and more than sixteen bytes of it"
    );
}

async fn a_port_in_use_is_told(hub: Hub) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "demo"] {
        let folder = tempfile::tempdir().unwrap();
        let run = match command {
            "serve" => hub.cli(&["serve", "--listen", &address]),
            _ => entente(&["demo", "--listen", &address]).folder(folder.path()),
        };
        let said = run.run().await;
        assert_eq!(
            said.sentence(2),
            format!("`{address}` is in use by another program, give another `--listen`, such as `127.0.0.1:0`")
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was built for nothing");
    }
    for (address, part) in
        [("127.0.0.1", "is no address"), ("nowhere.invalid:1", "cannot listen on `nowhere.invalid:1`")]
    {
        let said = hub.cli(&["serve", "--listen", address]).run().await;
        assert!(said.sentence(2).contains(part), "{}", said.stderr);
    }
}

async fn a_policy_with_a_typo_keeps_the_hub_from_starting(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().to_string_lossy().into_owned();
    let serve = || hub.cli(&["serve", "--listen", "127.0.0.1:0", "--policies", &policies]);
    assert!(serve().run().await.sentence(2).contains("no policies in"));
    let text = "@id(\"a\")\n@doc(\"x\")\npermit (principal in Role::\"planer\", action in Action::\"Customer\", resource is Customer);\n";
    for (text, parts) in [
        (text.to_owned(), &["customer.cedar:3", "planer"][..]),
        (text.replace("planer", "planner").replace("Customer\"", "Custommer\""), &["customer.cedar:3", "Custommer"]),
        (
            text.replace("planer", "planner").replace(");\n", ") when { resource.ndaLevel == \"one\" };\n"),
            &["customer.cedar:3"],
        ),
        (text.replace("planer", "planner").replace(");", ")"), &["customer.cedar:"]),
    ] {
        fs::write(folder.path().join("customer.cedar"), &text).unwrap();
        let said = serve().run().await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{}", said.stderr);
        assert!(parts.iter().all(|part| said.stderr.contains(part)), "{text}: {}", said.stderr);
    }
}
