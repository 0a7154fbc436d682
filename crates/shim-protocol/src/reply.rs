//! Replies and their encoding.

use crate::Error;

/// Reply of the installer; `B` is how it holds bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<B> {
    /// Execute this path of the view.
    Execute(B),
    /// Execute the native counterpart, or go on: it is recorded.
    Counterpart,
    /// Execute the native counterpart, and report its end.
    CounterpartReported,
    /// It is done.
    Done {
        /// Bytes for standard output.
        output: B,
        /// Bytes for standard error.
        messages: B,
        /// Exit status.
        status: u8,
    },
    /// It cannot be done, for this reason.
    Refused(B),
}

impl<B: AsRef<[u8]>> Reply<B> {
    /// Hands the bytes of the reply to `sink`, piece by piece.
    ///
    /// ```
    /// use shim_protocol::Reply;
    ///
    /// let reply = Reply::Refused("no such package");
    /// let mut bytes = Vec::new();
    /// reply.encode(&mut |piece| bytes.extend_from_slice(piece));
    /// assert_eq!(Reply::decode(&bytes), Ok(Reply::Refused(&b"no such package"[..])));
    /// ```
    pub fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        match self {
            Self::Execute(path) => {
                sink(b"+");
                sink(path.as_ref());
            }
            Self::Counterpart => sink(b">"),
            Self::CounterpartReported => sink(b"~"),
            Self::Done {
                output,
                messages,
                status,
            } => match u32::try_from(output.as_ref().len()) {
                Ok(length) => {
                    sink(&[b'=', *status]);
                    sink(&length.to_be_bytes());
                    sink(output.as_ref());
                    sink(messages.as_ref());
                }
                Err(_) => sink(b"-it says too much"),
            },
            Self::Refused(reason) => {
                sink(b"-");
                sink(reason.as_ref());
            }
        }
    }
}

impl<B> Reply<B> {
    /// Returns the reply with its bytes held otherwise.
    pub fn map<C>(self, mut hold: impl FnMut(B) -> C) -> Reply<C> {
        match self {
            Self::Execute(path) => Reply::Execute(hold(path)),
            Self::Counterpart => Reply::Counterpart,
            Self::CounterpartReported => Reply::CounterpartReported,
            Self::Done {
                output,
                messages,
                status,
            } => Reply::Done {
                output: hold(output),
                messages: hold(messages),
                status,
            },
            Self::Refused(reason) => Reply::Refused(hold(reason)),
        }
    }
}

impl<'a> Reply<&'a [u8]> {
    /// Reads a reply.
    ///
    /// # Errors
    /// The bytes are no reply.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes {
            [b'+', path @ ..] => Ok(Self::Execute(path)),
            b">" => Ok(Self::Counterpart),
            b"~" => Ok(Self::CounterpartReported),
            [b'=', status, a, b, c, d, text @ ..] => {
                let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
                let (output, messages) = text.split_at_checked(length).ok_or(SENSELESS)?;
                Ok(Self::Done {
                    output,
                    messages,
                    status: *status,
                })
            }
            [b'-', reason @ ..] => Ok(Self::Refused(reason)),
            [] => Err(Error("the installer gave no answer")),
            _ => Err(SENSELESS),
        }
    }
}

const SENSELESS: Error = Error("the installer's answer makes no sense");
