//! How a request and a response travel on a stream of the swarm.

use std::io::{Error, ErrorKind};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::limits::{REQUEST_BYTES, RESPONSE_BYTES};
use crate::protocol::{Request, Response};

/// bincode on a stream: one message, then its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogCodec;

async fn read<const LIMIT: usize, T, I>(io: &mut I) -> std::io::Result<T>
where
    T: Serialize + DeserializeOwned,
    I: AsyncRead + Unpin + Send,
{
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too long" from "just as long as allowed".
    io.take(LIMIT.saturating_add(1) as u64).read_to_end(&mut bytes).await?;
    codec::decode::<LIMIT, T>(&bytes).map_err(Error::other)
}

async fn write<T: Serialize, I: AsyncWrite + Unpin + Send>(
    io: &mut I,
    value: T,
) -> std::io::Result<()> {
    let bytes = codec::encode(&value).map_err(Error::other)?;
    io.write_all(&bytes).await
}

impl request_response::Codec for LogCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.take(REQUEST_BYTES.saturating_add(1) as u64).read_to_end(&mut bytes).await?;
        // A stream that ended before its request is a lost connection; anything else is garbage.
        let kind = if bytes.is_empty() { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
        codec::decode::<REQUEST_BYTES, _>(&bytes).map_err(|error| Error::new(kind, error))
    }

    async fn read_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> std::io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read::<RESPONSE_BYTES, _, _>(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, response).await
    }
}
