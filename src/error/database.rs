//! What is the matter with the store, told from what its engine says.
use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::{AWAY, Error, Reason, UNAVAILABLE};

impl From<DbErr> for Error {
    fn from(err: DbErr) -> Self {
        let (reason, message) = match fault(&err) {
            // Logged once, when it was found: not for every call that meets it.
            Fault::Unable if is_away(&err) => (Reason::Unavailable, UNAVAILABLE),
            Fault::Lost | Fault::Unable => return Self::unavailable(err),
            Fault::Ours => return Self::internal(err),
            Fault::InTheWay => (Reason::Aborted, "another write was in the way; try again"),
            Fault::TooSlow => (Reason::OutOfTime, "the store stopped what took too long"),
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
enum Fault {
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
    fault(err) == Fault::Lost
}

#[expect(clippy::wildcard_enum_match_arm, reason = "foreign enums that grow")]
fn fault(err: &DbErr) -> Fault {
    let runtime = match err {
        DbErr::ConnectionAcquire(_) => return Fault::Unable,
        DbErr::Conn(it) | DbErr::Exec(it) | DbErr::Query(it) => it,
        _ => return Fault::Ours,
    };
    let (sqlx, connecting) = match runtime {
        RuntimeErr::SqlxError(it) => (it.as_ref(), matches!(err, DbErr::Conn(_))),
        RuntimeErr::Internal(_) if matches!(err, DbErr::Conn(_)) => return Fault::Unable,
        RuntimeErr::Internal(_) => return Fault::Ours,
    };
    match sqlx {
        sqlx::Error::Database(it) => match it.code().as_deref().map(of_code) {
            // Whoever cannot even connect cannot do it now, whatever the reason.
            Some(Fault::Ours) | None if connecting => Fault::Unable,
            known => known.unwrap_or(Fault::Ours),
        },
        // While connecting, another try was made already.
        _ if connecting => Fault::Unable,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Fault::Lost,
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Fault::Unable,
        _ => Fault::Ours,
    }
}

/// By the code of the engine: five characters from PostgreSQL (SQLSTATE), a number from SQLite.
fn of_code(code: &str) -> Fault {
    if code.len() != 5 {
        // The low byte is the kind of the failure, the rest its details.
        return match code.parse().map(|it: i32| it & 0xff) {
            // Busy, locked.
            Ok(5 | 6) => Fault::InTheWay,
            // Not allowed to, read-only, an error of the disk, full, cannot be opened.
            Ok(3 | 8 | 10 | 13 | 14) => Fault::Unable,
            Ok(_) | Err(_) => Fault::Ours,
        };
    }
    match code {
        // Stopped by an administrator, by a crash, or starting; the session was idle in a transaction for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Fault::Lost,
        // Read-only: a standby, or a primary that was made one. An error of the disk.
        "25006" | "58030" => Fault::Unable,
        "40001" | "40P01" | "55P03" => Fault::InTheWay,
        "57014" => Fault::TooSlow,
        _ => match code.get(..2) {
            Some("08") => Fault::Lost,
            // Out of disk, memory, connections.
            Some("53") => Fault::Unable,
            Some(_) | None => Fault::Ours,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, of_code};

    #[test]
    fn what_a_store_lacks_is_told_by_its_code() {
        for (code, fault) in [
            ("57P01", Fault::Lost),
            ("08006", Fault::Lost),
            ("53100", Fault::Unable),
            ("53300", Fault::Unable),
            ("25006", Fault::Unable),
            ("40P01", Fault::InTheWay),
            ("55P03", Fault::InTheWay),
            ("57014", Fault::TooSlow),
            ("23505", Fault::Ours),
            ("42P01", Fault::Ours),
            // SQLite: full, an error of the disk while writing, busy, busy with a snapshot, a constraint.
            ("13", Fault::Unable),
            ("778", Fault::Unable),
            ("5", Fault::InTheWay),
            ("517", Fault::InTheWay),
            ("2067", Fault::Ours),
            ("", Fault::Ours),
        ] {
            assert_eq!(of_code(code), fault, "{code}");
        }
    }
}
