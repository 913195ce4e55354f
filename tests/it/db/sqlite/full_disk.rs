//! A full disk under SQLite: nothing is acknowledged that is not there, reads go on, and so do writes when there is
//! room.
use std::{
    fs,
    path::Path,
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use sharehub::db::Options;
use tokio::time;
use tonic::Code;

use crate::support::{
    engine::Store,
    hub::{Hub, slow},
    ledger::{
        Book, check_all, check_receipt, check_standing, insist, numbers, prepare, publish, standing,
    },
    postgres::is_root,
};

/// A small file system in memory; gone when it is dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        let mounted = mount.output().is_ok_and(|it| it.status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // What still has it open does not matter any more.
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [1 << 16, 1 << 12, 1 << 8] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_takes_no_writes_and_loses_none() {
    let room = tempfile::tempdir().unwrap();
    let small = if is_root() { Small::mount(room.path(), 48 << 20) } else { None };
    let Some(_small) = small else {
        println!("SKIPPED: a file system in memory cannot be mounted here");
        return;
    };
    let template = Store::on_sqlite().await;
    let from = template.url.strip_prefix("sqlite://").unwrap();
    let path = room.path().join("hub.db");
    fs::copy(from, &path).unwrap();
    let url = format!("sqlite://{}", path.display());
    let hub = Hub::open(template, Options::new(&url), slow()).await;
    let (key, units) = prepare(&hub.admin()).await;
    let client = hub.as_(&key);
    let book = Mutex::<Book>::default();
    let ask = |turn: usize| book.lock().unwrap().ask(format!("r{turn}"), 50);
    let acknowledge = |asked: &crate::support::ledger::Asked, receipt: &sharehub::pb::Receipt| {
        let revision = check_receipt(asked, receipt);
        book.lock().unwrap().acknowledged.insert(asked.request_id.clone(), revision);
    };
    for turn in 0..10 {
        let asked = ask(turn);
        acknowledge(&asked, &publish(&client, &units, &asked).await.unwrap());
    }
    // Full, with the hub in the middle of its work: it goes on until it meets the end.
    let ballast = room.path().join("ballast");
    fill(&ballast);
    let mut refused = 0;
    for turn in 10..200 {
        let asked = ask(turn);
        match publish(&client, &units, &asked).await {
            Ok(receipt) => acknowledge(&asked, &receipt),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                refused += 1;
            }
        }
        if refused > 20 {
            break;
        }
        fill(&ballast);
    }
    assert!(refused > 20, "the disk never was full");
    // Acknowledged is on the disk, for whoever else looks.
    let there = numbers(&url, "SELECT COUNT(*) FROM observation").await;
    assert_eq!(there, [50 * i64::try_from(book.lock().unwrap().acknowledged.len()).unwrap()]);
    // Reads go on, and see exactly what was acknowledged.
    let there = standing(&client).await;
    let done = check_standing(&book.lock().unwrap(), &there);
    assert_eq!(done, book.lock().unwrap().acknowledged.keys().cloned().collect());
    // There is room again.
    fs::remove_file(&ballast).unwrap();
    let began = Instant::now();
    let open = book.lock().unwrap().unacknowledged();
    for asked in open {
        let call = insist(&client, &units, &asked);
        let (receipt, _) = time::timeout(Duration::from_secs(5), call).await.unwrap();
        acknowledge(&asked, &receipt);
    }
    println!(
        "{refused} writes were refused; all were taken {:?} after there was room",
        began.elapsed()
    );
    check_all(&url, &client, &book).await;
}
