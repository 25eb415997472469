/* Keepalive through uv_tcp_keepalive and uv_tcp_keepalive_ex.
 *
 * A request with idle alone is uv_tcp_keepalive, although that function sets an interval and a count too: libuv has no
 * function that sets less. */
#include "adapter.h"

#include <limits.h>

/* Reads a duration that libuv takes as an `unsigned int` of seconds. Returns why it cannot be passed, or NULL. */
static const char *whole_seconds(json_t *milliseconds, unsigned *seconds)
{
    json_int_t value = json_integer_value(milliseconds);
    if (value % 1000)
        return "uv_tcp_keepalive and uv_tcp_keepalive_ex take whole seconds (docs/src/tcp.rst)";
    if (value / 1000 > UINT_MAX)
        return "uv_tcp_keepalive and uv_tcp_keepalive_ex take an unsigned int of seconds (docs/src/tcp.rst)";
    *seconds = (unsigned)(value / 1000);
    return NULL;
}

json_t *keepalive(struct socket *socket, json_t *request)
{
    json_t *idle = json_object_get(request, "idle_ms");
    json_t *interval = json_object_get(request, "interval_ms");
    json_t *count = json_object_get(request, "count");
    if (!idle)
        return unsupported("uv_tcp_keepalive has no way to switch keepalive on without a delay (docs/src/tcp.rst)");
    unsigned seconds;
    const char *reason = whole_seconds(idle, &seconds);
    if (reason)
        return unsupported(reason);
    if (!interval && !count)
        return done(uv_tcp_keepalive(&socket->uv.tcp, 1, seconds));
#if SINCE(1, 52)
    if (!interval || !count)
        return unsupported("uv_tcp_keepalive_ex sets idle, interval and count together (docs/src/tcp.rst)");
    unsigned between;
    reason = whole_seconds(interval, &between);
    if (reason)
        return unsupported(reason);
    return done(uv_tcp_keepalive_ex(&socket->uv.tcp, 1, seconds, between, (unsigned)json_integer_value(count)));
#else
    return unsupported("uv_tcp_keepalive has no interval or count; uv_tcp_keepalive_ex came with libuv 1.52");
#endif
}

json_t *keepalive_period(struct socket *socket, json_t *request)
{
    unsigned seconds;
    const char *reason = whole_seconds(json_object_get(request, "period_ms"), &seconds);
    return reason ? unsupported(reason) : done(uv_tcp_keepalive(&socket->uv.tcp, 1, seconds));
}

json_t *keepalive_off(struct socket *socket, json_t *request)
{
    (void)request;
    return done(uv_tcp_keepalive(&socket->uv.tcp, 0, 0));
}
