//! A fresh database of each kind for every test.

use migration::{Migrator, MigratorTrait};
use sea_orm_migration::sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct Fresh {
    pub(crate) db: DatabaseConnection,
    _directory: TempDir,
    created: Option<(DatabaseConnection, String)>,
}

/// Empty databases, not yet migrated.
pub(crate) async fn empty() -> Vec<Fresh> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.db");
    let db = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    let mut all = vec![Fresh { db, _directory: directory, created: None }];
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        let server = Database::connect(&url).await.unwrap();
        let name = format!("model_{}", Uuid::now_v7().simple());
        server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (base, _) = url.rsplit_once('/').unwrap();
        let db = Database::connect(format!("{base}/{name}")).await.unwrap();
        all.push(Fresh { db, _directory: tempfile::tempdir().unwrap(), created: Some((server, name)) });
    }
    all
}

pub(crate) async fn migrated() -> Vec<Fresh> {
    let all = empty().await;
    for fresh in &all {
        Migrator::up(&fresh.db, None).await.unwrap();
    }
    all
}

impl Fresh {
    pub(crate) fn backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    pub(crate) async fn drop(self) {
        self.db.close().await.unwrap();
        if let Some((server, name)) = self.created {
            server.execute_unprepared(&format!("DROP DATABASE {name}")).await.unwrap();
        }
    }
}
