#!/bin/sh
# whydrift in its image: the kernels compiled there go to where the container may write, since numba
# takes none from a folder that is read-only.
set -eu
if [ ! -e "$NUMBA_CACHE_DIR" ]; then
  # Without them whydrift compiles; where it cannot keep what it compiled, it says so itself.
  cp -R "${WHYDRIFT_KERNELS:-/opt/whydrift/kernels}" "$NUMBA_CACHE_DIR" 2>/dev/null || true
fi
exec whydrift "$@"
