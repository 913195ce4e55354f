//! What the hub itself asks of the database.
pub mod activity;
pub mod held;
pub mod inside;
pub mod rejections;
pub mod retention;
