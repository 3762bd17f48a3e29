//! Bodies arrive at some least speed, or their sender is told so (408) and let go.
//!
//! The server's own time limit ends with the head of a request; for a body it would wait for ever. Counted is only the time in which
//! somebody here waits for the sender: a slow disk of ours is not held against them.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::config::Config;

/// A request's body on its way in. Clones are the same body.
#[derive(Clone)]
pub struct Arriving(Rc<RefCell<Body>>);

struct Body {
    payload: Payload,
    patience: Duration,
    bytes_per_second: u32,
    received: usize,
    /// How long it was waited for, until the wait that goes on.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    whole: bool,
    overdue: bool,
}

impl Arriving {
    /// Watches a request's body from now on, where it has one.
    pub fn watch(request: &mut ServiceRequest, config: &Config) -> Option<Arriving> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let arriving = Arriving(Rc::new(RefCell::new(Body {
            payload,
            patience: Duration::from_secs(config.body_patience_seconds),
            bytes_per_second: config.body_bytes_per_second,
            received: 0,
            waited: Duration::ZERO,
            waiting: None,
            whole: false,
            overdue: false,
        })));
        request.set_payload(Payload::Stream { payload: Box::pin(arriving.clone()) });
        Some(arriving)
    }

    /// Whether it was given up.
    pub fn is_overdue(&self) -> bool {
        self.0.borrow().overdue
    }

    /// The answer, after which the connection closes unless the body was read whole: the server would read what is left of a
    /// chunked one for as long as it comes.
    pub fn closing(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        if self.0.borrow().whole {
            return response;
        }
        response.map_body(|_, answer| BoxBody::new(Closing { answer, _body: self }))
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        if body.whole || body.overdue {
            return Poll::Ready(None);
        }
        if let Poll::Ready(item) = Pin::new(&mut body.payload).poll_next(context) {
            if let Some((since, _)) = body.waiting.take() {
                body.waited = body.waited.saturating_add(since.elapsed());
            }
            match &item {
                Some(Ok(bytes)) => body.received = body.received.saturating_add(bytes.len()),
                Some(Err(_)) => {}
                None => body.whole = true,
            }
            return Poll::Ready(item);
        }
        if body.waiting.is_none() {
            let until = Instant::now() + allowed(body.patience, body.bytes_per_second, body.received).saturating_sub(body.waited);
            body.waiting = Some((Instant::now(), Box::pin(sleep_until(until))));
        }
        body.overdue = body.waiting.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(context).is_ready());
        if body.overdue { Poll::Ready(Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into())))) } else { Poll::Pending }
    }
}

/// How long may be waited in all for the sender of so many bytes.
fn allowed(patience: Duration, bytes_per_second: u32, received: usize) -> Duration {
    let seconds = u64::try_from(received).unwrap_or(u64::MAX).checked_div(bytes_per_second.into()).unwrap_or_default();
    patience.saturating_add(Duration::from_secs(seconds))
}

/// An answer that holds the request's body until it is sent: the server keeps a connection only when it may forget the body before.
struct Closing {
    answer: BoxBody,
    _body: Arriving,
}

impl MessageBody for Closing {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_gets_its_time_and_a_silent_one_does_not() {
        let hours = |received: usize| allowed(Duration::from_secs(60), 500, received).as_secs() / 3600;
        assert_eq!(allowed(Duration::from_secs(60), 500, 0), Duration::from_secs(60));
        assert_eq!(allowed(Duration::from_secs(60), 500, 1 << 20), Duration::from_secs(60 + 2_097));
        // The largest upload by the slowest GPRS there is, 8 kbit/s, takes 44 hours.
        assert!(hours(150 << 20) > 44);
        assert_eq!(allowed(Duration::from_secs(60), 0, 1 << 20), Duration::from_secs(60));
    }
}
