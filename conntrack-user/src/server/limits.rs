//! What clients may cost. The manual states these numbers.

use std::time::Duration;

/// Connections at once. One more takes the place of the one that has asked for nothing for the longest time.
pub const CONNECTIONS: usize = 512;

/// Readers of the stream at once; others are refused.
pub const STREAM_CLIENTS: u64 = 32;

/// Bytes of the stream that are kept for readers, in each of its two forms. Who is further behind is dropped.
pub const STREAM_BYTES: usize = 8 << 20;

/// Bytes of a request line with its headers.
pub const HEADER_BYTES: usize = 16 << 10;

/// Headers of a request.
pub const HEADERS: usize = 64;

/// How long a request may take from its first byte to the end of its headers.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a connection may be idle.
pub const IDLE_TIME: Duration = Duration::from_secs(150);

/// How long a client may take for what is being sent to it.
pub const WRITE_TIME: Duration = Duration::from_secs(10);

/// How long readers of the stream may take for the rest of it when the run ends.
pub const LAST_WRITE: Duration = Duration::from_millis(250);
