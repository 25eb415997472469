//! Known bugs of FastCGI applications and libraries. A server is started with at most one; `hooks` implements them.
//!
//! The scenarios pass on a correct application; the faults prove that they fail on the bugs that applications had.
//! `reported_in` names the report, and the fault does what was reported. If the report describes a related bug,
//! parentheses say which. A bug without a known report is `hypothetical`, and `reported_in` names the rule it breaks.

use crate::fault::faults;

faults! {
    /// A bug that the server can be started with, in the order ids, connections, management, records, streams, output.
    FastCgiFault {
        IdKeptAfterEnd = "fcgi-id-kept-after-end",
            "golang/go@a387f9155389",
            "an id stays active after END_REQUEST, so its reuse closes the connection";
        IdFreedLate = "fcgi-id-freed-late",
            "golang/go@a387f9155389 (the order its fix chose)",
            "an id becomes free 50 ms after END_REQUEST was written, not before";
        IdFreedAtStdinEnd = "fcgi-id-freed-at-stdin-end",
            "golang/go#42840",
            "an id becomes free when STDIN ends, while its handler still runs";
        ActiveIdReplaced = "fcgi-active-id-replaced",
            "yookoala/gofast#64 (ids taken again while in use)",
            "BEGIN_REQUEST with an active id silently replaces the request that has it";
        ConstantId = "fcgi-constant-id",
            "urweb/urweb#57",
            "every response carries id 1";
        IdsIgnored = "fcgi-ids-ignored",
            "urweb/urweb#57",
            "input goes to the request that was begun last, whatever its id";
        NullIdAccepted = "fcgi-null-id-accepted",
            "yookoala/gofast#65",
            "a request with id 0 is served";
        UnboundedIds = "fcgi-unbounded-ids",
            "golang/go#81548",
            "any number of ids may be begun and never finished";
        EarlyEndStuck = "fcgi-early-end-stuck",
            "php/php-src#10335",
            "after an END_REQUEST before the end of STDIN, the connection is not read any more";
        LateAbortAnswered = "fcgi-late-abort-answered",
            "php/php-src#1169 (a second END_REQUEST for a finished request)",
            "ABORT_REQUEST for an inactive id is answered with END_REQUEST";
        IgnoresKeepConn = "fcgi-ignores-keep-conn",
            "facebook/hhvm#2522",
            "the connection is closed after every request";
        NeverCloses = "fcgi-never-closes",
            "facebook/hhvm#1690 (connections leaked, there with KEEP_CONN)",
            "the connection stays open after a request without KEEP_CONN";
        ResetOnClose = "fcgi-reset-on-close",
            "golang/go#4183",
            "the connection is closed with input unread, which sends RST";
        OneConnection = "fcgi-one-connection",
            "ruven/iipsrv#203 (one process of libfcgi)",
            "an idle connection blocks all others";
        TakenForCgi = "fcgi-taken-for-cgi",
            "hypothetical: FastCGI 1.0 §2.2",
            "a program started with a listener in descriptor 0 runs as a CGI program and ends";
        WebServerAddrsIgnored = "fcgi-web-server-addrs-ignored",
            "php/doc-en#5263 (a warning in a manual)",
            "any peer is served, whatever FCGI_WEB_SERVER_ADDRS says";
        StrayByteAfterEnd = "fcgi-stray-byte-after-end",
            "xplicit/HyperFastCgi#55",
            "a zero byte follows END_REQUEST on a kept connection and is read as a version";
        VersionIgnored = "fcgi-version-ignored",
            "php-src main/fastcgi.c, fcgi_read_request (only versions below 1 are refused)",
            "records of version 2 are read as version 1";
        ClosesAfterGetValues = "fcgi-closes-after-get-values",
            "php/php-src#12387",
            "the connection is closed after GET_VALUES_RESULT";
        NoGetValues = "fcgi-no-get-values",
            "facebook/hhvm#4951",
            "GET_VALUES is never answered";
        GetValuesGarbled = "fcgi-get-values-garbled",
            "php/php-src#884",
            "every name is answered, known or not, with the value found last, and again in a second record";
        UnknownTypeIgnored = "fcgi-unknown-type-ignored",
            "go1.19 net/http/fcgi/child.go:195 (id 0 is never an active id)",
            "a management record of unknown type is not answered";
        UnknownRoleCloses = "fcgi-unknown-role-closes",
            "php-src main/fastcgi.c, fcgi_read_request",
            "an unknown role closes the connection without END_REQUEST";
        MultiplexedRequestLost = "fcgi-multiplexed-request-lost",
            "ebernhardson/fastcgi#6",
            "a request begun while another is active is neither served nor rejected";
        MpxsConnsLies = "fcgi-mpxs-conns-lies",
            "facebook/hhvm#2522",
            "FCGI_MPXS_CONNS says 1 and a second request is rejected";
        PaddingParsed = "fcgi-padding-parsed",
            "darrengarvey/cgi#17",
            "padding is read as content";
        EmptyRecordPadding = "fcgi-empty-record-padding",
            "php-src main/fastcgi.c, fcgi_read",
            "the padding of a record that ends a stream is not skipped";
        LongRecordRefused = "fcgi-long-record-refused",
            "php-src main/fastcgi.c, fcgi_read_request (FCGI_MAX_LENGTH)",
            "content and padding of more than 65528 bytes close the connection";
        ShortReadIsRecord = "fcgi-short-read-is-record",
            "ba0f3/fastcgi.nim#2",
            "each read is treated as complete records, and the rest of a cut record is lost";
        PairInOneRecord = "fcgi-pair-in-one-record",
            "open-telemetry/opentelemetry-ebpf-instrumentation#3534",
            "a name-value pair that continues in the next record is lost";
        StartsBeforeParamsEnd = "fcgi-starts-before-params-end",
            "open-telemetry/opentelemetry-ebpf-instrumentation#3534",
            "the handler starts with the first PARAMS record";
        OneByteLengths = "fcgi-one-byte-lengths",
            "gigi81/sharpfastcgi#6",
            "a length of four bytes is read as its first byte";
        LengthOverflow = "fcgi-length-overflow",
            "CVE-2025-23016",
            "the sum of two lengths overflows and the process dies; here the connection closes and no further request is served";
        ParamsOver8192Lost = "fcgi-params-over-8192-lost",
            "FastCGI-Archives/fcgi2#13",
            "PARAMS beyond 8192 bytes are lost";
        StdinFirstRecordOnly = "fcgi-stdin-first-record-only",
            "facebook/hhvm#2933",
            "only the first STDIN record of a body is kept";
        SecondStdinEndCloses = "fcgi-second-stdin-end-closes",
            "erlyaws/yaws#283",
            "an empty STDIN record after the end of STDIN closes the connection";
        WaitsForContentLength = "fcgi-waits-for-content-length",
            "caddyserver/caddy#5236",
            "the end of STDIN is ignored before CONTENT_LENGTH bytes have arrived";
        StdinBlocksConnection = "fcgi-stdin-blocks-connection",
            "go1.19 net/http/fcgi/child.go:242 (a TODO in the source)",
            "nothing is read from the connection while a handler has unread STDIN";
        ResponseLengthTruncated = "fcgi-response-length-truncated",
            "ba0f3/fastcgi.nim#8",
            "a write of more than 65535 bytes becomes one record with the low 16 bits of its length";
        StdoutNotClosed = "fcgi-stdout-not-closed",
            "php-src main/fastcgi.c, fcgi_flush",
            "no empty STDOUT record ends the response";
        EmptyRecordInStream = "fcgi-empty-record-in-stream",
            "php/php-src#3198",
            "a flush sends an empty STDOUT record in the middle of the response";
        StderrInStdout = "fcgi-stderr-in-stdout",
            "hoaproject/Fastcgi#18",
            "output to STDERR appears in STDOUT";
        StderrNotClosed = "fcgi-stderr-not-closed",
            "go1.19 net/http/fcgi/child.go:296 (STDERR written, never ended)",
            "no empty STDERR record follows STDERR output";
        TwoEnds = "fcgi-two-ends",
            "php/php-src#1169",
            "END_REQUEST is sent twice";
        TwoEndsOnAbort = "fcgi-two-ends-on-abort",
            "go1.19 net/http/fcgi/child.go:259",
            "ABORT_REQUEST is answered at once and the handler goes on to write output and END_REQUEST";
        AppStatusLost = "fcgi-app-status-lost",
            "php-src main/fastcgi.c, fcgi_flush",
            "appStatus is always 0";
        HttpStatusLine = "fcgi-http-status-line",
            "LukasBoersma/FastCGI#5",
            "the response begins with an HTTP status line instead of CGI headers";
        AbortIgnored = "fcgi-abort-ignored",
            "facebook/hhvm#4077",
            "ABORT_REQUEST has no effect";
        AbortCloses = "fcgi-abort-closes",
            "facebook/hhvm#2240",
            "ABORT_REQUEST kills the process; here it closes the connection";
    }
}
