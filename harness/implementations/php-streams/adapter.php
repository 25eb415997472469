<?php
// The adapter of ../ADAPTERS.md for PHP's streams: stream_socket_server, stream_socket_client and context options.
//
// Streams report an error as the kernel's text in a message, often without its number (bind: the number is 0). So the
// adapter finds the name by the text, which is that of glibc.
declare(strict_types=1);

const ERRORS = [
    'Operation not permitted' => 'EPERM',
    'Permission denied' => 'EACCES',
    'Invalid argument' => 'EINVAL',
    'Too many open files' => 'EMFILE',
    'Broken pipe' => 'EPIPE',
    'Destination address required' => 'EDESTADDRREQ',
    'Message too long' => 'EMSGSIZE',
    'Operation not supported' => 'EOPNOTSUPP',
    'Address family not supported by protocol' => 'EAFNOSUPPORT',
    'Address already in use' => 'EADDRINUSE',
    'Cannot assign requested address' => 'EADDRNOTAVAIL',
    'Network is down' => 'ENETDOWN',
    'Network is unreachable' => 'ENETUNREACH',
    'Software caused connection abort' => 'ECONNABORTED',
    'Connection reset by peer' => 'ECONNRESET',
    'Transport endpoint is not connected' => 'ENOTCONN',
    'Connection timed out' => 'ETIMEDOUT',
    'Connection refused' => 'ECONNREFUSED',
    'No route to host' => 'EHOSTUNREACH',
];
const DIAL_SECONDS = 5.0;

// Of PHP's pages: context.socket.php lists the options, UPGRADING of PHP 8.6 the new ones.
const NO_KEEPALIVE = PHP_VERSION_ID < 80600
    ? 'streams have no keepalive option before PHP 8.6 (context.socket.php)'
    : 'so_keepalive and tcp_keepidle of a stream context apply when the socket is opened, not later (UPGRADING of 8.6)';

$sockets = [];
$replaced = [];

function failed(string $message): array
{
    foreach (ERRORS as $text => $name) {
        if (str_contains($message, $text)) {
            return ['failed' => $name];
        }
    }
    return ['failed' => trim($message)];
}

/** The answer to a call whose warning is all that is known. */
function warned(string $call): array
{
    return failed(error_get_last()['message'] ?? "$call failed, and PHP says no reason");
}

function unsupported(string $reason): array
{
    return ['unsupported' => $reason];
}

/** The answer to a request that opens a socket. An earlier socket of the same name stays open. */
function opened(string $name, $socket): array
{
    global $sockets, $replaced;
    if (isset($sockets[$name])) {
        $replaced[] = $sockets[$name];
    }
    $sockets[$name] = $socket;
    return ['opened' => ['local' => stream_socket_get_name($socket, false)]];
}

function listen_tcp(array $request): array
{
    $options = ($request['balanced'] ?? false) ? ['socket' => ['so_reuseport' => true]] : [];
    $flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
    $context = stream_context_create($options);
    $socket = @stream_socket_server('tcp://' . $request['at'], $number, $message, $flags, $context);
    return $socket ? opened($request['socket'], $socket) : failed($message);
}

function bind_udp(array $request): array
{
    $socket = @stream_socket_server('udp://' . $request['at'], $number, $message, STREAM_SERVER_BIND);
    return $socket ? opened($request['socket'], $socket) : failed($message);
}

function dial(array $request): array
{
    $socket = @stream_socket_client('tcp://' . $request['to'], $number, $message, DIAL_SECONDS);
    return $socket ? opened($request['socket'], $socket) : failed($message);
}

function accept($listener, array $request): array|string
{
    $socket = @stream_socket_accept($listener, $request['within_ms'] / 1000);
    if ($socket) {
        return opened($request['into'], $socket);
    }
    // accept(2) has no ETIMEDOUT: this is PHP's own timeout.
    return str_contains(error_get_last()['message'] ?? '', 'timed out') ? 'nothing' : warned('stream_socket_accept');
}

function send_text($socket, array $request): array|string
{
    if (isset($request['to'])) {
        $sent = @stream_socket_sendto($socket, $request['text'], 0, $request['to']);
        return $sent === strlen($request['text']) ? 'ok' : warned('stream_socket_sendto');
    }
    return @fwrite($socket, $request['text']) === strlen($request['text']) ? 'ok' : warned('fwrite');
}

function receive($socket, array $request): array|string
{
    $read = [$socket];
    $none = null;
    $within = $request['within_ms'];
    if (!stream_select($read, $none, $none, intdiv($within, 1000), $within % 1000 * 1000)) {
        return 'nothing';
    }
    $datagrams = str_starts_with(stream_get_meta_data($socket)['stream_type'], 'udp');
    $text = $datagrams ? @stream_socket_recvfrom($socket, 65536) : @fread($socket, 65536);
    if ($text === false) {
        return warned($datagrams ? 'stream_socket_recvfrom' : 'fread');
    }
    return $text === '' && !$datagrams ? 'eof' : ['received' => $text];
}

function close_socket($socket, array $request): array|string
{
    global $sockets;
    unset($sockets[$request['socket']]);
    return fclose($socket) ? 'ok' : warned('fclose');
}

function answer(array|string $line): array|string
{
    global $sockets;
    [$name, $request] = is_array($line) ? [array_key_first($line), reset($line)] : [$line, []];
    switch ($name) {
        case 'hello':
            return ['hello' => ['protocol' => 2, 'name' => 'php-streams', 'version' => 'PHP ' . PHP_VERSION]];
        case 'listen-tcp':
            return listen_tcp($request);
        case 'bind-udp':
            return bind_udp($request);
        case 'join-multicast':
            return unsupported('streams have no function for multicast groups (ext/sockets has)');
        case 'dial':
            return dial($request);
    }
    $socket = $sockets[$request['socket'] ?? ''] ?? null;
    if ($socket === null && isset($request['socket'])) {
        return ['failed' => 'no socket has this name'];
    }
    return match ($name) {
        'accept' => accept($socket, $request),
        'keepalive', 'keepalive-period', 'keepalive-off' => unsupported(NO_KEEPALIVE),
        'send' => send_text($socket, $request),
        'receive' => receive($socket, $request),
        'close-socket' => close_socket($socket, $request),
        'options' => unsupported('streams have no function that reads options (ext/sockets has)'),
        default => unsupported("PHP's streams have no function for `$name`"),
    };
}

while (($line = fgets(STDIN)) !== false) {
    error_clear_last();
    try {
        $reply = answer(json_decode($line, true, 8, JSON_THROW_ON_ERROR));
    } catch (Throwable $error) {
        $reply = ['refused' => $error->getMessage()];
    }
    fwrite(STDOUT, json_encode($reply, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE));
    fwrite(STDOUT, "\n");
}
