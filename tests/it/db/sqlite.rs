//! What only SQLite has: files of its own.
pub mod file_modes;
pub mod full_disk;
