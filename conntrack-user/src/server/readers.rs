//! Sends the stream to each reader, as fast as it takes it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::{mpsc, oneshot};

use super::{
    broadcast::{Next, StreamForm},
    connections::Client,
    shared::Shared,
};

/// The lines for one reader, as the body of an answer.
pub(super) struct LinesBody(mpsc::Receiver<Bytes>);

impl HttpBody for LinesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let lines = self.0.poll_recv(context);
        lines.map(|lines| lines.map(|lines| Ok(Frame::data(lines))))
    }
}

/// Starts sending to a reader; `None` if there are too many.
pub(super) async fn start(
    shared: Arc<Shared>,
    form: StreamForm,
    client: Client,
) -> Option<LinesBody> {
    let (sender, body) = mpsc::channel(1);
    let (admit, admitted) = oneshot::channel();
    tokio::spawn(send(shared, form, client, sender, admit));
    // Dropped without a word where there is no room.
    admitted.await.ok()?;
    Some(LinesBody(body))
}

/// Sends the stream until it is over, or the reader is gone or too slow.
async fn send(
    shared: Arc<Shared>,
    form: StreamForm,
    client: Client,
    sender: mpsc::Sender<Bytes>,
    admit: oneshot::Sender<()>,
) {
    let Some(mut reader) = shared.broadcast.reader(form) else {
        return;
    };
    if admit.send(()).is_err() {
        return;
    }
    // What was handed over last may not have been taken.
    let mut on_its_way = 0;
    loop {
        match reader.next() {
            Next::Lines(lines) => {
                let length = lines.len() as u64;
                let sent = sender.send(lines).await;
                if sent.is_err() {
                    on_its_way += length;
                    break;
                }
                on_its_way = length;
            }
            Next::Nothing => {
                tokio::select! {
                    () = reader.more() => {}
                    () = sender.closed() => break,
                }
            }
            Next::Over => return,
            Next::Lost => {
                let lost = reader.dropped(0);
                // If it is gone, there is nobody to tell.
                let _ = sender.send(form.dropped(lost)).await;
                return report(&shared, &client, lost);
            }
        }
    }
    if client.connection.is_too_slow() {
        let lost = reader.dropped(on_its_way);
        report(&shared, &client, lost);
    }
}

fn report(shared: &Shared, client: &Client, lost: u64) {
    shared.diagnostics.notify(format_args!(
        "a reader of /stream at {} was too slow and was dropped; it lacks {lost} bytes",
        client.address
    ));
}
