<?php
// The handlers of ../HANDLERS.md for PHP. SCRIPT_FILENAME is this file for all of them; SCRIPT_NAME selects the
// handler.
//
// PHP reads CONTENT_LENGTH bytes of the body, always sets appStatus to 0 and ignores the role. The time limits of
// scripts are switched off, because the end of the case ends them.

set_time_limit(0);
ignore_user_abort(false);
header_remove('X-Powered-By');
header('Content-Type: text/plain');

function number(string $name, int $otherwise): int
{
    parse_str($_SERVER['QUERY_STRING'] ?? '', $query);
    return preg_match('/^[0-9]+$/', $query[$name] ?? '') ? (int) $query[$name] : $otherwise;
}

function pause(int $otherwise): void
{
    usleep(1000 * number('ms', $otherwise));
}

function show(string $text): string
{
    if (strlen($text) <= 64) {
        return $text;
    }
    $sum = 0;
    foreach (str_split($text) as $letter) {
        $sum = ($sum * 31 + ord($letter)) % 4294967296;
    }
    return strlen($text) . " bytes, checksum $sum";
}

function say_echo(): void
{
    $body = file_get_contents('php://input');
    $lines = [];
    foreach ($_SERVER as $name => $value) {
        $name = (string) $name;
        if ($name === '' || str_starts_with($name, 'ECHO_')) {
            $lines[$name] = show($name) . '=' . show($value) . "\n";
        }
    }
    ksort($lines, SORT_STRING);
    echo implode('', $lines), 'stdin=', strlen($body), "\n";
    $announced = $_SERVER['CONTENT_LENGTH'] ?? '';
    if (preg_match('/^[0-9]+$/', $announced) && (int) $announced !== strlen($body)) {
        echo "content_length=$announced\n";
    }
    echo $body;
}

switch ($_SERVER['SCRIPT_NAME'] ?? '') {
    case '/echo':
        say_echo();
        break;
    case '/ignore-body':
        pause(0);
        echo "ignored\n";
        break;
    case '/slow':
        file_get_contents('php://input');
        pause(100);
        echo "slow\n";
        break;
    case '/early':
        fread(fopen('php://input', 'r'), 1);
        echo "early\n";
        break;
    case '/stream':
        for ($part = 1; $part <= number('count', 3); $part++) {
            echo "part $part\n";
            flush();
            pause(10);
        }
        break;
    case '/big':
        $alphabet = str_repeat('abcdefghijklmnopqrstuvwxyz', 2520);
        for ($left = number('bytes', 200000); $left > 0; $left -= strlen($alphabet)) {
            echo substr($alphabet, 0, $left);
        }
        break;
    case '/no-content':
        break;
    default:
        http_response_code(404);
        echo "no such handler\n";
}
