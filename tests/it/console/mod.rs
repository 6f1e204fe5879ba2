//! The operator's console, as a browser sees it.

mod connection;
mod pages;
mod retry;
mod signing_in;

use crate::support::Answer;

/// What a page says.
fn text(answer: &Answer) -> &str {
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{answer:?}");
    answer.body.as_str().unwrap()
}
