#!/bin/sh
# Reads the secrets that deploy/keys.py made, then becomes the program: they stand in no image and no container's configuration.
set -eu
for file in /keys/*/*.env; do
    [ -r "$file" ] || continue
    set -a
    . "$file"
    set +a
done
exec "$@"
