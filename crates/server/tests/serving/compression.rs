//! What is compressed, and for whom.

use std::io::Read as _;

use http::{HeaderValue, header};
use server::edge::EdgeConfig;

use super::{BEARER, ask, ask_with, edge};

async fn coding(path: &str, headers: &[(&str, &str)]) -> (Option<HeaderValue>, Vec<u8>) {
    let edge = edge(EdgeConfig::default());
    let (status, headers, body) = ask(&edge, path, "127.0.0.1", headers).await;
    assert_eq!(status, 200, "{path}");
    assert!(
        headers[header::VARY]
            .to_str()
            .unwrap()
            .contains("accept-encoding")
    );
    (headers.get(header::CONTENT_ENCODING).cloned(), body)
}

#[tokio::test]
async fn large_json_is_compressed_for_who_wants_it() {
    let (none, plain) = coding("/large", &[BEARER]).await;
    assert_eq!(none, None);
    for wish in ["gzip", "br, GZIP;q=0.5", "*"] {
        let (coding, packed) = coding("/large", &[BEARER, ("accept-encoding", wish)]).await;
        assert_eq!(coding.unwrap(), "gzip", "{wish}");
        assert!(packed.len() * 5 < plain.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
    }
    for wish in ["br", "gzip;q=0, *", "identity"] {
        let (coding, _) = coding("/large", &[BEARER, ("accept-encoding", wish)]).await;
        assert_eq!(coding, None, "{wish}");
    }
}

#[tokio::test]
async fn what_is_small_streamed_tagged_or_in_reach_of_breach_is_not_compressed() {
    let gzip = ("accept-encoding", "gzip");
    for path in ["/small", "/streamed", "/tagged", "/signs-in"] {
        assert_eq!(coding(path, &[BEARER, gzip]).await.0, None, "{path}");
    }
    let (coding, _) = coding("/large", &[("cookie", "session=s"), gzip]).await;
    assert_eq!(coding, None, "a browser sends the cookie for whoever asks it to");
}

#[tokio::test]
async fn head_tells_the_length_of_the_compressed_answer() {
    let edge = edge(EdgeConfig::default());
    let wish = [BEARER, ("accept-encoding", "gzip")];
    let (_, _, body) = ask(&edge, "/large", "127.0.0.1", &wish).await;
    let (_, headers, none) = ask_with("HEAD", &edge, "/large", "127.0.0.1", &wish).await;
    assert!(none.is_empty());
    assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
}
