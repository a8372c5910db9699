//! A connection whose client has limited time to send a request, and to take an answer.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{connections::Connection, limits};

/// A connection with deadlines.
pub(super) struct Patient<S> {
    stream: S,
    connection: Arc<Connection>,
    /// When the request that has begun must be there, and the number of requests before it.
    request: Option<(Pin<Box<Sleep>>, u64)>,
    /// When what is being sent must be taken.
    answer: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            request: None,
            answer: None,
        }
    }

    fn too_slow(&self) -> io::Error {
        self.connection.was_too_slow();
        io::ErrorKind::TimedOut.into()
    }

    /// Starts, keeps or ends the time that what is sent may take.
    fn limit_answer<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            let answer = self.answer.get_or_insert_with(|| timer(limits::WRITE_TIME));
            if answer.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(self.too_slow()));
            }
        }
        polled
    }
}

fn timer(time: Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(time))
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let requests = self.connection.requests();
        if self.request.as_ref().is_some_and(|(_, of)| *of != requests) {
            self.request = None;
        }
        if polled.is_ready() && buffer.filled().len() > before && self.request.is_none() {
            self.request = Some((timer(limits::REQUEST_TIME), requests));
        }
        if polled.is_pending()
            && let Some((time, _)) = &mut self.request
            && time.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(self.too_slow()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit_answer(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limit_answer(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            // Whoever writes flushes once everything is written.
            self.answer = None;
        }
        // What was encrypted is sent here.
        self.limit_answer(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
