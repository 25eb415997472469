//! The interface of an application: a [`Handler`] turns a [`Request`] into output and an exit status.
//!
//! A handler starts when PARAMS has ended, usually before STDIN has (§6.2). When the web server aborts the request, the
//! handler's future is dropped at its current await, and END_REQUEST follows (§5.4). A handler must not block its
//! thread, because a blocked handler cannot be aborted.

use reusespec_wire::fastcgi::{Pair, Role};

use super::{Input, Output};

/// The exit status of a request, as of a CGI program (§6.2).
pub type AppStatus = u32;

/// An application.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. When it returns, the server closes the output and sends END_REQUEST, even if input has not
    /// arrived or has not been read.
    ///
    /// A Filter must not write before it has read `stdin` to its end (§6.4); the server does not check this.
    fn serve(&self, request: Request, output: &mut Output) -> impl Future<Output = AppStatus> + Send;
}

/// One request, as known when PARAMS has ended.
#[derive(Debug)]
pub struct Request {
    /// The role that the web server asks for.
    pub role: Role,
    /// CGI variables.
    pub params: Params,
    /// The body, which may still be arriving. Dropping it discards the rest.
    pub stdin: Input,
    /// A Filter's file, which may still be arriving; empty for other roles.
    pub data: Input,
}

/// The CGI variables of a request, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub(super) Vec<Pair>);

impl Params {
    /// The value of a variable; the last one if the name occurs more than once.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let last = self.0.iter().rev().find(|pair| pair.name == name.as_bytes());
        last.map(|pair| pair.value.as_slice())
    }

    /// Names and values, in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|pair| (pair.name.as_slice(), pair.value.as_slice()))
    }
}
