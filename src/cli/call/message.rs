//! The messages of a call: where they are given, and how they are read from JSON.
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::PathBuf,
    thread,
};

use futures_util::{
    Stream,
    future::pending,
    stream::{self},
};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio::sync::{mpsc, oneshot};

use crate::{
    cli::{CliResult, failure::Failure},
    config::{Exit, read_file},
};

/// Messages that were read and are not sent yet, at most.
const AHEAD: usize = 16;

/// Where messages are given.
pub(super) enum Given {
    /// On the command line.
    Text(String),
    /// In a file.
    File(PathBuf),
    /// On standard input.
    Stdin,
}

impl Given {
    /// Reads the argument: `-`, `@FILE`, or the message itself.
    pub(super) fn of(argument: Option<String>, is_stream: bool) -> Self {
        match argument {
            None if is_stream => Self::Stdin,
            None => Self::Text("{}".to_owned()),
            Some(it) if it == "-" => Self::Stdin,
            Some(it) => match it.strip_prefix('@') {
                Some("-") => Self::Stdin,
                Some(path) => Self::File(path.into()),
                None => Self::Text(it),
            },
        }
    }

    /// The one message.
    pub(super) fn one(self, kind: MessageDescriptor) -> CliResult<DynamicMessage> {
        let (text, place) = match self {
            Self::Text(text) => (text.into_bytes(), String::new()),
            Self::File(path) => (read_file("message", &path)?, format!("{}: ", path.display())),
            Self::Stdin => {
                let mut text = Vec::new();
                io::stdin().lock().read_to_end(&mut text)?;
                (text, "standard input: ".to_owned())
            }
        };
        Ok(parse(kind, &text).map_err(|why| refused(&place, &why))?)
    }
}

/// Messages, read from lines while the call goes on.
pub(super) struct Messages(mpsc::Receiver<Result<DynamicMessage, Failure>>);

impl Messages {
    /// Reads a message from each line that is not empty.
    pub(super) fn read(given: Given, kind: MessageDescriptor) -> CliResult<Self> {
        let (input, place): (Box<dyn BufRead + Send>, _) = match given {
            Given::Text(text) => (Box::new(Cursor::new(text)), String::new()),
            Given::File(path) => {
                let place = format!("{}: ", path.display());
                let file = File::open(&path).map_err(|err| refused(&place, &err.to_string()))?;
                (Box::new(BufReader::new(file)), place)
            }
            Given::Stdin => (Box::new(BufReader::new(io::stdin())), "standard input: ".to_owned()),
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        // Not a task: one that waits for a line would keep the program from ending.
        thread::spawn(move || {
            for (line, index) in input.split(b'\n').zip(1_u64..) {
                let read = match line {
                    Ok(line) if line.trim_ascii().is_empty() => continue,
                    Ok(line) => parse(kind.clone(), &line),
                    Err(err) => Err(err.to_string()),
                };
                let read = read.map_err(|why| refused(&format!("{place}line {index}: "), &why));
                let is_last = read.is_err();
                // The call has ended when nobody takes it.
                if sender.blocking_send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// The messages up to the first that cannot be read, after which there is no end: that would say it was the
    /// whole. Why it cannot be read comes beside.
    pub(super) fn until_bad(
        self,
    ) -> (impl Stream<Item = DynamicMessage> + Send + 'static, oneshot::Receiver<Failure>) {
        let (sender, bad) = oneshot::channel();
        let messages =
            stream::unfold((self.0, Some(sender)), async |(mut read, sender)| {
                match read.recv().await {
                    None => None,
                    Some(Ok(message)) => Some((message, (read, sender))),
                    Some(Err(failure)) => {
                        if let Some(Err(_)) = sender.map(|it| it.send(failure)) {
                            tracing::debug!("the call has ended already");
                        }
                        pending().await
                    }
                }
            });
        (messages, bad)
    }
}

fn refused(place: &str, why: &str) -> Failure {
    Failure::new(Exit::Refused, format!("{place}{why}"))
}

fn parse(kind: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, String> {
    let name = kind.name().to_owned();
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = DynamicMessage::deserialize(kind, &mut json).and_then(|message| {
        json.end()?;
        Ok(message)
    });
    read.map_err(|err| format!("the message is no {name}: {err}"))
}
