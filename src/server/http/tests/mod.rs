//! Whole connections over real sockets.

mod batches;
mod bulk;
mod cork;
mod cors;
mod harness;
mod hostile;
mod lifecycle;
mod parking;
mod replies;
