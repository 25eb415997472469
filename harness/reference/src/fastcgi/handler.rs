//! What an application writes: a [`Handler`] that turns a [`Request`] into output and an exit status.
//!
//! A handler starts when PARAMS has ended, usually before STDIN has (§6.2). When the web server aborts the
//! request its future is dropped at the await it stands at: that is how an async program cooperates, so the
//! END_REQUEST that follows is the application's answer (§5.4). A handler must not block its thread; nothing
//! could stop it.

use reusespec_wire::fastcgi::{Pair, Role};

use super::{Input, Output};

/// What a CGI program would have returned from `exit` (§6.2).
pub type AppStatus = u32;

/// An application.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Output is closed and END_REQUEST sent when this returns, whether or not all input
    /// has arrived or been read.
    ///
    /// A Filter must not write before it has read `stdin` to its end (§6.4); the server does not check.
    fn serve(&self, request: Request, output: &mut Output) -> impl Future<Output = AppStatus> + Send;
}

/// One request, as far as it is known when PARAMS has ended.
#[derive(Debug)]
pub struct Request {
    /// What the application is asked to be.
    pub role: Role,
    /// CGI variables.
    pub params: Params,
    /// The body, arriving. Drop it to say that it will never be read.
    pub stdin: Input,
    /// A Filter's file, arriving; ended from the start for other roles.
    pub data: Input,
}

/// The CGI variables of a request, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub(super) Vec<Pair>);

impl Params {
    /// The value of a variable; of the last one where a name came twice, as in an environment set twice.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let last = self.0.iter().rev().find(|pair| pair.name == name.as_bytes());
        last.map(|pair| pair.value.as_slice())
    }

    /// Names and values, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|pair| (pair.name.as_slice(), pair.value.as_slice()))
    }
}
