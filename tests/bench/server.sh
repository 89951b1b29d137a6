# For the measuring scripts: a folder DIR that goes at the end, and servers with databases of their own in it.
# shellcheck shell=sh disable=SC2034
say() { echo "bench: $*" >&2; }

DIR=$(mktemp -d "${TMPDIR:-/tmp}/rmmhunt-bench.XXXXXX")
SERVER=
finish() {
  code=$?
  trap - EXIT INT TERM
  if [ -n "$SERVER" ] && ! kill "$SERVER" 2>/dev/null; then
    status=0; wait "$SERVER" || status=$?
    say "the server had ended with status $status"
  elif [ -n "$SERVER" ]; then
    wait "$SERVER" || true
  fi
  if [ $code -ne 0 ] && [ -f "$DIR/server.log" ]; then tail -n 20 "$DIR/server.log" >&2; fi
  [ ! -f "$DIR/nginx.pid" ] || kill "$(cat "$DIR/nginx.pid")" 2>/dev/null || true
  rm -rf "$DIR"
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM
chmod 711 "$DIR" # PostgreSQL's user must get to the data folder

serve() { # FOLDER: SERVER and URL of a server with its own database
  DATA=$1
  RMMHUNT_LISTEN=127.0.0.1:0 RMMHUNT_DATA="$DATA" RMMHUNT_RETENTION=${RETENTION:-3650d} RMMHUNT_LOG_LEVEL=warn DATABASE_URL= \
    RMMHUNT_MAX_PER_ADDRESS=0 RMMHUNT_MAX_CONNECTIONS=2000 \
    build/rmmhunt serve > "$DIR/ready.out" 2> "$DIR/server.log" &
  SERVER=$!
  tries=0
  until URL=$(sed -n 's/^listening on //p;1q' "$DIR/ready.out") && [ -n "$URL" ]; do
    kill -0 $SERVER || { say "the server ended"; exit 1; }
    tries=$((tries + 1)); [ $tries -lt 600 ] || { say "the server doesn't get ready"; exit 1; }
    sleep 0.1
  done
}
sql() { psql -XAtq -v ON_ERROR_STOP=1 -h "$DATA/run" -U rmmhunt -d rmmhunt "$@"; }
