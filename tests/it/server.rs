//! Connections and calls: how they begin, and every way they end.
pub mod connections;
pub mod endings;
pub mod tls;
