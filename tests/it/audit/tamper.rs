//! Twelve ways to change the log in its store, or to go back behind it: each is found, and it is said where.
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use sharehub::{
    audit::{
        store::export,
        verify::{Fault, Line, RESTORED, Sound, Verify},
    },
    db::{Db, Options},
    log::{checkpoint::Checkpoint, key::hex, merkle, store, trail::Trail},
    revision,
};

use crate::support::{
    audit::{get, start, written},
    engine::Store,
    hub::{Hub, audit_key, slow},
};

/// A log with three checkpoints, and a few records after the last.
struct Log {
    hub: Hub,
    db: DatabaseConnection,
    /// A checkpoint that a client kept: the last one.
    kept: Checkpoint,
    first: u64,
}

impl Log {
    async fn new() -> Self {
        let (hub, _, reader) = start().await;
        let mut sizes = Vec::new();
        for _ in 0..3 {
            for _ in 0..10 {
                get(&reader, "H1.1").await.unwrap();
            }
            written(&hub).await;
            sizes.push(checkpoint(&hub).await);
        }
        for _ in 0..5 {
            get(&reader, "H1.2").await.unwrap();
        }
        written(&hub).await;
        let db = Database::connect(&hub.store.url).await.unwrap();
        let note = store::newest(hub.hub.db.read()).await.unwrap().unwrap();
        let kept = Checkpoint::open(&note, audit_key().public()).unwrap();
        Self { hub, db, kept, first: sizes[0] }
    }

    async fn run(&self, statement: &str) {
        self.db.execute_unprepared(statement).await.unwrap();
    }

    /// What the check says, without and with the checkpoint that was kept.
    async fn check(&self) -> (Result<Sound, Fault>, Result<Sound, Fault>) {
        (self.verify(&[]).await, self.verify(&[self.kept.sign(&audit_key())]).await)
    }

    async fn verify(&self, kept: &[String]) -> Result<Sound, Fault> {
        verify(&self.hub.store, kept).await
    }

    async fn size(&self) -> u64 {
        store::end(self.hub.hub.db.read(), false).await.unwrap().tree.size()
    }

    /// The bytes of a record, and the statement's spelling of others.
    async fn body(&self, seq: u64) -> Vec<u8> {
        let ask = format!("SELECT body FROM audit_record WHERE seq = {seq}");
        let ask = Statement::from_string(self.db.get_database_backend(), ask);
        self.db.query_one_raw(ask).await.unwrap().unwrap().try_get("", "body").unwrap()
    }

    async fn note(&self, size: u64) -> String {
        let ask = format!("SELECT note FROM audit_checkpoint WHERE size = {size}");
        let ask = Statement::from_string(self.db.get_database_backend(), ask);
        self.db.query_one_raw(ask).await.unwrap().unwrap().try_get("", "note").unwrap()
    }

    fn bytes(&self, bytes: &[u8]) -> String {
        match self.db.get_database_backend() {
            DbBackend::Postgres => format!("'\\x{}'", hex(bytes)),
            _ => format!("x'{}'", hex(bytes)),
        }
    }

    /// Changes the bytes of a record, and its hash with them.
    async fn rewrite(&self, seq: u64, change: impl Fn(&mut Vec<u8>)) {
        let mut body = self.body(seq).await;
        change(&mut body);
        let (hash, body) = (self.bytes(&merkle::leaf(&body)), self.bytes(&body));
        let set = format!("UPDATE audit_record SET body = {body}, hash = {hash} WHERE seq = {seq}");
        self.run(&set).await;
    }
}

/// What the check says of a store, with these checkpoints that somebody kept.
async fn verify(store: &Store, kept: &[String]) -> Result<Sound, Fault> {
    let db = Db::open(&store.url).await.unwrap();
    let mut lines = Vec::new();
    let write = |line: &Line<'_>| {
        lines.push(serde_json::to_string(line).unwrap());
        Ok(())
    };
    export::export(db.read(), write).await.unwrap();
    db.close().await;
    check(&lines, kept)
}

/// So many reads, and a checkpoint over them as a client keeps it.
async fn goes_on(hub: &Hub, reads: usize) -> String {
    let reader = hub.by_certificate("ioc").await;
    for _ in 0..reads {
        get(&reader, "H1.3").await.unwrap();
    }
    written(hub).await;
    checkpoint(hub).await;
    store::newest(hub.hub.db.read()).await.unwrap().unwrap()
}

fn check(lines: &[String], kept: &[String]) -> Result<Sound, Fault> {
    let mut verify = Verify::new(audit_key().public().clone());
    for (note, i) in kept.iter().zip(1..) {
        verify.keep(&format!("checkpoint {i}"), note)?;
    }
    for line in lines {
        verify.line(line)?;
    }
    verify.finish()
}

/// Makes a checkpoint now, whether it is time for one or not: how many records it covers.
async fn checkpoint(hub: &Hub) -> u64 {
    let db = &hub.hub.db;
    let log = db.log();
    let _turn = log.turn().await;
    let tx = log.begin().await.unwrap();
    let reset = Statement::from_string(
        tx.get_database_backend(),
        "UPDATE audit_head SET checkpoint_at = 0",
    );
    tx.execute_raw(reset).await.unwrap();
    let added = store::add(&tx, &audit_key(), db.clock(), std::iter::empty()).await.unwrap();
    log.commit(tx).await.unwrap();
    assert_eq!(added.checked, added.size);
    added.size
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|it| it == from.as_bytes()).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
}

fn said(fault: &Result<Sound, Fault>) -> (u64, &str) {
    let fault = fault.as_ref().unwrap_err();
    (fault.seq, fault.what.as_str())
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_sound() {
    let log = Log::new().await;
    let size = log.size().await;
    let (alone, kept) = log.check().await;
    let (alone, kept) = (alone.unwrap(), kept.unwrap());
    assert_eq!((alone.records, alone.kept, kept.kept), (size, 0, 1));
    assert!(alone.checkpoints >= 3 && alone.signed == log.kept.size, "{alone:?}");
}

#[tokio::test]
async fn an_edited_a_deleted_an_inserted_record_are_found() {
    // 1. Edited: who was told is changed.
    let log = Log::new().await;
    let seq = log.first + 3;
    let mut body = log.body(seq).await;
    replace(&mut body, "H1.1", "H1.3");
    log.run(&format!("UPDATE audit_record SET body = {} WHERE seq = {seq}", log.bytes(&body)))
        .await;
    let (alone, _) = log.check().await;
    assert_eq!(said(&alone), (seq, "its bytes are not those whose hash was kept"));
    // 2. Deleted.
    log.run(&format!("DELETE FROM audit_record WHERE seq = {seq}")).await;
    let (alone, _) = log.check().await;
    assert_eq!(said(&alone), (seq, &*format!("it is missing; the next one is {}", seq + 1)));
    // 3. Inserted: another one in its place, as from nowhere.
    let insert = format!(
        "INSERT INTO audit_record SELECT {seq}, at, system, method, code, personal, body, hash FROM audit_record \
         WHERE seq = {}",
        seq + 1
    );
    log.run(&insert).await;
    let (alone, _) = log.check().await;
    let what = format!("it is found under the number `{seq}`, and says `{}`", seq + 1);
    assert_eq!(said(&alone), (seq, what.as_str()));
}

#[tokio::test]
async fn reordered_and_swapped_records_are_found() {
    // 4. Reordered: two records change their numbers.
    let log = Log::new().await;
    let (a, b) = (log.first + 2, log.first + 5);
    for (from, to) in [(a, 1_000_000), (b, a), (1_000_000, b)] {
        log.run(&format!("UPDATE audit_record SET seq = {to} WHERE seq = {from}")).await;
    }
    let (alone, _) = log.check().await;
    let what = format!("it is found under the number `{a}`, and says `{b}`");
    assert_eq!(said(&alone), (a, what.as_str()));
    for (from, to) in [(a, 1_000_000), (b, a), (1_000_000, b)] {
        log.run(&format!("UPDATE audit_record SET seq = {to} WHERE seq = {from}")).await;
    }
    log.check().await.0.unwrap();
    // 5. Swapped: what two records are found by, and of whom they are.
    log.run(&format!("UPDATE audit_subject SET dossier = 'H1.9' WHERE seq = {a}")).await;
    let (alone, _) = log.check().await;
    let what = "it is found under the dossiers `H1.9`, and says `H1.1`";
    assert_eq!(said(&alone), (a, what));
    log.run(&format!("UPDATE audit_subject SET dossier = 'H1.1' WHERE seq = {a}")).await;
    log.run(&format!("UPDATE audit_record SET system = 'nobody' WHERE seq = {a}")).await;
    let (alone, _) = log.check().await;
    assert_eq!(said(&alone), (a, "it is found under the system `nobody`, and says `ioc`"));
}

#[tokio::test]
async fn a_tail_that_was_cut_and_a_store_that_was_rolled_back_are_found() {
    // 6. Cut: the last records, and nothing else.
    let log = Log::new().await;
    let size = log.size().await;
    log.run(&format!("DELETE FROM audit_record WHERE seq > {}", size - 2)).await;
    let (alone, _) = log.check().await;
    let what = format!("it is missing: the store says that it has {size}");
    assert_eq!(said(&alone), (size - 1, what.as_str()));
    // 7. Rolled back: all of the store is as it once was, which only who has kept something can tell.
    let log = Log::new().await;
    let size = log.size().await;
    let old = log.hub.store.copied().await;
    let another = log.hub.another().await;
    let later = goes_on(&another, 40).await;
    verify(&old, &[]).await.unwrap();
    verify(&another.store, std::slice::from_ref(&later)).await.unwrap();
    let kept = verify(&old, &[later]).await;
    let (seq, what) = said(&kept);
    assert_eq!(seq, size + 1);
    assert!(
        what.ends_with("The end of the log was cut off, or the store was rolled back"),
        "{what}"
    );
}

#[tokio::test]
async fn a_fork_and_a_log_hashed_again_are_found() {
    // 8. Forked: two stores went on from one, both with the key. Each is sound; who has seen the one knows the other.
    let log = Log::new().await;
    let size = log.size().await;
    let fork = log.hub.store.copied().await;
    let options = Options::new(&fork.url);
    let fork = Hub::open(fork, options, slow()).await;
    let here = log.hub.another().await;
    let (seen, other) = (goes_on(&here, 3).await, goes_on(&fork, 20).await);
    verify(&here.store, std::slice::from_ref(&seen)).await.unwrap();
    verify(&fork.store, &[other]).await.unwrap();
    let kept = verify(&fork.store, &[seen]).await;
    let (seq, what) = said(&kept);
    // The newest checkpoint that both have is from before the fork.
    assert!(seq > log.kept.size && seq <= size + 1, "{seq}, after {}", log.kept.size);
    assert!(what.ends_with("the log was changed, or forked"), "{what}");
    // 9. Hashed again, without the key: everything adds up but for what was signed.
    let seq = log.first + 4;
    log.rewrite(seq, |body| replace(body, "ioc", "ubn")).await;
    log.run(&format!("UPDATE audit_record SET system = 'ubn' WHERE seq = {seq}")).await;
    log.run("DELETE FROM audit_node").await;
    let (alone, kept) = log.check().await;
    for fault in [alone, kept] {
        let (from, what) = said(&fault);
        assert_eq!(from, log.first + 1, "the first that was signed together with it: {what}");
        assert!(what.contains("are not those that were signed then"), "{what}");
    }
}

#[tokio::test]
async fn a_wrong_epoch_and_a_wrong_clock_are_found() {
    // 10. Another epoch, and no backup that was restored.
    let log = Log::new().await;
    let size = log.size().await;
    let db = Db::open(&log.hub.store.url).await.unwrap();
    let reader = log.hub.admin();
    revision::store::renew_epoch(&db).await.unwrap();
    get(&reader, "H1.1").await.unwrap_err();
    written(&log.hub).await;
    let (alone, _) = log.check().await;
    let (seq, what) = said(&alone);
    assert_eq!(seq, size + 1);
    assert!(what.ends_with("without a record that a backup was restored"), "{what}");
    // One that was says so.
    let other = Log::new().await;
    let db = Db::open(&other.hub.store.url).await.unwrap();
    revision::store::renew_epoch(&db).await.unwrap();
    other.hub.hub.audit.own(RESTORED).await.unwrap();
    other.check().await.0.unwrap();
    // 11. The clock: a record is dated back, with its hash.
    let seq = other.first + 2;
    let long_ago = Trail::internal("hub/Test").written(0, 0, 0);
    let at = sharehub::time::Timestamp::from_micros(1_000_000);
    let seq_number = i64::try_from(seq).unwrap();
    let epoch = other.kept.epoch;
    let body = sharehub::log::wire::encode(seq_number, at, epoch, &long_ago);
    other.rewrite(seq, |it| it.clone_from(&body)).await;
    let found = format!(
        "UPDATE audit_record SET at = 1000000, system = 'sharehub', method = 'hub/Test', personal = {} \
         WHERE seq = {seq}",
        if crate::support::engine::is_postgres() { "false" } else { "0" }
    );
    other.run(&found).await;
    other.run(&format!("DELETE FROM audit_subject WHERE seq = {seq}")).await;
    let (alone, _) = other.check().await;
    let (from, what) = said(&alone);
    assert_eq!(from, seq);
    assert!(what.starts_with("it is dated 1970-01-01T00:00:01"), "{what}");
}

#[tokio::test]
async fn a_changed_checkpoint_is_found() {
    // 12. Its size, its root, its epoch, its time: nobody signed that.
    let log = Log::new().await;
    let size = log.first;
    let note = log.note(size).await;
    let lines: Vec<_> = note.lines().collect();
    for line in 1..5 {
        let mut changed: Vec<String> = lines.iter().map(|it| (*it).to_owned()).collect();
        let last = changed[line].pop().unwrap();
        changed[line].push(if last == '1' { '2' } else { '1' });
        let changed = format!("{}\n", changed.join("\n")).replace('\'', "''");
        log.run(&format!("UPDATE audit_checkpoint SET note = '{changed}' WHERE size = {size}"))
            .await;
        let (alone, _) = log.check().await;
        let what = format!("the checkpoint at {size} is not signed by the key");
        assert_eq!(said(&alone), (size, what.as_str()), "line {line}");
    }
    // Nor can it be moved.
    let note = note.replace('\'', "''");
    log.run(&format!(
        "UPDATE audit_checkpoint SET note = '{note}', size = {} WHERE size = {size}",
        size + 1
    ))
    .await;
    let (alone, _) = log.check().await;
    assert_eq!(said(&alone).0, size + 1);
}

#[test]
fn an_export_that_breaks_off_is_not_sound() {
    let key = serde_json::json!({ "log": audit_key().public().to_string() }).to_string();
    assert_eq!(said(&check(std::slice::from_ref(&key), &[])), (1, "the export breaks off"));
    assert_eq!(said(&check(&[], &[])), (1, "the export breaks off"));
    assert!(check(&[key.clone(), key], &[]).is_err());
    assert!(check(&["{}".to_owned()], &[]).is_err());
    let other = sharehub::log::key::Key::from_seed(&[9; 32]).unwrap();
    let other = serde_json::json!({ "log": other.public().to_string() }).to_string();
    assert!(said(&check(&[other], &[])).1.starts_with("the log says that its key is"));
}
