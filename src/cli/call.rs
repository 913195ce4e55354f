//! `sharehub call`: any method, known only by its descriptor, with messages as JSON.
mod codec;
mod describe;
mod message;
mod schema;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::uri::PathAndQuery;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions, Value};
use tokio::sync::oneshot;
use tonic::{Request, client::Grpc, service::interceptor::InterceptedService};

use self::{
    codec::Dynamic,
    message::{Given, Messages},
    schema::Schema,
};
use super::{
    CliResult,
    client::{Key, LONGEST, MOST_BYTES, connect, explain},
    failure::Failure,
    print,
};
use crate::config::{As, Call, Exit};

pub(super) async fn call(asked: Call) -> CliResult {
    let Call { by, list, describe, method, message } = asked;
    let schema = Schema::new()?;
    if list {
        return describe::list(&schema);
    }
    if let Some(name) = describe {
        return describe::describe(&schema, &name);
    }
    let method = schema.method(&method.unwrap_or_default())?;
    let given = Given::of(message, method.is_client_streaming());
    if method.is_client_streaming() {
        let (messages, bad) = Messages::read(given, method.input())?.until_bad();
        return exchange(&by, method, messages.boxed(), bad).await;
    }
    let message = given.one(method.input())?;
    let (_good, bad) = oneshot::channel();
    exchange(&by, method, stream::iter([message]).boxed(), bad).await
}

/// Sends messages, and prints each answer as it comes. A message that cannot be read ends the call.
async fn exchange(
    by: &As,
    method: MethodDescriptor,
    messages: BoxStream<'static, DynamicMessage>,
    bad: oneshot::Receiver<Failure>,
) -> CliResult {
    let is_stream = method.is_client_streaming() || method.is_server_streaming();
    // A stream lasts as long as it has something to say.
    let longest = if is_stream { None } else { Some(LONGEST) };
    let channel = InterceptedService::new(connect(by, longest).await?, Key::of(by)?);
    let mut grpc = Grpc::new(channel).max_decoding_message_size(MOST_BYTES);
    grpc.ready().await?;
    let service = method.parent_service().full_name().to_owned();
    let path = PathAndQuery::try_from(format!("/{service}/{}", method.name()))?;
    let answered = async {
        let mut rejected = 0;
        let answers = grpc.streaming(Request::new(messages), path, Dynamic(method)).await;
        let mut answers = answers.map_err(|it| explain(&it))?.into_inner();
        while let Some(answer) = answers.message().await.map_err(|it| explain(&it))? {
            print(&json(&answer, is_stream)?)?;
            rejected += rejections(&answer);
        }
        match rejected {
            0 => Ok(()),
            1 => Err(Failure::new(Exit::Failed, "1 item was rejected").into()),
            count => Err(Failure::new(Exit::Failed, format!("{count} items were rejected")).into()),
        }
    };
    tokio::select! {
        // Cut off, not ended: the hub must not take what came before it for the whole.
        Ok(failure) = bad => Err(failure.into()),
        done = answered => done,
    }
}

/// An answer as JSON: on one line, where others may follow.
fn json(answer: &DynamicMessage, on_one_line: bool) -> CliResult<String> {
    let options = SerializeOptions::new().skip_default_fields(true).use_proto_field_name(true);
    let mut text = Vec::new();
    if on_one_line {
        answer.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options)?;
    } else {
        answer.serialize_with_options(&mut serde_json::Serializer::pretty(&mut text), &options)?;
    }
    Ok(String::from_utf8(text)?)
}

/// How many items of a write were rejected, as its receipt counts them.
fn rejections(message: &DynamicMessage) -> i64 {
    let counts = |name: &str| match message.get_field_by_name(name).as_deref() {
        Some(Value::I32(count)) => Some(i64::from(*count)),
        Some(Value::I64(count)) => Some(*count),
        Some(_) | None => None,
    };
    // A receipt counts what became of the items; so does what acknowledges a part of a load.
    if let (Some(rejected), Some(_)) = (counts("rejected"), counts("created")) {
        return rejected;
    }
    let inner = message.fields().filter_map(|(_, value)| value.as_message());
    inner.map(rejections).sum()
}
