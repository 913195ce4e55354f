//! The settings of what is too large, too long or too many.
use std::time::Duration;

use clap::Args;

use super::check::within;
use crate::limits::Limits;

/// What one hub allows, in all and to each system.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitSettings {
    /// The longest a call may take, in milliseconds, 100 to 600000.
    #[arg(long, env = "SHAREHUB_CALL_MS", default_value = "10000", value_parser = within(100..=600_000))]
    pub call_ms: u32,
    /// Calls worked on at the same time, 1 to 100000.
    #[arg(long, env = "SHAREHUB_IN_FLIGHT", default_value = "512", value_parser = within(1..=100_000))]
    pub in_flight: u32,
    /// How many of these may be of one system, in percent, 1 to 100.
    #[arg(long, env = "SHAREHUB_IN_FLIGHT_SHARE", default_value = "50", value_parser = within(1..=100))]
    pub in_flight_share: u32,
    /// Largest request message in bytes, 1024 to 67108864.
    #[arg(long, env = "SHAREHUB_MESSAGE_BYTES", default_value = "4194304", value_parser = within(1_024..=67_108_864))]
    pub message_bytes: u32,
    /// Watches open at the same time, 1 to 100000.
    #[arg(long, env = "SHAREHUB_WATCHES", default_value = "2000", value_parser = within(1..=100_000))]
    pub watches: u32,
    /// Watches that one system may have open, 1 to 100000.
    #[arg(long, env = "SHAREHUB_WATCHES_PER_SYSTEM", default_value = "200", value_parser = within(1..=100_000))]
    pub watches_per_system: u32,
    /// Consumers of the feed that are kept of one system, 1 to 10000; one more takes the place of the one that has
    /// acknowledged longest ago.
    #[arg(long, env = "SHAREHUB_CONSUMERS_PER_SYSTEM", default_value = "32", value_parser = within(1..=10_000))]
    pub consumers_per_system: u32,
    /// Memory for cells of snapshots that were answered before, in MiB, 0 to 65536; a cell takes about a kilobyte.
    #[arg(long, env = "SHAREHUB_SNAPSHOT_MIB", default_value = "64", value_parser = within(0..=65_536))]
    pub snapshot_mib: u32,
    /// Connections at the same time, 1 to 1000000.
    #[arg(long, env = "SHAREHUB_CONNECTIONS", default_value = "2000", value_parser = within(1..=1_000_000))]
    pub connections: u32,
    /// Connections by which one system may call, 1 to 1000000.
    #[arg(long, env = "SHAREHUB_CONNECTIONS_PER_SYSTEM", default_value = "128", value_parser = within(1..=1_000_000))]
    pub connections_per_system: u32,
    /// How old a connection may grow, in seconds, 1 to 2592000; up to a tenth more is added by chance.
    #[arg(long, env = "SHAREHUB_CONNECTION_AGE_S", default_value = "3600", value_parser = within(1..=2_592_000))]
    pub connection_age_s: u32,
    /// How long a connection may stay without a call on it, in seconds, 1 to 2592000.
    #[arg(long, env = "SHAREHUB_CONNECTION_IDLE_S", default_value = "300", value_parser = within(1..=2_592_000))]
    pub connection_idle_s: u32,
    /// How long a connection may take until its caller is identified by a certificate, a key or a token, in seconds, 1
    /// to 3600.
    #[arg(long, env = "SHAREHUB_IDENTIFY_S", default_value = "10", value_parser = within(1..=3_600))]
    pub identify_s: u32,
    /// Connections from one address whose callers are not identified, 1 to 1000000.
    #[arg(long, env = "SHAREHUB_UNIDENTIFIED_PER_ADDRESS", default_value = "64")]
    #[arg(value_parser = within(1..=1_000_000))]
    pub unidentified_per_address: u32,
    /// Seconds for which calls without personal data are answered while the audit log cannot be written, 0 to 86400.
    #[arg(long, env = "SHAREHUB_AUDIT_GRACE_S", default_value = "900", value_parser = within(0..=86_400))]
    pub audit_grace_s: u32,
}

impl From<LimitSettings> for Limits {
    fn from(settings: LimitSettings) -> Self {
        let LimitSettings {
            call_ms,
            in_flight,
            in_flight_share,
            message_bytes,
            watches,
            watches_per_system,
            consumers_per_system,
            snapshot_mib,
            connections,
            connections_per_system,
            connection_age_s,
            connection_idle_s,
            identify_s,
            unidentified_per_address,
            audit_grace_s,
        } = settings;
        let size = |it: u32| usize::try_from(it).unwrap_or(usize::MAX);
        let seconds = |it: u32| Duration::from_secs(it.into());
        Self {
            longest: Duration::from_millis(call_ms.into()),
            in_flight: size(in_flight),
            in_flight_share: size(in_flight_share),
            message_bytes: size(message_bytes),
            watches: size(watches),
            watches_each: size(watches_per_system),
            consumers_each: size(consumers_per_system),
            slow: Self::default().slow,
            kept_cells: size(snapshot_mib) << 20,
            connections: size(connections),
            connections_each: size(connections_per_system),
            connection_age: seconds(connection_age_s),
            connection_idle: seconds(connection_idle_s),
            identify_within: seconds(identify_s),
            unidentified_each: size(unidentified_per_address),
            audit_grace: seconds(audit_grace_s),
        }
    }
}
