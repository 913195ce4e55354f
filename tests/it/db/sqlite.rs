//! What only SQLite has: files of its own.
pub mod full_disk;
