//! The numbered migrations, embedded. A released file never changes; its checksum says so.

use db::migrate::Migration;

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        /// All migrations, oldest first.
        pub const ALL: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../migrations/", $name, ".up.sql")),
            down: include_str!(concat!("../migrations/", $name, ".down.sql")),
        }),+];
    };
}

migrations! {
    1 "0001_identity",
    2 "0002_items",
    3 "0003_circuits",
    4 "0004_events",
    5 "0005_work",
    6 "0006_event_items",
}
