//! As much of PostgreSQL's protocol as it takes to say a version.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Answers every query with one row: the number of the version.
pub async fn serve(version: &'static str, number: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(talk(stream, version, number).await) });
        }
    });
    address
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(body);
    out
}

async fn talk(mut stream: TcpStream, version: &str, number: &str) -> std::io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await?;
        // a wish for TLS comes first
        if body[..4] != [4, 210, 22, 47] {
            break;
        }
        stream.write_all(b"N").await?;
    }
    let mut hello = message(b'R', &[0, 0, 0, 0]);
    for (name, value) in
        [("server_version", version), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY"), ("TimeZone", "UTC")]
    {
        hello.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    hello.extend(message(b'K', &[0; 8]));
    hello.extend(message(b'Z', b"I"));
    stream.write_all(&hello).await?;

    // one column of text
    let mut column = vec![0, 1];
    column.extend(b"server_version_num\0");
    column.extend([0; 6]);
    column.extend(25_u32.to_be_bytes());
    column.extend((-1_i16).to_be_bytes());
    column.extend((-1_i32).to_be_bytes());
    column.extend([0, 0]);
    let mut row = vec![0, 1];
    row.extend(u32::try_from(number.len()).unwrap().to_be_bytes());
    row.extend(number.as_bytes());
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await? as usize;
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await?;
        let answer = match kind {
            b'Q' => {
                [message(b'T', &column), message(b'D', &row), message(b'C', b"SHOW\0"), message(b'Z', b"I")].concat()
            }
            b'P' => message(b'1', &[]),
            b'B' => message(b'2', &[]),
            b'D' if body[0] == b'S' => [message(b't', &[0, 0]), message(b'T', &column)].concat(),
            b'D' => message(b'T', &column),
            b'E' => [message(b'D', &row), message(b'C', b"SHOW\0")].concat(),
            b'C' => message(b'3', &[]),
            b'S' => message(b'Z', b"I"),
            b'X' => return Ok(()),
            _ => Vec::new(),
        };
        stream.write_all(&answer).await?;
    }
}
