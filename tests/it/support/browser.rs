//! A browser at the console: keeps the cookie, sends what browsers send, and goes nowhere by itself.

use std::time::Duration;

use leavebridge::outgoing;
use reqwest::{Client, Method, RequestBuilder};

use super::{Answer, TestApp, answer};

pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    client: Client,
    pub(crate) cookie: Option<String>,
}

impl<'a> Browser<'a> {
    /// One in which nobody is signed in.
    pub(crate) fn new(app: &'a TestApp) -> Self {
        Self { app, client: outgoing::without_redirects(None, Duration::from_mins(1)).unwrap(), cookie: None }
    }

    /// One in which that client is signed in, with all its scopes.
    pub(crate) async fn signed_in(app: &'a TestApp, client: &str) -> Self {
        let mut browser = Self::new(app);
        let token = app.token(client);
        let answer = browser.post("/console/sign-in", &[("token", &token)]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.app.url));
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// The text of a page that is shown.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body.as_str().unwrap().to_owned()
    }

    /// Sends a form of one of the console's own pages, and keeps the cookie that it is given.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let own = [("sec-fetch-site", "same-origin"), ("origin", self.app.url.as_str())];
        let answer = self.post_as(path, form, &own).await;
        if let Some(cookie) = answer.headers.get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(str::to_owned);
        }
        answer
    }

    /// Sends a form with these headers only.
    pub(crate) async fn post_as(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).form(form);
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }
}
