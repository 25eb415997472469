/* What the files of this adapter share. A function that executes a request returns its answer.
 *
 * `uv` is a union, because a request such as `send` names a socket that may be TCP or UDP. */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define SINCE(major, minor) (UV_VERSION_HEX >= ((major) << 16 | (minor) << 8))

/* What the callback of a function of libuv has reported. */
struct outcome {
    bool done;
    ssize_t status;
};

struct socket {
    struct socket *next;
    char *name; /* empty if a later socket has taken the name */
    bool listens;
    struct outcome arrival; /* of a connection that waits for uv_accept */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_udp_t udp;
    } uv;
};

/* adapter.c */
json_t *failed(ssize_t error);
json_t *unsupported(const char *reason);
json_t *done(ssize_t error); /* `ok`, or `failed` if the number is negative */
const char *text_of(json_t *request, const char *key);
uint64_t within(json_t *request);

/* sockets.c */
extern uv_loop_t *loop;
struct socket *find(const char *name);
json_t *listen_tcp(json_t *request);
json_t *bind_udp(json_t *request);
json_t *dial(json_t *request);
json_t *accept_from(struct socket *listener, json_t *request);
json_t *send_text(struct socket *socket, json_t *request);
json_t *receive(struct socket *socket, json_t *request);
json_t *close_socket(struct socket *socket, json_t *request);
json_t *options(struct socket *socket, json_t *request);

/* keepalive.c */
json_t *keepalive(struct socket *socket, json_t *request);
json_t *keepalive_period(struct socket *socket, json_t *request);
json_t *keepalive_off(struct socket *socket, json_t *request);

#endif
