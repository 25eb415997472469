/* The adapter of ../ADAPTERS.md for libuv: uv_tcp_t and uv_udp_t with the flags that libuv's functions set by default.
 *
 * The loop runs while the adapter waits for the next request, as it does in every program with libuv. So libuv accepts
 * the first connection of a listener by itself and calls back; uv_accept follows on request. */
#include "adapter.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    union {
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } uv;
    char *text;
    size_t length, capacity;
    bool ended;
} input;

json_t *failed(ssize_t error)
{
    return json_pack("{s:s}", "failed", uv_err_name((int)error));
}

json_t *unsupported(const char *reason)
{
    return json_pack("{s:s}", "unsupported", reason);
}

json_t *done(ssize_t error)
{
    return error < 0 ? failed(error) : json_string("ok");
}

const char *text_of(json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));
    return text ? text : "";
}

uint64_t within(json_t *request)
{
    return (uint64_t)json_integer_value(json_object_get(request, "within_ms"));
}

static json_t *hello(json_t *request)
{
    (void)request;
    return json_pack("{s:{s:i,s:s,s:s}}", "hello", "protocol", 2, "name", "libuv", "version", uv_version_string());
}

/* The requests. `open` makes a socket, `use` needs one; `tcp` says that it has to be TCP. */
static const struct {
    const char *name;
    json_t *(*open)(json_t *request);
    json_t *(*use)(struct socket *socket, json_t *request);
    bool tcp;
} requests[] = {
    {.name = "hello", .open = hello},
    {.name = "listen-tcp", .open = listen_tcp},
    {.name = "bind-udp", .open = bind_udp},
    {.name = "join-multicast", .open = bind_udp},
    {.name = "dial", .open = dial},
    {.name = "accept", .use = accept_from, .tcp = true},
    {.name = "keepalive", .use = keepalive, .tcp = true},
    {.name = "keepalive-period", .use = keepalive_period, .tcp = true},
    {.name = "keepalive-off", .use = keepalive_off, .tcp = true},
    {.name = "send", .use = send_text},
    {.name = "receive", .use = receive},
    {.name = "close-socket", .use = close_socket},
    {.name = "options", .use = options},
};

static json_t *answer(json_t *line)
{
    const char *name = json_object_iter_key(json_object_iter(line));
    json_t *request = name ? json_object_get(line, name) : NULL;
    for (size_t i = 0; name && i < sizeof requests / sizeof *requests; i++) {
        if (strcmp(requests[i].name, name))
            continue;
        if (requests[i].open)
            return requests[i].open(request);
        struct socket *socket = find(text_of(request, "socket"));
        if (!socket)
            return json_pack("{s:s}", "failed", "no socket has this name");
        if (requests[i].tcp && socket->uv.handle.type != UV_TCP)
            return unsupported("libuv has this function for uv_tcp_t only");
        return requests[i].use(socket, request);
    }
    return unsupported("libuv has no function for this request");
}

static void on_input_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    if (input.capacity - input.length < suggested) {
        input.capacity = input.length + suggested;
        input.text = realloc(input.text, input.capacity);
    }
    *buffer = uv_buf_init(input.text + input.length, (unsigned)(input.capacity - input.length));
}

static void on_input(uv_stream_t *stream, ssize_t status, const uv_buf_t *buffer)
{
    (void)buffer;
    if (status < 0) {
        input.ended = true;
        uv_read_stop(stream);
    } else {
        input.length += (size_t)status;
    }
}

static int open_input(void)
{
    int error;
    if (uv_guess_handle(STDIN_FILENO) == UV_TTY) {
        error = uv_tty_init(loop, &input.uv.tty, STDIN_FILENO, 1);
    } else {
        error = uv_pipe_init(loop, &input.uv.pipe, 0);
        if (!error)
            error = uv_pipe_open(&input.uv.pipe, STDIN_FILENO);
    }
    return error ? error : uv_read_start(&input.uv.stream, on_input_alloc, on_input);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* docs/src/guide: libuv leaves SIGPIPE to the program. */
    loop = uv_default_loop();
    int error = open_input();
    if (error) {
        fprintf(stderr, "standard input must be a pipe or a terminal: %s\n", uv_strerror(error));
        return 2;
    }
    for (;;) {
        char *end;
        while (!(end = input.length ? memchr(input.text, '\n', input.length) : NULL) && !input.ended)
            uv_run(loop, UV_RUN_ONCE);
        if (!end)
            _exit(0);
        size_t length = (size_t)(end - input.text) + 1;
        json_t *line = json_loadb(input.text, length, JSON_DECODE_ANY, NULL);
        input.length -= length;
        memmove(input.text, end + 1, input.length);
        json_t *reply = answer(line);
        json_dumpf(reply, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
        fflush(stdout);
        json_decref(reply);
        json_decref(line);
    }
}
