//! What the hub itself asks of the database.
pub mod activity;
pub mod rejections;
pub mod retention;
