//! Whole connections over real sockets.

mod bulk;
mod harness;
mod hostile;
mod lifecycle;
mod replies;
