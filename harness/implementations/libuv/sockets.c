/* Sockets through uv_tcp_t and uv_udp_t.
 *
 * A request waits by turning the loop, which also serves all other handles: libuv accepts on a listener by itself and
 * calls back, whether or not `accept` has been requested. */
#include "adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 128 /* uv_listen has no default; this is the number in libuv's guide. */
#define DIAL_MS 5000
#define RECEIVE_MAX 65536

/* The longest address: 45 digits and colons, brackets, colon and port. */
#define ADDRESS_MAX 64

uv_loop_t *loop;
static struct socket *sockets;
static struct outcome reading;
static char received[RECEIVE_MAX];

/* Ends the turn of the loop also in versions before 1.45, which call timers before they wait for descriptors. */
static void on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Turns the loop until the outcome is known; false if that takes longer than `within_ms`. */
static bool wait_for(const struct outcome *outcome, uint64_t within_ms)
{
    static uv_timer_t timer;
    if (!timer.loop)
        uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_timer, within_ms, 0);
    while (!outcome->done && uv_is_active((uv_handle_t *)&timer))
        uv_run(loop, UV_RUN_ONCE);
    uv_timer_stop(&timer);
    return outcome->done;
}

static ssize_t wait_forever(const struct outcome *outcome)
{
    while (!outcome->done)
        uv_run(loop, UV_RUN_ONCE);
    return outcome->status;
}

static void settle(void *outcome, ssize_t status)
{
    ((struct outcome *)outcome)->status = status;
    ((struct outcome *)outcome)->done = true;
}

static int address(const char *text, struct sockaddr_storage *into)
{
    char host[ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof host)
        return UV_EINVAL;
    memcpy(host, text, length);
    host[length] = '\0';
    int port = atoi(colon + 1);
    if (host[0] != '[')
        return uv_ip4_addr(host, port, (struct sockaddr_in *)into);
    host[length - 1] = '\0';
    return uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *)into);
}

struct socket *find(const char *name)
{
    struct socket *socket = sockets;
    while (socket && strcmp(socket->name, name))
        socket = socket->next;
    return socket;
}

static void on_close(uv_handle_t *handle)
{
    struct socket *socket = handle->data;
    free(socket->name);
    free(socket);
}

static struct socket *new_socket(bool udp)
{
    struct socket *socket = calloc(1, sizeof *socket);
    int error = udp ? uv_udp_init(loop, &socket->uv.udp) : uv_tcp_init(loop, &socket->uv.tcp);
    if (error)
        abort();
    socket->uv.handle.data = socket;
    return socket;
}

/* The answer to a request that opens a socket. A socket that failed is closed; another one gets its name. */
static json_t *opened(struct socket *socket, const char *name, int error)
{
    struct sockaddr_storage local;
    int length = sizeof local;
    if (!error && socket->uv.handle.type == UV_UDP)
        error = uv_udp_getsockname(&socket->uv.udp, (struct sockaddr *)&local, &length);
    else if (!error)
        error = uv_tcp_getsockname(&socket->uv.tcp, (struct sockaddr *)&local, &length);
    if (error) {
        uv_close(&socket->uv.handle, on_close);
        return failed(error);
    }
    struct socket *earlier = find(name);
    if (earlier)
        earlier->name[0] = '\0';
    socket->name = strdup(name);
    socket->next = sockets;
    sockets = socket;

    char host[ADDRESS_MAX], text[2 * ADDRESS_MAX];
    bool six = local.ss_family == AF_INET6;
    uv_ip_name((struct sockaddr *)&local, host, sizeof host);
    int port = ntohs(six ? ((struct sockaddr_in6 *)&local)->sin6_port : ((struct sockaddr_in *)&local)->sin_port);
    snprintf(text, sizeof text, six ? "[%s]:%d" : "%s:%d", host, port);
    return json_pack("{s:{s:s}}", "opened", "local", text);
}

static void on_connection(uv_stream_t *listener, int status)
{
    settle(&((struct socket *)listener->data)->arrival, status);
}

json_t *listen_tcp(json_t *request)
{
    struct sockaddr_storage at;
    unsigned flags = 0;
    if (json_is_true(json_object_get(request, "balanced"))) {
#if SINCE(1, 49)
        flags = UV_TCP_REUSEPORT;
#else
        return unsupported("uv_tcp_bind has no UV_TCP_REUSEPORT before libuv 1.49");
#endif
    }
    int error = address(text_of(request, "at"), &at);
    if (error)
        return failed(error);
    struct socket *socket = new_socket(false);
    socket->listens = true;
    error = uv_tcp_bind(&socket->uv.tcp, (struct sockaddr *)&at, flags);
    if (!error)
        error = uv_listen(&socket->uv.stream, BACKLOG, on_connection);
    return opened(socket, text_of(request, "socket"), error);
}

json_t *bind_udp(json_t *request)
{
    struct sockaddr_storage at;
    int error = address(text_of(request, "at"), &at);
    if (error)
        return failed(error);
    struct socket *socket = new_socket(true);
    error = uv_udp_bind(&socket->uv.udp, (struct sockaddr *)&at, 0);
    json_t *group = json_object_get(request, "group");
    if (!error && group)
        error = uv_udp_set_membership(&socket->uv.udp, json_string_value(group), NULL, UV_JOIN_GROUP);
    return opened(socket, text_of(request, "socket"), error);
}

static void on_connect(uv_connect_t *connect, int status)
{
    settle(connect->data, status);
}

json_t *dial(json_t *request)
{
    struct sockaddr_storage to;
    int error = address(text_of(request, "to"), &to);
    if (error)
        return failed(error);
    struct socket *socket = new_socket(false);
    struct outcome outcome = {0};
    uv_connect_t connect = {.data = &outcome};
    error = uv_tcp_connect(&connect, &socket->uv.tcp, (struct sockaddr *)&to, on_connect);
    if (!error && wait_for(&outcome, DIAL_MS))
        error = (int)outcome.status;
    if (!error && !outcome.done) {
        /* uv_tcp_connect has no timeout. Closing the handle calls on_connect with UV_ECANCELED. */
        uv_close(&socket->uv.handle, on_close);
        wait_forever(&outcome);
        return json_pack("{s:s}", "failed", "no connection in 5 s");
    }
    return opened(socket, text_of(request, "socket"), error);
}

json_t *accept_from(struct socket *listener, json_t *request)
{
    if (!listener->listens)
        return unsupported("uv_accept takes a listener");
    if (!wait_for(&listener->arrival, within(request)))
        return json_string("nothing");
    int error = (int)listener->arrival.status;
    listener->arrival = (struct outcome){0};
    if (error)
        return failed(error);
    struct socket *socket = new_socket(false);
    return opened(socket, text_of(request, "into"), uv_accept(&listener->uv.stream, &socket->uv.stream));
}

static void on_write(uv_write_t *write, int status)
{
    settle(write->data, status);
}

static void on_sent(uv_udp_send_t *send, int status)
{
    settle(send->data, status);
}

json_t *send_text(struct socket *socket, json_t *request)
{
    json_t *text = json_object_get(request, "text"), *to = json_object_get(request, "to");
    uv_buf_t buffer = uv_buf_init((char *)json_string_value(text), (unsigned)json_string_length(text));
    struct outcome outcome = {0};
    struct sockaddr_storage remote;
    int error = to ? address(json_string_value(to), &remote) : 0;
    if (error)
        return failed(error);
    if (socket->uv.handle.type == UV_UDP) {
        uv_udp_send_t send = {.data = &outcome};
        struct sockaddr *target = to ? (struct sockaddr *)&remote : NULL;
        error = uv_udp_send(&send, &socket->uv.udp, &buffer, 1, target, on_sent);
        return done(error ? error : wait_forever(&outcome));
    }
    if (to)
        return unsupported("uv_write takes no address");
    uv_write_t write = {.data = &outcome};
    error = uv_write(&write, &socket->uv.stream, &buffer, 1, on_write);
    return done(error ? error : wait_forever(&outcome));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(received, sizeof received);
}

/* libuv calls this with 0 if there was nothing to read after all. */
static void on_read(uv_stream_t *stream, ssize_t status, const uv_buf_t *buffer)
{
    (void)buffer;
    if (!status)
        return;
    uv_read_stop(stream);
    settle(&reading, status);
}

/* With no sender there was nothing to read; an empty datagram has a sender. */
static void on_datagram(uv_udp_t *udp, ssize_t status, const uv_buf_t *buffer, const struct sockaddr *from,
                        unsigned flags)
{
    (void)buffer;
    (void)flags;
    if (!status && !from)
        return;
    uv_udp_recv_stop(udp);
    settle(&reading, status);
}

json_t *receive(struct socket *socket, json_t *request)
{
    bool udp = socket->uv.handle.type == UV_UDP;
    reading = (struct outcome){0};
    int error = udp ? uv_udp_recv_start(&socket->uv.udp, on_alloc, on_datagram)
                    : uv_read_start(&socket->uv.stream, on_alloc, on_read);
    if (error)
        return failed(error);
    if (!wait_for(&reading, within(request))) {
        if (udp)
            uv_udp_recv_stop(&socket->uv.udp);
        else
            uv_read_stop(&socket->uv.stream);
        return json_string("nothing");
    }
    if (reading.status == UV_EOF)
        return json_string("eof");
    if (reading.status < 0)
        return failed(reading.status);
    json_t *text = json_stringn(received, (size_t)reading.status);
    return text ? json_pack("{s:o}", "received", text) : unsupported("what was received is not UTF-8");
}

json_t *close_socket(struct socket *socket, json_t *request)
{
    (void)request;
    struct socket **link = &sockets;
    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    uv_close(&socket->uv.handle, on_close);
    /* uv_close closes the descriptor at once; the callback comes with the next turn of the loop. */
    return json_string("ok");
}

json_t *options(struct socket *socket, json_t *request)
{
    (void)socket;
    (void)request;
    return unsupported("libuv has no function that reads these options");
}
