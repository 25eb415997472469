#!/bin/sh
# Builds CACHE/adapter from the folder and the newest libuv: `sh build.sh CC CARGO CACHE [FLAG…]`.
#
# The sources come from the crate libuv-sys2, whose checksum Cargo.lock holds. Its own build is not used, because it
# generates bindings with libclang. The program is static, so that it also runs in a guest without libraries. For an
# older libuv, compile the adapter's files with `pkg-config --cflags --libs libuv jansson`.
set -eu
cc=$1 cargo=$2 cache=$3
shift 3
vendor=$cache/vendor
trap 'rm -rf "$vendor"' EXIT
"$cargo" vendor --quiet --locked --manifest-path Cargo.toml "$vendor" >/dev/null
libuv=$vendor/libuv-sys2/libuv

# The lists for Linux in libuv's CMakeLists.txt.
common="fs-poll idna inet random strscpy strtok thread-common threadpool timer uv-common uv-data-getter-setters version"
unix="async core dl fs getaddrinfo getnameinfo linux loop loop-watcher pipe poll process procfs-exepath proctitle \
  random-devurandom random-getrandom random-sysctl-linux signal stream tcp thread tty udp"
sources=
for name in $common; do sources="$sources $libuv/src/$name.c"; done
for name in $unix; do sources="$sources $libuv/src/unix/$name.c"; done

# The linker's warning about getaddrinfo in static programs does not apply: the adapter resolves no names.
# shellcheck disable=SC2086
"$cc" -std=gnu11 -O1 -fno-strict-aliasing -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE \
  -I "$libuv/include" -I "$libuv/src" -static "$@" -o "$cache/adapter" \
  -Wall adapter.c keepalive.c sockets.c $sources -ljansson -lpthread -ldl -lrt
