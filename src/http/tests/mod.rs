//! Whole connections over real sockets.

mod bulk;
mod cork;
mod cors;
mod harness;
mod hostile;
mod lifecycle;
mod replies;
