//! What the hub itself asks of the database.
pub mod retention;
