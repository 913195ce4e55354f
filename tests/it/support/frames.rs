//! Frames of HTTP/2, spelled out: what no client library would send.

/// The preface of HTTP/2, and empty settings.
pub const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a call, spelled out.
pub fn head(path: &str, key: Option<&str>) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        let length = value.len();
        // Lengths above 126 go on in a second byte.
        match u8::try_from(length).unwrap() {
            short @ ..127 => block.push(short),
            long => block.extend([127, long - 127]),
        }
        block.extend(value.as_bytes());
    };
    literal(&[0x04], path);
    literal(&[0x01], "hub");
    literal(b"\0\x0ccontent-type", "application/grpc");
    literal(b"\0\x02te", "trailers");
    if let Some(key) = key {
        literal(b"\0\x0dauthorization", &format!("Bearer {key}"));
    }
    block
}
