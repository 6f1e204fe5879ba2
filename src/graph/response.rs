//! Reads headers and bodies of answers, within limits.

use reqwest::Response;

/// More than any answer of interest, in bytes.
const LONGEST_BODY: usize = 4 << 20;

/// A header's text; `None` when there is none, or none that is text.
pub(super) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The whole body, or `None` when it broke off or is longer than [`LONGEST_BODY`].
pub(super) async fn body(mut response: Response) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_BODY {
            return None;
        }
    }
    Some(bytes)
}
