# For the measuring scripts: a folder DIR that goes at the end, servers with databases of their own in it, figures.
# KEEP=yes: DIR stays, for the script that started this one (ext4 makes files slowly for minutes after many went).
# shellcheck shell=sh disable=SC2034
BIN=build/tests/bench
STARTED=${STARTED:-$(date +%s)}; export STARTED
say() { echo "bench: $(($(date +%s) - STARTED)) s: $*" >&2; }

DIR=$(mktemp -d "${TMPDIR:-/tmp}/rmmhunt-bench.XXXXXX")
SERVER='' HELPER=''
finish() {
  code=$?
  trap - EXIT INT TERM
  [ -z "$HELPER" ] || kill "$HELPER" 2>/dev/null || true
  if [ -n "$SERVER" ] && ! kill "$SERVER" 2>/dev/null; then
    status=0; wait "$SERVER" || status=$?
    say "the server had ended with status $status"
  elif [ -n "$SERVER" ]; then
    wait "$SERVER" || true
  fi
  if [ $code -ne 0 ] && [ -f "$DIR/server.log" ]; then tail -n 20 "$DIR/server.log" >&2; fi
  [ ! -f "$DIR/nginx.pid" ] || kill "$(cat "$DIR/nginx.pid")" 2>/dev/null || true
  [ -n "${KEEP:-}" ] || rm -rf "$DIR"
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM HUP PIPE
chmod 711 "$DIR" # PostgreSQL's user must get to the data folder

serve() { # FOLDER: SERVER and URL of a server with its own database
  DATA=$1
  rm -f "$DIR/ready.out"
  RMMHUNT_LISTEN=127.0.0.1:0 RMMHUNT_DATA="$DATA" RMMHUNT_RETENTION=${RETENTION:-3650d} RMMHUNT_COMPACT_SECONDS=${COMPACT:-0} RMMHUNT_LOG_LEVEL=warn DATABASE_URL= \
    RMMHUNT_MAX_PER_ADDRESS=0 RMMHUNT_MAX_CONNECTIONS=2000 \
    build/rmmhunt serve > "$DIR/ready.out" 2> "$DIR/server.log" &
  SERVER=$!
  tries=0
  until [ -f "$DIR/ready.out" ] && URL=$(sed -n 's/^listening on //p;1q' "$DIR/ready.out") && [ -n "$URL" ]; do
    kill -0 $SERVER || { say "the server ended"; exit 1; }
    tries=$((tries + 1)); [ $tries -lt 600 ] || { say "the server doesn't get ready"; exit 1; }
    sleep 0.1
  done
}
peak() { awk '/^VmHWM/ { printf "%.1f\n", $2 / 1024 }' "/proc/$SERVER/status"; } # MB of the server so far
stop() {
  peak >> "${PEAKS:-/dev/null}"
  kill "$SERVER"; wait "$SERVER"; SERVER=
}
sql() { psql -XAtq -v ON_ERROR_STOP=1 -h "$DATA/run" -U rmmhunt -d rmmhunt "$@"; }
fill_all() { yes | $BIN/fill "$@" > /dev/null; } # see fill.c

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
figure() { # NAME OURS PEER PEER_NAME UNIT NOTE: more a second is better, of anything else less
  awk -v name="$1" -v ours="$2" -v peer="$3" -v peer_name="$4" -v unit="$5" -v note="$6" \
    'function print_number(x) { return sprintf(x >= 1000 ? "%d" : "%.2f", x) }
     BEGIN { printf "{\"name\":\"%s\",\"ours\":%s,\"peer\":%s,\"peer_name\":\"%s\",\"ratio\":%.2f,\"unit\":\"%s\",\"note\":\"%s\"}\n",
       name, print_number(ours), print_number(peer), peer_name, unit ~ /\/s$/ ? ours / peer : peer / ours, unit, note }'
}
