//! `sharehub call`: any method, known only by its descriptor, with a message as JSON.
use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::{
    Outcome,
    client::{bearer, connect_by, explain},
    say,
};
use crate::{config::Call, pb};

pub(super) async fn call(asked: Call) -> Outcome {
    let Call { by, method, request } = asked;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS)?;
    let method = find(&pool, &method)?;
    let mut json = serde_json::Deserializer::from_str(&request);
    let message = DynamicMessage::deserialize(method.input(), &mut json)
        .map_err(|err| format!("the request is no {}: {err}", method.input().name()))?;
    json.end()?;
    let mut grpc = Grpc::new(connect_by(&by).await?).max_decoding_message_size(64 << 20);
    grpc.ready().await?;
    let mut req = Request::new(message);
    if let Some(key) = bearer(&by)? {
        req.metadata_mut().insert("authorization", key);
    }
    if let Some(purpose) = &by.purpose {
        req.metadata_mut().insert("sharehub-purpose", purpose.parse()?);
    }
    let service = method.parent_service().full_name().to_owned();
    let path = PathAndQuery::try_from(format!("/{service}/{}", method.name()))?;
    let answer =
        grpc.unary(req, path, Dynamic(method)).await.map_err(|it| explain(&it))?.into_inner();
    let options = SerializeOptions::new().skip_default_fields(true).use_proto_field_name(true);
    let mut out = serde_json::Serializer::pretty(Vec::new());
    answer.serialize_with_options(&mut out, &options)?;
    say(&String::from_utf8(out.into_inner())?)?;
    Ok(())
}

fn find(pool: &DescriptorPool, named: &str) -> Outcome<MethodDescriptor> {
    let methods = pool.services().flat_map(|it| it.methods().collect::<Vec<_>>());
    let mut ours = methods.filter(|it| it.full_name().starts_with("sharehub."));
    let wanted = named.trim_start_matches('/').replace('/', ".");
    let is_it = |it: &MethodDescriptor| {
        it.full_name() == wanted || it.full_name().ends_with(&format!(".{wanted}"))
    };
    ours.find(is_it).ok_or_else(|| format!("the hub has no method `{named}`").into())
}

/// The codec of a method that is known only by its descriptor.
struct Dynamic(MethodDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::Message::encode(&item, buf).map_err(|err| crate::error::Error::internal(err).into())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

struct DynamicDecoder(MethodDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.output(), src)
            .map(Some)
            .map_err(|err| crate::error::Error::internal(err).into())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
