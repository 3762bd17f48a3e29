//! An HTTP client that speaks as somebody; a failed expectation prints method, path, actor, status and body.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Speaks as one actor, or as nobody.
#[derive(Clone)]
pub struct Client {
    pub actor: String,
    pub token: Option<String>,
    pub base: String,
    pub http: reqwest::Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Client {
    /// Sends a request; the path may stand with or without `/api/v1`.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let at_root = ["/oauth", "/.well-known", "/health", "/metrics", "/openapi.json", "/docs", "/api/"];
        let prefix = if at_root.iter().any(|root| path.starts_with(root)) { "" } else { "/api/v1" };
        let mut request = self.http.request(method.clone(), format!("{}{prefix}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        if let Some(body) = body {
            if !map.contains_key("content-type") {
                map.insert("content-type", HeaderValue::from_static("application/json"));
            }
            request = request.body(body);
        }
        let response = request.headers(map).send().await.unwrap_or_else(|cause| panic!("{method} {path} as {}: {cause}", self.actor));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { asked: format!("{method} {path} as {}", self.actor), status, headers, text, body }
    }

    /// The same as a client does that obeys Retry-After: a machine under load may be away for a moment, and nothing was changed then.
    pub async fn persist(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        for _ in 0..20 {
            let answer = self.send(method.clone(), path, headers, body.clone()).await;
            if answer.status != 503 {
                return answer;
            }
            let seconds = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        }
        panic!("{method} {path} as {}: still away", self.actor);
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body.to_string().into_bytes())).await
    }

    /// A step: a POST without a body.
    pub async fn step(&self, path: &str) -> Answer {
        self.send(Method::POST, path, &[], None).await
    }

    pub async fn patch(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, &[("if-match", etag)], Some(body.to_string().into_bytes())).await
    }

    /// Every item of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(String::new());
        while let Some(after) = next {
            let glue = if path.contains('?') { '&' } else { '?' };
            let page = if after.is_empty() { path.to_owned() } else { format!("{path}{glue}after={after}") };
            let answer = self.get(&page).await.expect(200);
            items.extend(answer.body["items"].as_array().unwrap().iter().cloned());
            next = answer.body["next"].as_str().map(str::to_owned);
        }
        items
    }
}

impl Answer {
    /// The answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{} answered {}: {}", self.asked, self.status, self.text);
        self
    }

    /// The answer, when it is a problem document of this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Answer {
        let answer = self.expect(status);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.asked);
        assert_eq!(answer.body["code"], code, "{}: {}", answer.asked, answer.text);
        assert!(answer.body["request_id"].is_string(), "{}: {}", answer.asked, answer.text);
        answer
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }
}
