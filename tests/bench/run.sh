#!/bin/sh
# make bench: one JSON line a figure on stdout, progress on stderr. SIZE=small (200,000 rows a hunted table, a few
# minutes), SIZE=medium (1,000,000) or SIZE=full (5,000,000; about 60 GB below TMPDIR).
# Everything it makes goes into one folder, removed at the end; the peers' packages go into build/bench.
set -eu
SIZE=${SIZE:-small} SENDERS=4
case $SIZE in
tiny) ROWS=10000 ROUNDS=3 ;; # does the bench itself work?
small) ROWS=200000 ROUNDS=5 ;;
medium) ROWS=1000000 ROUNDS=5 ;;
full) ROWS=5000000 ROUNDS=10 ;;
*) echo "SIZE is small, medium or full" >&2; exit 2 ;;
esac
BIN=build/tests/bench
CERT=DeviceFileCertificateInfo PROCESS=DeviceProcessEvents NETWORK=DeviceNetworkEvents

. tests/bench/server.sh
make --no-print-directory -s $BIN/fill $BIN/send $BIN/decode
if ! command -v npm >/dev/null || ! command -v psql >/dev/null; then
  say "npm and psql are needed"; apt-get install -y -qq --no-install-recommends nodejs npm postgresql-client >&2
fi
[ -d build/bench/node_modules/@duckdb/node-api ] || npm install --prefix build/bench --no-save --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >&2

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
dictionaries() { sql -c "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'dict'::regnamespace AND relkind = 'r'"; }
stored() { case $1 in $CERT) echo device_file_certificate_info ;; $PROCESS) echo device_process_events ;; *) echo device_network_events ;; esac; }

post() { # TABLE ROUND: rows/s to the file of ours
  $BIN/send "$URL/v1/events" "$DIR/$1.$2.ndjson" $SENDERS > "$DIR/sent"
  awk '{ printf "%.0f\n", $2 / $1; if ($5) exit 1 }' "$DIR/sent" >> "$DIR/$1.ours"
  say "$1 round $2: seconds received stored duplicate rejected resent: $(cat "$DIR/sent")"
}
copy() { # TABLE ROUND: the same of the peer
  records=$(wc -l < "$DIR/$1.$2.tsv")
  # psql prints the time of the statement itself, in ms
  printf '\\timing on\n\\copy bench."%s" from %s\n' "$1" "'$DIR/$1.$2.wide'" | sql > "$DIR/copied"
  sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$DIR/copied" | awk -v n="$records" '{ printf "%.0f\n", n / $1 * 1000 }' >> "$DIR/$1.peer"
  say "$1 round $2: COPY $(tail -n 1 "$DIR/$1.peer") rows/s"
}
ingest() { # TABLE NAME: all rounds, whose turn is first changes; then the stored rows are compared
  round=0 before=$(dictionaries)
  while [ $round -lt $ROUNDS ]; do
    $BIN/fill "$1" $ROWS $round $ROUNDS "$DIR"
    [ $round -gt 0 ] || sql -f "$DIR/$1.sql" >&2
    if [ $((round % 2)) = 0 ]; then post "$1" $round; copy "$1" $round; else copy "$1" $round; post "$1" $round; fi
    [ "$1" != $PROCESS ] || [ $round -gt 0 ] || mv "$DIR/$1.0.ndjson" "$DIR/decode.ndjson"
    rm -f "$DIR/$1.$round.ndjson" "$DIR/$1.$round.wide"
    round=$((round + 1))
  done
  mine=$(sql -c "SELECT count(*) FROM data.$(stored "$1")")
  theirs=$(sql -c "SELECT count(*) FROM (SELECT DISTINCT * FROM bench.\"$1\") x")
  received=$(sql -c "SELECT count(*) FROM bench.\"$1\"")
  [ "$mine" = "$theirs" ] || { say "$1: $mine rows stored, $theirs distinct ones sent: no figure"; exit 1; }
  awk -v name="$2" -v ours="$(median < "$DIR/$1.ours")" -v peer="$(median < "$DIR/$1.peer")" -v mine="$mine" -v received="$received" \
    -v rounds=$ROUNDS 'BEGIN { printf "{\"name\":\"%s\",\"ours\":%d,\"peer\":%d,\"peer_name\":\"COPY of parsed rows, wide table without index\",\"ratio\":%.2f,\"unit\":\"rows/s\",\"note\":\"%d records in %d rounds, bodies of 1,000, 4 senders; %d events after deduplication, as many as distinct rows of the peer\"}\n", name, ours, peer, ours / peer, received, rounds, mine }'
  sizes=$(sql -v wide="$1" -v stored="$(stored "$1")" -v dict=$(($(dictionaries) - before)) -F ' ' -f tests/bench/storage.sql)
  echo "$sizes" | awk -v name="storage.${2##*.}" '{ printf "{\"name\":\"%s\",\"ours\":%.1f,\"peer\":%.1f,\"peer_name\":\"wide table, same unique index\",\"ratio\":%.2f,\"unit\":\"bytes/event\",\"note\":\"with all our indexes and what the dictionaries grew by\"}\n", name, $1, $2, $2 / $1 }'
  sql -c "DROP TABLE bench.\"$1\""
}

# Small bodies beside the peer, and more repeats beside none, in a database of their own: hunts see nothing of it.
rate() { $BIN/send "$URL/v1/events" "$DIR/$1" $2 $3 | awk '{ printf "%.0f\n", $2 / $1; if ($5) exit 1 }'; }
variants() {
  mkdir "$DIR/none" "$DIR/five"
  round=0
  while [ $round -lt $ROUNDS ]; do
    $BIN/fill $CERT $ROWS $round $ROUNDS "$DIR"
    $BIN/fill $CERT $ROWS $round $ROUNDS "$DIR/none" 0
    $BIN/fill $CERT $ROWS $round $ROUNDS "$DIR/five" 5
    [ $round -gt 0 ] || sql -f "$DIR/$CERT.sql" >&2
    rate $CERT.$round.ndjson 16 100 >> "$DIR/small"
    copy $CERT $round
    rate none/$CERT.$round.ndjson $SENDERS 1000 >> "$DIR/none.ours"
    rate five/$CERT.$round.ndjson $SENDERS 1000 >> "$DIR/five.ours"
    say "round $round: bodies of 100 $(tail -n 1 "$DIR/small"), no repeats $(tail -n 1 "$DIR/none.ours"), 5 % $(tail -n 1 "$DIR/five.ours") rows/s"
    rm -f "$DIR/$CERT".*.ndjson "$DIR/$CERT".*.wide "$DIR/$CERT".*.tsv "$DIR"/none/* "$DIR"/five/*
    round=$((round + 1))
  done
  figure ingest.http.small "$(median < "$DIR/small")" "$(median < "$DIR/$CERT.peer")" "COPY of parsed rows, wide table without index" "certificates, bodies of 100, 16 senders"
  figure ingest.repeats "$(median < "$DIR/five.ours")" "$(median < "$DIR/none.ours")" "the same without repeats" "certificates, 5 of 100 records come twice, bodies of 1,000, 4 senders"
  rm "$DIR/$CERT.peer"
}
figure() { # NAME OURS PEER PEER_NAME NOTE
  awk -v name="$1" -v ours="$2" -v peer="$3" -v peer_name="$4" -v note="$5" \
    'BEGIN { printf "{\"name\":\"%s\",\"ours\":%d,\"peer\":%d,\"peer_name\":\"%s\",\"ratio\":%.2f,\"unit\":\"rows/s\",\"note\":\"%s\"}\n", name, ours, peer, peer_name, ours / peer, note }'
}

serve "$DIR/variants"
variants
kill $SERVER; wait $SERVER; SERVER= # its files stay to the end: ext4 makes new ones slowly for minutes after many went
serve "$DIR/data"

ingest $CERT ingest.http.certificate
ingest $PROCESS ingest.http.process
ingest $NETWORK ingest.http.network
sql -c "DROP SCHEMA bench"
sql -c "VACUUM (ANALYZE)"

$BIN/decode "$DIR/decode.ndjson" | awk '{ printf "{\"name\":\"decode.process\",\"ours\":%.1f,\"peer\":%.1f,\"peer_name\":\"jansson json_loadb\",\"ratio\":%.2f,\"unit\":\"MB/s\",\"note\":\"strict decode into columns; jansson makes its tree only\"}\n", $1, $2, $1 / $2 }'
failed=0
node tests/bench/hunts.mjs "$URL" "$DIR" || failed=1
awk '/^VmHWM/ { printf "{\"name\":\"memory.server\",\"ours\":%.1f,\"peer\":256,\"peer_name\":\"the limit\",\"ratio\":%.2f,\"unit\":\"MB\",\"note\":\"peak resident set of the server over all of the above\"}\n", $2 / 1024, 256 / ($2 / 1024) }' /proc/$SERVER/status
kill $SERVER; wait $SERVER; SERVER=
. tests/bench/growth.sh
exit $failed
