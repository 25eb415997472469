/* The handlers of ../HANDLERS.md on libfcgi (fcgiapp.h), with a thread for each connection.
 *
 * Each thread that calls FCGX_Accept_r serves one connection at a time, so with one thread an idle connection would
 * block all others. Eight threads follow the library's example `threaded.c`. */
#include <fastcgi.h>
#include <fcgiapp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 8
#define SHOWN_MAX 64

static int listener;

static long number(FCGX_Request *request, const char *name, long otherwise)
{
    const char *query = FCGX_GetParam("QUERY_STRING", request->envp);
    size_t length = strlen(name);
    while (query && *query) {
        if (!strncmp(query, name, length) && query[length] == '=')
            return atol(query + length + 1);
        query = strchr(query, '&');
        if (query)
            query++;
    }
    return otherwise;
}

static void pause_ms(long ms)
{
    usleep((useconds_t)ms * 1000);
}

static char *read_all(FCGX_Stream *in, size_t *length)
{
    size_t room = 1 << 16;
    char *bytes = malloc(room);
    *length = 0;
    for (;;) {
        int count = FCGX_GetStr(bytes + *length, (int)(room - *length), in);
        if (count <= 0)
            return bytes;
        *length += (size_t)count;
        if (*length == room)
            bytes = realloc(bytes, room *= 2);
    }
}

static void show(FCGX_Stream *out, const char *text, size_t length)
{
    if (length <= SHOWN_MAX) {
        FCGX_PutStr(text, (int)length, out);
        return;
    }
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + (unsigned char)text[i];
    FCGX_FPrintF(out, "%lu bytes, checksum %lu", (unsigned long)length, (unsigned long)sum);
}

static int by_bytes(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void plain(FCGX_Request *request)
{
    FCGX_PutS("Content-Type: text/plain\r\n\r\n", request->out);
}

static void note_length(FCGX_Request *request, const char *name, const char *shown, size_t length)
{
    const char *announced = FCGX_GetParam(name, request->envp);
    if (announced && *announced && strtoul(announced, NULL, 10) != length)
        FCGX_FPrintF(request->out, "%s=%s\n", shown, announced);
}

static void echo(FCGX_Request *request)
{
    size_t length, count = 0;
    char *body = read_all(request->in, &length);
    char *shown[256];
    for (char **pair = request->envp; *pair && count < 256; pair++)
        if (!strncmp(*pair, "ECHO_", 5) || **pair == '=')
            shown[count++] = *pair;
    qsort(shown, count, sizeof *shown, by_bytes);
    plain(request);
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(shown[i], "=");
        show(request->out, shown[i], name);
        FCGX_PutS("=", request->out);
        show(request->out, shown[i] + name + 1, strlen(shown[i] + name + 1));
        FCGX_PutS("\n", request->out);
    }
    FCGX_FPrintF(request->out, "stdin=%lu\n", (unsigned long)length);
    note_length(request, "CONTENT_LENGTH", "content_length", length);
    FCGX_PutStr(body, (int)length, request->out);
    free(body);
}

static void filter(FCGX_Request *request)
{
    size_t stdin_length, data_length;
    char *body = read_all(request->in, &stdin_length);
    FCGX_StartFilterData(request->in);
    char *data = read_all(request->in, &data_length);
    plain(request);
    FCGX_FPrintF(request->out, "stdin=%lu\ndata=%lu\n", (unsigned long)stdin_length, (unsigned long)data_length);
    note_length(request, "CONTENT_LENGTH", "content_length", stdin_length);
    note_length(request, "FCGI_DATA_LENGTH", "fcgi_data_length", data_length);
    FCGX_PutStr(body, (int)stdin_length, request->out);
    FCGX_PutStr(data, (int)data_length, request->out);
    free(body);
    free(data);
}

static void authorize(FCGX_Request *request)
{
    const char *allow = FCGX_GetParam("ECHO_ALLOW", request->envp);
    if (allow && !strcmp(allow, "yes"))
        FCGX_PutS("Status: 200 OK\r\nVariable-ECHO_ALLOWED: yes\r\n\r\n", request->out);
    else
        FCGX_PutS("Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nforbidden\n", request->out);
}

static void big(FCGX_Request *request)
{
    plain(request);
    for (long i = 0, bytes = number(request, "bytes", 200000); i < bytes; i++)
        FCGX_PutChar('a' + (int)(i % 26), request->out);
}

static void stream(FCGX_Request *request)
{
    long count = number(request, "count", 3), ms = number(request, "ms", 10);
    plain(request);
    for (long part = 1; part <= count; part++) {
        FCGX_FPrintF(request->out, "part %ld\n", part);
        if (FCGX_FFlush(request->out) < 0)
            return;
        pause_ms(ms);
    }
}

static void discard(FCGX_Request *request)
{
    size_t length;
    free(read_all(request->in, &length));
}

static void respond(FCGX_Request *request)
{
    const char *script = FCGX_GetParam("SCRIPT_NAME", request->envp);
    script = script ? script : "";
    if (!strcmp(script, "/echo"))
        echo(request);
    else if (!strcmp(script, "/big"))
        big(request);
    else if (!strcmp(script, "/stream"))
        stream(request);
    else if (!strcmp(script, "/ignore-body")) {
        pause_ms(number(request, "ms", 0));
        plain(request);
        FCGX_PutS("ignored\n", request->out);
    } else if (!strcmp(script, "/slow")) {
        discard(request);
        pause_ms(number(request, "ms", 100));
        plain(request);
        FCGX_PutS("slow\n", request->out);
    } else if (!strcmp(script, "/early")) {
        FCGX_GetChar(request->in);
        plain(request);
        FCGX_PutS("early\n", request->out);
    } else if (!strcmp(script, "/stderr")) {
        FCGX_PutS("a problem\n", request->err);
        plain(request);
        FCGX_PutS("stderr\n", request->out);
    } else if (!strcmp(script, "/exit")) {
        plain(request);
        FCGX_PutS("exit\n", request->out);
        FCGX_SetExitStatus((int)number(request, "status", 3), request->out);
    } else if (strcmp(script, "/no-content")) {
        FCGX_PutS("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such handler\n", request->out);
    }
}

static void *serve(void *unused)
{
    FCGX_Request request;
    (void)unused;
    FCGX_InitRequest(&request, listener, 0);
    for (;;) {
        if (FCGX_Accept_r(&request) < 0)
            continue;
        switch (request.role) {
        case FCGI_AUTHORIZER:
            authorize(&request);
            break;
        case FCGI_FILTER:
            filter(&request);
            break;
        default:
            respond(&request);
        }
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    /* Without a port the listener is in descriptor 0, which the library uses by default. */
    listener = argc == 2 ? FCGX_OpenSocket(argv[1], 128) : 0;
    if (argc > 2 || FCGX_Init() != 0 || listener < 0 || (argc == 1 && FCGX_IsCGI())) {
        fprintf(stderr, "usage: handlers [:PORT]\n");
        return 1;
    }
    for (int i = 1; i < THREADS; i++)
        pthread_create(&thread, NULL, serve, NULL);
    serve(NULL);
    return 0;
}
