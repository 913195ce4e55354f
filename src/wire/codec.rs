//! The codec of every method: prost's, but bytes that are no message are the caller's fault, and a message gets as
//! much room as it takes.
use std::marker::PhantomData;

use tonic::{
    Status,
    codec::{BufferSettings, Codec as TonicCodec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::error::{Error, Reason};

/// Room that is made before a message's size is known. Most are smaller; two buffers of the usual 8 KiB for each call
/// are what the allocator is slow with.
const ROOM: usize = 512;
/// Bytes after which what is encoded is sent.
const SENT: usize = 32 * 1024;

/// Encodes `T` and decodes `U`.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> TonicCodec for Codec<T, U>
where
    T: prost::Message + Send + 'static,
    U: prost::Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Roomy<T>;
    type Decoder = Checked<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Roomy(ProstCodec::<T, U>::raw_encoder(BufferSettings::new(ROOM, SENT)))
    }

    fn decoder(&mut self) -> Self::Decoder {
        Checked(ProstCodec::<T, U>::raw_decoder(BufferSettings::new(ROOM, SENT)))
    }
}

/// An encoder that makes room for the whole message first.
#[derive(Debug)]
pub struct Roomy<T>(ProstEncoder<T>);

impl<T: prost::Message> Encoder for Roomy<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.reserve(item.encoded_len());
        self.0.encode(item, dst)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// A decoder that refuses with [`Reason::MessageMalformed`].
#[derive(Debug)]
pub struct Checked<U>(ProstDecoder<U>);

impl<U: prost::Message + Default> Decoder for Checked<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(src).map_err(|_| {
            let what = "the bytes are not a message of this method's request type";
            Error::new(Reason::MessageMalformed, what).into()
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
