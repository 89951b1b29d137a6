#!/bin/sh
# make bench: one JSON line a figure on stdout, progress on stderr. SIZE=small (200,000 rows a hunted table, 8 minutes at
# most), medium (1,000,000) or full (5,000,000; 45 minutes at most); tiny says whether the bench itself works.
# ONLY=serve|ingest|hunts|growth measures that part alone. A part that fails doesn't stop the next ones; the status is 1 then.
# Everything goes into one folder below TMPDIR, removed at the end; the peers' packages go into build/bench.
set -eu
SIZE=${SIZE:-small} ONLY=${ONLY:-} SENDERS=4
case $SIZE in
tiny) ROWS=10000 ROUNDS=3 GIGABYTES=2 ;;
small) ROWS=200000 ROUNDS=5 GIGABYTES=8 ;;
medium) ROWS=1000000 ROUNDS=5 GIGABYTES=20 ;;
full) ROWS=5000000 ROUNDS=5 GIGABYTES=60 ;;
*) echo "bench: SIZE is tiny, small, medium or full" >&2; exit 2 ;;
esac
case $ONLY in '' | serve | ingest | hunts | growth) ;; *) echo "bench: ONLY is serve, ingest, hunts or growth" >&2; exit 2 ;; esac

. tests/bench/server.sh
free=$(df -Pk "$DIR" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge $GIGABYTES ] || { say "SIZE=$SIZE needs $GIGABYTES GB below $DIR, where $free are free: set TMPDIR or a smaller SIZE"; exit 1; }
if ! command -v npm >/dev/null || ! command -v psql >/dev/null || ! command -v nginx >/dev/null || ! command -v wrk >/dev/null; then
  say "installing npm, psql, nginx and wrk"
  apt-get install -y -qq --no-install-recommends nodejs npm postgresql-client nginx-light wrk >&2
fi
[ -d build/bench/node_modules/@duckdb/node-api ] || npm install --prefix build/bench --no-save --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >&2
make --no-print-directory -s $BIN/fill $BIN/send $BIN/decode >&2

export SIZE ONLY SENDERS ROWS ROUNDS PEAKS="$DIR/peaks"
failed=0
part() { # SCRIPT NAME…: unless others are asked for
  script=$1; shift
  for name; do
    [ -z "$ONLY" ] || [ "$ONLY" = "$name" ] || continue
    say "$script"
    TMPDIR=$DIR KEEP=yes sh tests/bench/"$script" || { failed=1; say "$script failed"; }
    break
  done
}
part serve.sh serve
part estate.sh ingest hunts
part growth.sh growth
[ ! -s "$PEAKS" ] || figure memory.server "$(sort -n "$PEAKS" | tail -n 1)" 256 "the limit" MB "peak resident set of the server, the largest of $(wc -l < "$PEAKS") started"
exit $failed
