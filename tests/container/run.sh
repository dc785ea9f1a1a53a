#!/usr/bin/env bash
# Builds the image and runs compose.yaml as somebody does who has just cloned this, and holds both to what README says.
# Needs docker (with compose), git and curl; leaves nothing behind. Every line that it prints was measured.
#
# --short   builds once, with the cache; without it the image is built twice from nothing, and must be the same.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
short=false
[ "${1:-}" != --short ] || short=true

work=$(mktemp -d "${TMPDIR:-/tmp}/container.XXXXXX")
export COMPOSE_PROJECT_NAME="container-test-$$" SERVICE_PUBLISHED_PORT=0 SERVICE_PROXY_PORT=0
export EVENTS_PROJECT=$COMPOSE_PROJECT_NAME-events
export SERVICE_IMAGE=$COMPOSE_PROJECT_NAME PROXY_IMAGE=$COMPOSE_PROJECT_NAME-proxy
load=$COMPOSE_PROJECT_NAME-load

finish() {
  local status=$?
  if [ $status -ne 0 ]; then
    [ ! -s "$work/log" ] || tail -30 "$work/log"
    compose ps -a || true
    compose logs --tail 15 || true
    echo "FAILED after $SECONDS s"
  fi
  docker rm -f "$load" >"$work/log" 2>&1 || true
  compose down -v --timeout 5 >"$work/log" 2>&1 || true
  for name in orders mailer; do joined $name down -v --timeout 5 >"$work/log" 2>&1 || true; done
  docker compose -p "$EVENTS_PROJECT" down -v --timeout 5 >"$work/log" 2>&1 || true
  docker image rm "$SERVICE_IMAGE" "$SERVICE_IMAGE-again" "$SERVICE_IMAGE-mailer" "$PROXY_IMAGE" >"$work/log" 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

compose() { docker compose --profile proxy "$@"; }
joined() { # joined NAME COMMAND...: a project of its own, on the Redis of EVENTS_PROJECT
  NAME=$1 docker compose -p "$COMPOSE_PROJECT_NAME-$1" -f compose.yaml -f deploy/compose.joined.yaml -f "$work/name.yaml" "${@:2}"
}
say() { printf '%4s s  %s\n' "$SECONDS" "$*"; }
die() { say "$*" && exit 1; }
quiet() { timeout 240 "$@" >"$work/log" 2>&1 || die "failed: $*"; }
until_true() { # until_true SECONDS WHAT COMMAND...
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >"$work/log" 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "not in time: $what"
    sleep 0.3
  done
}
healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$1")" = healthy ]; }
address() { compose port "$@" | sed 's/^0\.0\.0\.0/127.0.0.1/'; }
redis() { compose exec -T redis sh -c 'REDISCLI_AUTH=$(cat /secrets/redis-password) exec redis-cli "$@"' sh "$@"; }
sql() { compose exec -T postgres psql -h 127.0.0.1 -U service -d service -Atc "$1"; }

# What git knows, and nothing of what lies beside it.
mkdir "$work/clone"
git -C "$root" ls-files -z | tar -C "$root" --null -T - -c | tar -C "$work/clone" -x
cd "$work/clone"

# ---- the image
if $short; then
  quiet docker build -t "$SERVICE_IMAGE" .
else
  quiet docker build --no-cache -t "$SERVICE_IMAGE" .
  quiet docker build --no-cache -t "$SERVICE_IMAGE-again" --build-arg REVISION=another .
  layers() { docker image inspect -f '{{json .RootFS.Layers}}' "$1"; }
  [ "$(layers "$SERVICE_IMAGE")" = "$(layers "$SERVICE_IMAGE-again")" ] || die 'two builds gave different layers'
  say 'two builds without a cache have the same layers'
fi
bun_image=$(sed -n 's/^ARG BUN_IMAGE=//p' Dockerfile)
bytes=$(docker image inspect -f '{{.Size}}' "$SERVICE_IMAGE")
bun_bytes=$(docker run --rm "$bun_image" sh -c 'stat -Lc %s "$(command -v bun)"')
beside=$(((bytes - bun_bytes) / 1000000))
say "image: $((bytes / 1000000)) MB, Bun and $beside MB"
[ "$beside" -lt 30 ] || die 'more than Bun and 30 MB'
! docker run --rm --entrypoint sh "$SERVICE_IMAGE" -c true >"$work/log" 2>&1 || die 'there is a shell in the image'
say "no shell in it; user $(docker image inspect -f '{{.Config.User}}' "$SERVICE_IMAGE")"

# ---- compose up, and README's requests
quiet docker compose --profile proxy build proxy
begun=$(date +%s%N)
quiet docker compose up -d --wait
say "compose up: healthy after $((($(date +%s%N) - begun) / 1000000)) ms, everything built"

password=$(docker compose exec -T app /service users create --email admin@example.com --role admin |
  sed -n 's/.*password //p')
[ -n "$password" ] || die 'no admin was made'
app=$(address app 8000)
requests=$(awk '/^```sh request$/ { inside = 1; next } /^```$/ && inside { inside = 0; print "echo; echo \"--- next ---\"" } inside' README.md)
answers=$(PASSWORD=$password bash -euc "${requests//localhost:8000/$app}")
answer() { awk -v n="$1" '/^--- next ---$/ { at++ ; next } at == n - 1' <<<"$answers"; }
expected=('{"message":"Hello from my service!"}' '"token_type":"Bearer"' '"first_name":"John"' '"action":"user.created"' \
  'http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/users",http_response_status_code="201"} 1')
for n in 1 2 3 4 5; do
  answer $n | grep -qF -- "${expected[n - 1]}" || die "request $n of README: $(answer $n)"
done
say "README's five requests are answered on $app"
log_in() { curl -s "$1/api/auth/login" -H 'content-type: application/json' -d "{\"email\":\"admin@example.com\",\"password\":\"$password\"}"; }
token=$(log_in "$app" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# ---- three replicas
quiet docker compose --profile proxy up -d --wait --no-recreate --scale app=3
mapfile -t replicas < <(compose ps -q app)
[ ${#replicas[@]} -eq 3 ] || die "${#replicas[@]} replicas"
script="for i = 1, 5 do
  local id = 'r' .. redis.call('INCR', 'container-test')
  redis.call('XADD', 'events:{request}', '*', 'specversion', '1.0', 'id', id, 'source', 'container-test', 'type', 'request.created',
    'time', '2026-01-01T00:00:00Z', 'datacontenttype', 'application/json', 'dataversion', '1', 'data',
    '{\"request_id\":\"' .. id .. '\",\"applicant_id\":5,\"category\":\"plumbing\",\"description\":\"\",\"address\":\"Here\",' ..
    '\"priority\":\"normal\",\"created_at\":\"2026-01-01T00:00:00Z\"}')
end"
redis -r 60 -i 0.02 EVAL "$script" 0 >"$work/log"
notified() { [ "$(redis XLEN 'events:{notification}')" = 300 ]; }
until_true 30 '300 events handled' notified
groups=$(redis XINFO GROUPS 'events:{request}' | grep -c '^name$' || true)
shares=()
for n in 1 2 3; do
  shares+=("$(curl -s "$(address --index $n app 8000)/metrics" |
    awk '/^messaging_client_consumed_messages_total.*subscription="notify-dispatcher"/ { sum += $2 } END { print sum + 0 }')")
done
say "300 events in $groups consumer group: ${shares[*]} by replica"
[ "$groups" = 1 ] && [ "$((shares[0] + shares[1] + shares[2]))" = 300 ] || die 'each exactly once, in one group'
for share in "${shares[@]}"; do [ "$share" -gt 0 ] || die 'a replica had nothing to do'; done

# ---- a rolling restart under load, through the proxy
docker run -d --name "$load" --network "${COMPOSE_PROJECT_NAME}_default" -e TARGET=http://proxy:8080 -e TOKEN="$token" \
  -v "$PWD/tests/container/load.ts:/load.ts:ro" "$bun_image" bun /load.ts >"$work/log"
for replica in "${replicas[@]}"; do
  stopping=$(date +%s%N)
  docker stop "$replica" >"$work/log"
  stopped="$((($(date +%s%N) - stopping) / 1000000)) ms"
  code=$(docker inspect -f '{{.State.ExitCode}}' "$replica")
  say "SIGTERM: drained in $stopped, exit code $code"
  [ "$code" = 0 ] || die 'not drained'
  docker logs --tail 5 "$replica" 2>&1 | grep -q '"msg":"stopped"' || die 'it did not say that it stopped'
  docker start "$replica" >"$work/log"
  until_true 40 'healthy again' healthy "$replica"
done
docker stop -t 15 "$load" >"$work/log"
say "rolling restart under load: $(docker logs "$load" 2>&1)"
[ "$(docker inspect -f '{{.State.ExitCode}}' "$load")" = 0 ] || die 'a request failed'

docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' $(compose ps -q) |
  sed "s/^$COMPOSE_PROJECT_NAME-//" | sort | while read -r line; do say "memory: $line"; done

# ---- data outlive the containers
kept() { echo "$(sql 'select count(*) from users') users, $(redis XLEN 'events:{notification}') notifications"; }
before=$(kept)
quiet docker compose --profile proxy down
quiet docker compose up -d --wait
after=$(kept)
[ "$before" = "$after" ] || die "before down: $before; after up: $after"
log_in "$(address app 8000)" | grep -q access_token || die 'nobody can log in after down and up'
say "down and up: $after, as before, and the admin logs in"
quiet docker compose --profile proxy down -v

# ---- the same file as a stack of Swarm, as far as that can be said without one
stack() {
  docker compose -p service -f compose.yaml -f deploy/swarm/compose.yaml config | sed -Ef deploy/swarm/stack.sed |
    docker stack config -c - 2>"$work/log"
}
services=$(stack | sed -n '/^services:/,/^[a-z]/s/^  \([a-z]*\):$/\1/p' | sort | paste -sd' ')
say "docker stack takes it: $services"
[ "$services" = 'app migrate postgres redis secrets' ] || die 'not the services of a stack'

# ---- two services as two projects: `mailer` is the same service with another consumer
cat >"$work/name.yaml" <<'END'
services: { app: { environment: { SERVICE_SERVICE_NAME: "${NAME}" } } }
END
cp -r . "$work/mailer"
cat >"$work/mailer/src/consumers.ts" <<'END'
import type { Events } from '@kiln/shared'
import { NotificationSend } from '@kiln/shared/contracts/notification'
import { UserCreated } from '@kiln/shared/contracts/user'

export function declareConsumers(events: Pick<Events, 'publish' | 'subscribe'>): void {
  events.subscribe(UserCreated, { name: 'welcome', from: 'beginning' }, async ({ id, data: { user_id } }) => {
    const mail = { notification_id: id, user_id, channel: 'email', template: 'welcome', parameters: {} } as const
    await events.publish(NotificationSend, mail, { id: `${id}.welcome` })
  })
}
END
quiet docker build -t "$SERVICE_IMAGE-mailer" "$work/mailer"
quiet docker compose -p "$EVENTS_PROJECT" up -d --wait redis
joined_up() { joined "$1" up -d --wait >"$work/log" 2>&1 || die "not up: $1"; }
joined_up orders
SERVICE_IMAGE=$SERVICE_IMAGE-mailer joined_up mailer
joined orders exec -T app /service users create --email admin@example.com --role admin >"$work/log"
mailed() {
  docker compose -p "$EVENTS_PROJECT" exec -T redis sh -c \
    'REDISCLI_AUTH=$(cat /secrets/redis-password) exec redis-cli XRANGE "events:{notification}" - +' | grep -qx mailer
}
until_true 30 'an event of orders handled by mailer' mailed
users_of() { joined "$1" exec -T postgres psql -h 127.0.0.1 -U service -d service -Atc 'select count(*) from users'; }
people="$(users_of orders) user in orders, $(users_of mailer) in mailer"
say "two projects on one Redis: mailer handled the event of orders; $people"
[ "$people" = '1 user in orders, 0 in mailer' ] || die 'not a database each'
say 'everything held'
