//! The limits of a hub: sizes, counts and times.
use std::time::Duration;

/// Items in one batch, at most.
pub const MOST_ITEMS: usize = 10_000;
/// Cells in one snapshot, at most.
pub const MOST_CELLS: usize = 2_000;

/// What is too large or too long for this hub.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request message, in bytes.
    pub message_bytes: usize,
    /// Calls that are worked on at the same time.
    pub in_flight: usize,
    /// How many of these may be of one system, in percent.
    pub in_flight_share: usize,
    /// The longest a call may take.
    pub longest: Duration,
    /// Watches that may be open, in all.
    pub watches: usize,
    /// Watches that one system may have open.
    pub watches_each: usize,
    /// Consumers of the feed that are kept of one system.
    pub consumers_each: usize,
    /// How long a caller may leave a message of its watch untaken; after twice as long its connection is cut.
    pub slow: Duration,
    /// Bytes of snapshots' cells that are kept in memory.
    pub kept_cells: usize,
    /// Connections at the same time, in all.
    pub connections: usize,
    /// Connections by which one system may call.
    pub connections_each: usize,
    /// How long a connection may stay.
    pub connection_age: Duration,
    /// How long a connection may stay without a call on it.
    pub connection_idle: Duration,
    /// How long a connection may take until its caller is identified.
    pub identify_within: Duration,
    /// Connections of one address whose callers are not identified.
    pub unidentified_each: usize,
    /// How long calls without personal data are answered while the audit log cannot be written.
    pub audit_grace: Duration,
}

/// Loads and exports that may be open, in all, and for one system.
pub const LOADS: (usize, usize) = (64, 8);

impl Default for Limits {
    fn default() -> Self {
        let longest = Duration::from_secs(10);
        Self {
            message_bytes: 4 * 1024 * 1024,
            in_flight: 512,
            in_flight_share: 50,
            longest,
            watches: 2_000,
            watches_each: 200,
            consumers_each: 32,
            slow: Duration::from_secs(30),
            kept_cells: 64 << 20,
            connections: 2_000,
            connections_each: 128,
            connection_age: Duration::from_secs(3_600),
            connection_idle: Duration::from_secs(300),
            identify_within: Duration::from_secs(10),
            unidentified_each: 64,
            audit_grace: Duration::from_secs(900),
        }
    }
}
