//! `sharehub watch`: changes as lines, through cuts and restarts.
use std::{
    fs::{self, File},
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use sharehub::pb;
use tokio::time;

use crate::{
    cli::export::Desk,
    support::{client::gso, program::command, proxy::Proxy},
};

// === watch ===

/// A running `sharehub watch`, which is killed when it is dropped.
struct Watching {
    child: Child,
    out: std::path::PathBuf,
}

impl Watching {
    fn start(dir: &Path, name: &str, arguments: &[String]) -> Self {
        let out = dir.join(name);
        let mut command = command(dir);
        command.arg("watch").args(arguments);
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(dir.join("err")).unwrap());
        Self { child: command.spawn().unwrap(), out }
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.out).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until so many lines were printed.
    async fn wait(&mut self, count: usize) -> Vec<String> {
        let last = Instant::now() + Duration::from_secs(60);
        loop {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            let ended = self.child.try_wait().unwrap();
            let err = || fs::read_to_string(self.out.with_file_name("err"));
            assert!(ended.is_none() && Instant::now() < last, "{ended:?}, {lines:?}, {:?}", err());
            time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A value of a year of its own.
fn year(number: usize) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: "doc.count".to_owned(),
        unit: gso("805", "2024-12-31"),
        period: (1990 + number).to_string(),
        value: Some(number.to_string()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

async fn token(path: &Path, not: &str) -> String {
    let last = Instant::now() + Duration::from_secs(60);
    loop {
        let kept = fs::read_to_string(path).unwrap_or_default();
        if !kept.is_empty() && kept != not {
            return kept;
        }
        assert!(Instant::now() < last, "no token in {}", path.display());
        time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_watch_prints_each_change_once_through_cuts_and_restarts() {
    let desk = Desk::start().await;
    let proxy = Proxy::start(desk.hub.address).await;
    let mut arguments = vec!["--indicator", "doc.count", "--token-file", "token"];
    let (target, by) = (format!("http://{}", proxy.address), desk.by());
    arguments.extend(["--target", &target, "--key", &by[3]]);
    let arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
    let mut watching = Watching::start(desk.dir.path(), "out-0", &arguments);
    let kept = token(&desk.dir.path().join("token"), "").await;
    let mut seen = Vec::new();
    for number in 0..5 {
        desk.publish(vec![year(number)]).await;
        watching.wait(number + 1).await;
        // Cut, it goes on by itself.
        proxy.cut();
    }
    seen.extend(watching.lines());
    // Killed, and started again from what it kept; meanwhile more happened.
    token(&desk.dir.path().join("token"), &kept).await;
    watching.kill();
    for number in 5..8 {
        desk.publish(vec![year(number)]).await;
    }
    let mut watching = Watching::start(desk.dir.path(), "out-1", &arguments);
    let more = watching.wait(3).await;
    // A line may come again when the kill came between the line and its token; none may be missing.
    seen.extend(more);
    let mut values: Vec<_> = seen.iter().filter(|it| it.contains("observation")).cloned().collect();
    values.dedup();
    assert_eq!(values.len(), 8, "{seen:#?}");
    for (number, line) in values.iter().enumerate() {
        let end = format!(
            " set observation doc.count Huyện Tân Trụ (805) {}: {number} dossiers",
            1990 + number
        );
        assert!(line.ends_with(&end), "{line}\nnot {end}");
    }
}

#[tokio::test]
async fn a_watch_from_the_beginning_prints_the_state_as_json() {
    let desk = Desk::start().await;
    let mut arguments: Vec<_> =
        ["--from", "beginning", "--json"].into_iter().map(str::to_owned).collect();
    arguments.extend(desk.by());
    let mut watching = Watching::start(desk.dir.path(), "out", &arguments);
    // Two definitions, five observations, three targets.
    let lines = watching.wait(10).await;
    let state: Vec<serde_json::Value> =
        lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(state.iter().all(|it| it["type"] == "FEED_CHANGE_TYPE_STATE"), "{lines:#?}");
    let count = |what: &str| state.iter().filter(|it| it.get(what).is_some()).count();
    assert_eq!([count("indicator"), count("observation"), count("target")], [2, 5, 3]);
    desk.publish(vec![year(1)]).await;
    let lines = watching.wait(11).await;
    let last: serde_json::Value = serde_json::from_str(&lines[10]).unwrap();
    assert_eq!(
        (&last["type"], &last["revision"]),
        (&"FEED_CHANGE_TYPE_SET".into(), &desk.newest().to_string().into())
    );
    // What cannot be watched is told at once.
    let ran = desk.run(&["watch", "--from", "not-a-token"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("InvalidArgument"), "{ran:?}");
    let ran = desk.run(&["watch", "--indicator", "Not A Code"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("InvalidArgument"), "{ran:?}");
}
