//! What is the matter with the store, told from what its engine says.
use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::{AWAY, Error, Reason, UNAVAILABLE};

impl From<DbErr> for Error {
    fn from(err: DbErr) -> Self {
        let (reason, message) = match fault(&err) {
            // Logged once, when it was found: not for every call that meets it.
            StoreFault::Unable if is_away(&err) => (Reason::Unavailable, UNAVAILABLE),
            StoreFault::Lost | StoreFault::Unable => return Self::unavailable(err),
            StoreFault::Ours => return Self::internal(err),
            StoreFault::InTheWay => (Reason::Aborted, "another write was in the way; try again"),
            StoreFault::TooSlow => (Reason::OutOfTime, "the store stopped what took too long"),
        };
        let mut told = Self::new(reason, message);
        if reason != Reason::Unavailable {
            told.0.source = Some(Arc::new(err));
        }
        told
    }
}

/// What is the matter with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreFault {
    /// The connection has died.
    Lost,
    /// It cannot do this now: it is away, full, read-only, or has no connection to spare.
    Unable,
    /// Another write was in the way.
    InTheWay,
    /// It took too long, and was stopped.
    TooSlow,
    /// It was asked something wrong, or is broken: a fault of ours.
    Ours,
}

fn is_away(err: &DbErr) -> bool {
    matches!(err, DbErr::Conn(RuntimeErr::Internal(what)) if what == AWAY)
}

/// Whether the connection died before the answer came: what may be done twice can be tried on another one.
pub fn is_lost(err: &DbErr) -> bool {
    fault(err) == StoreFault::Lost
}

#[expect(clippy::wildcard_enum_match_arm, reason = "foreign enums that grow")]
fn fault(err: &DbErr) -> StoreFault {
    let runtime = match err {
        DbErr::ConnectionAcquire(_) => return StoreFault::Unable,
        DbErr::Conn(it) | DbErr::Exec(it) | DbErr::Query(it) => it,
        _ => return StoreFault::Ours,
    };
    let (sqlx, connecting) = match runtime {
        RuntimeErr::SqlxError(it) => (it.as_ref(), matches!(err, DbErr::Conn(_))),
        RuntimeErr::Internal(_) if matches!(err, DbErr::Conn(_)) => return StoreFault::Unable,
        RuntimeErr::Internal(_) => return StoreFault::Ours,
    };
    match sqlx {
        sqlx::Error::Database(it) => match it.code().as_deref().map(of_code) {
            // Whoever cannot even connect cannot do it now, whatever the reason.
            Some(StoreFault::Ours) | None if connecting => StoreFault::Unable,
            known => known.unwrap_or(StoreFault::Ours),
        },
        // While connecting, another try was made already.
        _ if connecting => StoreFault::Unable,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => StoreFault::Lost,
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StoreFault::Unable,
        _ => StoreFault::Ours,
    }
}

/// By the code of the engine: five characters from PostgreSQL (SQLSTATE), a number from SQLite.
fn of_code(code: &str) -> StoreFault {
    if code.len() != 5 {
        // The low byte is the kind of the failure, the rest its details.
        return match code.parse().map(|it: i32| it & 0xff) {
            // Busy, locked.
            Ok(5 | 6) => StoreFault::InTheWay,
            // Not allowed to, read-only, an error of the disk, full, cannot be opened.
            Ok(3 | 8 | 10 | 13 | 14) => StoreFault::Unable,
            Ok(_) | Err(_) => StoreFault::Ours,
        };
    }
    match code {
        // Stopped by an administrator, by a crash, or starting; the session was idle in a transaction for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => StoreFault::Lost,
        // Read-only: a standby, or a primary that was made one. An error of the disk.
        "25006" | "58030" => StoreFault::Unable,
        "40001" | "40P01" | "55P03" => StoreFault::InTheWay,
        "57014" => StoreFault::TooSlow,
        _ => match code.get(..2) {
            Some("08") => StoreFault::Lost,
            // Out of disk, memory, connections.
            Some("53") => StoreFault::Unable,
            Some(_) | None => StoreFault::Ours,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{StoreFault, of_code};

    #[test]
    fn what_a_store_lacks_is_told_by_its_code() {
        for (code, fault) in [
            ("57P01", StoreFault::Lost),
            ("08006", StoreFault::Lost),
            ("53100", StoreFault::Unable),
            ("53300", StoreFault::Unable),
            ("25006", StoreFault::Unable),
            ("40P01", StoreFault::InTheWay),
            ("55P03", StoreFault::InTheWay),
            ("57014", StoreFault::TooSlow),
            ("23505", StoreFault::Ours),
            ("42P01", StoreFault::Ours),
            // SQLite: full, an error of the disk while writing, busy, busy with a snapshot, a constraint.
            ("13", StoreFault::Unable),
            ("778", StoreFault::Unable),
            ("5", StoreFault::InTheWay),
            ("517", StoreFault::InTheWay),
            ("2067", StoreFault::Ours),
            ("", StoreFault::Ours),
        ] {
            assert_eq!(of_code(code), fault, "{code}");
        }
    }
}
