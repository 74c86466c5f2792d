//! Whole connections over real sockets.

mod harness;
mod hostile;
mod lifecycle;
mod replies;
