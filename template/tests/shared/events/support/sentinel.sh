#!/bin/sh
# A sentinel keeps what it learns in a configuration file, which must be its first argument; here, in its own folder.
: >sentinel.conf
exec "$(command -v redis-server || command -v valkey-server)" "$PWD/sentinel.conf" "$@"
