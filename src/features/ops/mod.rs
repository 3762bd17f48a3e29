//! What operators and front-end developers ask: is it alive, is it ready, how is it doing, what do its codes mean.

mod http;

pub use http::operations;
