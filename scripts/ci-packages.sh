#!/usr/bin/env bash
# Installs by apt what the checks need and this machine lacks: a C compiler with its headers, strace, a browser,
# cross compilers for the package's addons, an emulator of arm64, a second kernel with a file system to give it, tools for other file systems, and for booting other kernels, an XML parser, what a FUSE file system is built with,
# Chrome's viewer of traces, which comes with Go's sources.
set -euo pipefail
missing=()
command -v cc >/dev/null 2>&1 || missing+=(gcc)
[ -e /usr/include/linux/aio_abi.h ] || missing+=(libc6-dev linux-libc-dev)
command -v strace >/dev/null 2>&1 || missing+=(strace)
command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1 || missing+=(chromium)
command -v linux.uml >/dev/null 2>&1 || missing+=(user-mode-linux)
[ -e /usr/sbin/mkfs.ext4 ] || [ -e /sbin/mkfs.ext4 ] || missing+=(e2fsprogs)
[ -e /usr/sbin/mkfs.xfs ] || [ -e /sbin/mkfs.xfs ] || missing+=(xfsprogs)
[ -e /usr/sbin/mkfs.btrfs ] || [ -e /sbin/mkfs.btrfs ] || missing+=(btrfs-progs)
command -v bindfs >/dev/null 2>&1 || missing+=(bindfs)
command -v cpio >/dev/null 2>&1 || missing+=(cpio)
[ -e /usr/sbin/depmod ] || [ -e /sbin/depmod ] || missing+=(kmod)
command -v xz >/dev/null 2>&1 || missing+=(xz-utils)
command -v zstd >/dev/null 2>&1 || missing+=(zstd)
command -v xmllint >/dev/null 2>&1 || missing+=(libxml2-utils)
command -v pkg-config >/dev/null 2>&1 || missing+=(pkg-config)
pkg-config --exists fuse3 2>/dev/null || missing+=(libfuse3-dev)
command -v fusermount3 >/dev/null 2>&1 || missing+=(fuse3)
command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 || missing+=(gcc-aarch64-linux-gnu)
# Only recommended by that one.
[ -e /usr/aarch64-linux-gnu/include/stdio.h ] || missing+=(libc6-dev-arm64-cross)
command -v qemu-aarch64 >/dev/null 2>&1 || missing+=(qemu-user)
[ -e /usr/lib/x86_64-linux-musl/libc.so ] || missing+=(musl-dev:amd64)
[ -e /usr/lib/aarch64-linux-musl/libc.so ] || missing+=(musl-dev:arm64)
compgen -G '/usr/share/go-*/src/cmd/trace/static/trace_viewer_full.html' >/dev/null || missing+=(golang-src)
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null 2>&1 || { echo "missing and no apt-get to install: ${missing[*]}" >&2; exit 1; }
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
case " ${missing[*]} " in *:arm64*) "${sudo[@]}" dpkg --add-architecture arm64 ;; esac
"${sudo[@]}" apt-get update -q
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
