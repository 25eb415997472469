//! Known bugs of HTTP servers. A server is started with at most one of them; `hooks` implements them.
//!
//! `reported_in` names a report of the bug in some server, not necessarily the first report. A bug without a known
//! report is `hypothetical`, and `reported_in` names the rule it breaks.

use crate::fault::faults;

faults! {
    /// A bug that the server can be started with, in the order of the rules they break.
    HttpFault {
        NeverPersists = "http-never-persists",
            "hypothetical: RFC 9112 §9.3",
            "closes after every reply";
        PersistsByDefaultIn10 = "http-persists-by-default-in-1.0",
            "netty/netty#2537",
            "keeps the connection of an HTTP/1.0 client that did not ask for it";
        KeepAliveUnsaidTo10 = "http-keepalive-unsaid-to-1.0",
            "hyperium/hyper#1614",
            "keeps an HTTP/1.0 connection open without saying keep-alive";
        ChunkedTo10 = "http-chunked-to-1.0",
            "ninenines/cowboy#140",
            "sends a chunked reply to an HTTP/1.0 client";
        CloseIgnored = "http-close-ignored",
            "rapidoid/rapidoid#95",
            "ignores `close` in a request";
        CloseUnsaid = "http-close-header-missing",
            "tornadoweb/tornado#641",
            "closes after a reply that does not say `close`";
        OptionCaseSensitive = "http-option-case-sensitive",
            "Kludex/uvicorn#3096",
            "recognises connection options in lower case only";
        ConnectionWholeValue = "http-connection-whole-value",
            "martian56/raven#744",
            "compares the whole `Connection` value instead of its elements";
        SubstringClose = "http-substring-close",
            "nginx src/http/ngx_http_request.c, ngx_http_process_connection (ngx_strcasestrn)",
            "searches for `close` as a substring";
        ListStopsAtEmptyElement = "http-list-stops-at-empty-element",
            "hypothetical: RFC 9110 §5.6.1.2",
            "reads a list up to its first empty element";
        TabNotTrimmed = "http-tab-not-trimmed",
            "nodejs/llhttp#876 (a tab behind `chunked`; llhttp 9.3.1 has it behind `close`, too)",
            "treats a tab as part of a connection option";
        LastConnectionLineWins = "http-last-connection-line-wins",
            "aio-libs/aiohttp#12249",
            "reads only the last of several `Connection` lines";
        FieldNameCaseSensitive = "http-field-name-case-sensitive",
            "hypothetical: RFC 9110 §5.1",
            "recognises `Connection` in this spelling only";
        ProxyConnectionObeyed = "http-proxy-connection-obeyed",
            "nodejs/node#57722",
            "treats `Proxy-Connection` as `Connection`";
        RepliesOutOfOrder = "http-replies-out-of-order",
            "guzba/mummy#142",
            "answers the second of two pipelined requests first";
        ProcessesAfterClose = "http-processes-after-close",
            "oven-sh/bun#33005",
            "serves requests that are pipelined behind a reply that says `close`";
        HandlerCloseIgnored = "http-handler-close-ignored",
            "javaee/grizzly#1780",
            "ignores that the handler asks to close";
        ResetOnUnreadContent = "http-rst-on-unread-body",
            "cherrypy/cherrypy#622",
            "closes at once, so that unread input causes a reset";
        LongReplyCut = "http-long-reply-cut",
            "hypothetical: RFC 9112 §8",
            "closes before the last bytes of a long reply are written";
        HalfClosedDropped = "http-drops-half-closed",
            "hyperium/hyper#1981",
            "drops a request whose client has closed its sending side";
        IdleNeverTimesOut = "http-idle-never-times-out",
            "valyala/fasthttp#1579",
            "never closes idle connections";
        LimitUnannounced = "http-limit-unannounced",
            "hypothetical: RFC 9112 §9.6",
            "closes at its limit of requests without saying `close`";
        CloseSaidNotDone = "http-close-said-not-done",
            "nodejs/node#40082",
            "says `close` at its limit of requests and leaves the connection open";
        ChunkExtensionRefused = "http-chunk-extension-refused",
            "golang/go#13135",
            "refuses a chunk with an extension";
        TrailersLeftInStream = "http-trailers-left-in-stream",
            "hypothetical: RFC 9112 §7.1.2",
            "parses trailer fields as the next request";
        ContentLeftInStream = "http-content-left-in-stream",
            "hyperium/hyper#540",
            "parses content that the handler did not read as the next request";
        BothFramingsKeptOpen = "http-te-and-cl-kept-open",
            "hyperium/hyper#4123",
            "keeps the connection open after a request with both framings";
        ChunkedFrom10KeptOpen = "http-chunked-from-1.0-kept-open",
            "oven-sh/bun#35864",
            "keeps the connection open after a chunked HTTP/1.0 request";
        TransferEncodingIgnored = "http-transfer-encoding-ignored",
            "stephenberry/glaze#2654",
            "frames requests by length alone";
        LengthLenient = "http-length-lenient",
            "ninenines/cowboy#683",
            "accepts several lengths, of which it uses the last, and a sign before a length";
        BadChunkSizeIsZero = "http-bad-chunk-size-is-zero",
            "hypothetical: RFC 9112 §7.1",
            "treats an invalid chunk size as the last chunk";
        TruncatedContentServed = "http-truncated-content-served",
            "hypothetical: RFC 9112 §8",
            "serves a request whose content is cut short";
        UnknownUpgraded = "http-unknown-upgraded",
            "hypothetical: RFC 9110 §7.8",
            "sends 101 for any offered protocol and continues with HTTP/1.1";
        HeadWithContent = "http-head-with-content",
            "xroche/httrack-android#133",
            "sends content in reply to HEAD";
        NoContentWithLength = "http-204-with-length",
            "heroku/cowboyku#9",
            "sends a length with 204";
        NotModifiedWithContent = "http-304-with-content",
            "stephenberry/glaze#2917",
            "sends content with 304";
        ShortReplyReused = "http-short-reply-reused",
            "twisted/twisted#3618",
            "keeps the connection open after a reply shorter than its length";
        ContinueNeverSent = "http-continue-never-sent",
            "K0M15/webserv#41",
            "waits for content that the client holds back until it gets 100";
        ContinueTo10 = "http-continue-to-1.0",
            "mongrel2/mongrel2#153",
            "sends 100 to an HTTP/1.0 client";
        ExpectCaseSensitive = "http-expect-case-sensitive",
            "hypothetical: RFC 9110 §10.1.1",
            "recognises `100-continue` in lower case only";
        CloseInContinue = "http-close-in-continue",
            "hypothetical: RFC 9112 §9.6",
            "sends `close` in a 100 and keeps the connection open";
        GarbageKeptOpen = "http-garbage-kept-open",
            "hypothetical: RFC 9112 §3",
            "keeps the connection open after a malformed request";
        HostUnchecked = "http-host-unchecked",
            "hyperium/hyper#3777",
            "serves HTTP/1.1 requests with no `Host` or two";
        BadFieldNamesSkipped = "http-bad-field-names-skipped",
            "nodejs/node#3093",
            "skips a field line with a space before its colon";
        NewerMinorRefused = "http-newer-minor-refused",
            "hypothetical: RFC 9110 §6.2",
            "refuses HTTP/1.2";
        OtherMajorServed = "http-other-major-served",
            "hypothetical: RFC 9110 §15.6.6",
            "serves HTTP/2.0 in a request line as HTTP/1.1";
        EmptyLineRefused = "http-empty-line-refused",
            "hypothetical: RFC 9112 §2.2",
            "refuses a request after an empty line";
        HeadUnlimited = "http-head-unlimited",
            "hypothetical: RFC 9110 §5.4, RFC 6585 §5",
            "accepts a head of any size";
        ConnectAccepted = "http-connect-accepted",
            "hypothetical: RFC 9110 §9.3.6",
            "answers CONNECT like GET and parses the tunnel's bytes as requests";
        AsteriskRefused = "http-asterisk-refused",
            "hypothetical: RFC 9112 §3.2.4",
            "refuses OPTIONS *";
        AbsoluteFormRefused = "http-absolute-form-refused",
            "hypothetical: RFC 9112 §3.2.2",
            "refuses a target in absolute form";
        DisableIgnored = "http-ignores-disable",
            "golang/go 916682ea367a",
            "ignores that keep-alives are switched off";
        IdleLeftOpen = "http-idle-left-open",
            "nodejs/node-v0.x-archive#9066",
            "leaves idle connections open when keep-alives are switched off";
        IdleTold408 = "http-idle-told-408",
            "civetweb/civetweb#82",
            "sends 408 on an idle connection before closing it";
        UnusedClosedAtOnce = "http-unused-closed-at-once",
            "hyperium/hyper#3792",
            "closes unused connections at once when keep-alives are switched off";
        InFlightDroppedOnDisable = "http-in-flight-dropped-on-disable",
            "hypothetical: RFC 9112 §9.6",
            "drops running requests when keep-alives are switched off";
        ClosesMidHeader = "http-closes-mid-header",
            "nodejs/node#60617",
            "closes inside the head of a second request when keep-alives are switched off";
        BodyDroppedOnDisable = "http-body-dropped-on-disable",
            "hypothetical: RFC 9112 §9.6",
            "closes inside the content of a request when keep-alives are switched off";
        DisableRefusesNew = "http-disable-refuses-new",
            "hypothetical: net/http documents that new connections are served",
            "closes new connections while keep-alives are off";
        KeepAliveToldTo10 = "http-keepalive-told-to-1.0",
            "golang/go 916682ea367a",
            "says keep-alive to an HTTP/1.0 client while keep-alives are off";
        EnableIgnored = "http-ignores-enable",
            "hypothetical: net/http documents that keep-alives can be turned on again",
            "ignores that keep-alives are switched on again";
        OpenAfterSentHead = "http-open-after-sent-head",
            "nodejs/node#2642",
            "keeps a connection open whose keep-alives were switched off after the reply's head was sent";
        StopKeepsListening = "http-stop-keeps-listening",
            "expressjs/express#2719",
            "accepts connections after a shutdown";
        StopDropsInFlight = "http-stop-drops-in-flight",
            "denoland/deno#35609",
            "drops running requests at a shutdown";
    }
}
