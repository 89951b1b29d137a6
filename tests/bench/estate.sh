#!/bin/sh
# Part of make bench: ingest, storage and decoding of the estate (ONLY=ingest), and hunts over it (ONLY=hunts). The three
# hunted tables are loaded once, for both.
set -eu
. tests/bench/server.sh
CERT=DeviceFileCertificateInfo PROCESS=DeviceProcessEvents NETWORK=DeviceNetworkEvents
WIDE="COPY of parsed rows, wide table without index" STORAGE_ROWS=500000
VARIANT_ROWS=$((ROWS < 1000000 ? ROWS / 2 : 500000)) # of a table, for what is no table of its own

dictionaries() { sql -c "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'dict'::regnamespace AND relkind = 'r'"; }
stored() { case $1 in $CERT) echo device_file_certificate_info ;; $PROCESS) echo device_process_events ;; *) echo device_network_events ;; esac; }

post() { # FILE SENDERS RECORDS RATES: rows/s to the file of rates
  $BIN/send "$URL/v1/events" "$DIR/$1" "$2" "$3" > "$DIR/sent"
  awk '{ printf "%.0f\n", $2 / $1; if ($5) exit 1 }' "$DIR/sent" >> "$DIR/$4"
  say "$1, bodies of $3: $(tail -n 1 "$DIR/$4") rows/s (seconds received stored duplicate rejected resent: $(cat "$DIR/sent"))"
}
copy() { # TABLE FILE: the same of the peer, to TABLE.peer
  # psql prints the time of the statement itself, in ms
  printf '\\timing on\n\\copy bench."%s" from %s\n' "$1" "'$DIR/$2'" | sql > "$DIR/copied"
  sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$DIR/copied" | awk -v n="$(wc -l < "$DIR/$2")" '{ printf "%.0f\n", n / $1 * 1000 }' >> "$DIR/$1.peer"
  say "$2: COPY $(tail -n 1 "$DIR/$1.peer") rows/s"
}
turns() { # ROUND ONE OTHER: both, whose turn is first changes
  if [ $(($1 % 2)) = 0 ]; then $2; $3; else $3; $2; fi
}

# Small bodies beside the peer, and more repeats beside none, in a database of their own: hunts see nothing of it.
small_post() { post $CERT.$round.ndjson 16 100 small; }
small_copy() { copy $CERT $CERT.$round.wide; }
none_post() { post none/$CERT.$round.ndjson $SENDERS 1000 none.ours; }
five_post() { post five/$CERT.$round.ndjson $SENDERS 1000 five.ours; }
variants() {
  mkdir "$DIR/none" "$DIR/five"
  fill_all $CERT $VARIANT_ROWS $ROUNDS "$DIR"
  fill_all $CERT $VARIANT_ROWS $ROUNDS "$DIR/none" 0
  fill_all $CERT $VARIANT_ROWS $ROUNDS "$DIR/five" 5
  sql -f "$DIR/$CERT.sql" >&2
  round=0
  while [ $round -lt $ROUNDS ]; do
    turns $round small_post small_copy
    turns $round none_post five_post
    round=$((round + 1))
  done
  figure ingest.http.small "$(median < "$DIR/small")" "$(median < "$DIR/$CERT.peer")" "$WIDE" rows/s "certificates, bodies of 100, 16 senders"
  figure ingest.repeats "$(median < "$DIR/five.ours")" "$(median < "$DIR/none.ours")" "the same without repeats" rows/s "certificates, 5 of 100 records come twice, bodies of 1,000, 4 senders"
  rm -r "$DIR/$CERT".* "$DIR/none" "$DIR/five"
}

hostile_post() { post $CERT.$round.ndjson $SENDERS 1000 $CERT.ours; }
hostile() { # no record repeats a device, a signer or a file
  fill_all $CERT $VARIANT_ROWS $ROUNDS "$DIR" 0 hostile
  sql -f "$DIR/$CERT.sql" >&2
  round=0
  while [ $round -lt $ROUNDS ]; do
    turns $round hostile_post small_copy
    round=$((round + 1))
  done
  figure ingest.hostile "$(median < "$DIR/$CERT.ours")" "$(median < "$DIR/$CERT.peer")" "$WIDE" rows/s "certificates of which none repeats a device, a signer or a file; $(peak) MB peak resident set of the server after $VARIANT_ROWS of them"
  rm "$DIR/$CERT".*
}

fill_start() { # TABLE: has fill write a round each time that fill_next is called
  mkfifo "$DIR/orders" "$DIR/filled"
  $BIN/fill "$1" $ROWS $ROUNDS "$DIR" < "$DIR/orders" > "$DIR/filled" & HELPER=$!
  exec 3> "$DIR/orders" 4< "$DIR/filled"
  rm "$DIR/orders" "$DIR/filled"
}
fill_next() { echo >&3; read -r made <&4 || { say "fill ended"; exit 1; }; }
fill_end() { exec 3>&- 4<&-; wait $HELPER; HELPER=; }

table_post() { post "$table.$round.ndjson" $SENDERS 1000 "$table.ours"; }
table_copy() { [ "$ONLY" = hunts ] || copy "$table" "$table.$round.wide"; }
load() { # TABLE: all rounds, ours and the peer's
  table=$1 round=0 before=$(dictionaries)
  fill_start "$table"
  while [ $round -lt $ROUNDS ]; do
    fill_next
    [ $round -gt 0 ] || sql -f "$DIR/$table.sql" >&2
    turns $round table_post table_copy
    [ "$table" != $PROCESS ] || [ $round -gt 0 ] || head -c 67108864 "$DIR/$table.0.ndjson" > "$DIR/decode.ndjson"
    rm -f "$DIR/$table.$round.ndjson" "$DIR/$table.$round.wide"
    round=$((round + 1))
  done
  fill_end
}
compact() { # as the service does within the hour in which a day came to rest
  stop; COMPACT=1 serve "$DIR/data"
  until curl -sf "$URL/metrics" > "$DIR/metrics" && grep -q '^rmmhunt_compact_turns_total [1-9]' "$DIR/metrics"; do
    ! grep -q '^rmmhunt_compact_failures_total [1-9]' "$DIR/metrics" || { say "indexes can't be built anew"; exit 1; }
    sleep 0.2
  done
  built=$(awk '$1 == "rmmhunt_compacted_indexes_total" { n = $2 } $1 == "rmmhunt_compacted_milliseconds_total" { t = $2 }
    $1 == "rmmhunt_compacted_bytes_total" { b = $2 } END { printf "%d indexes built anew in %.1f s, %.1f MB smaller", n, t / 1000, b / 1e6 }' "$DIR/metrics")
  say "$built"
  stop; serve "$DIR/data"
}
sizes() { # TABLE EVENTS: ours and the peer's
  sql -v wide="$1" -v stored="$(stored "$1")" -v events="$2" -v rows=$STORAGE_ROWS -v dict=$(($(dictionaries) - before)) -F ' ' -f tests/bench/storage.sql
}
compared() { # TABLE NAME: stored rows are compared, then figures are made
  mine=$(sql -c "SELECT count(*) FROM data.$(stored "$1")")
  # No two records of the estate share time, device and report that are not the same.
  theirs=$(sql -c "SELECT count(DISTINCT hashtextextended(concat_ws('|', \"Timestamp\", \"DeviceId\", \"ReportId\"), 0)) FROM bench.\"$1\"")
  [ "$mine" = "$theirs" ] || { say "$1: $mine rows stored, $theirs distinct ones sent: no figure"; exit 1; }
  received=$(sql -c "SELECT count(*) FROM bench.\"$1\"")
  figure "ingest.http.$2" "$(median < "$DIR/$1.ours")" "$(median < "$DIR/$1.peer")" "$WIDE" rows/s "$received records in $ROUNDS rounds, bodies of 1,000, 4 senders; $mine events after deduplication, as many as distinct ones came"
  say "$1: sizes"
  open=$(sizes "$1" "$mine")
  compact
  sizes=$(sizes "$1" "$mine")
  figure "storage.$2" "${sizes% *}" "${sizes#* }" "wide table, same unique index" bytes/event "with all our indexes and what the dictionaries grew by; days at rest: $built, before it ${open% *}; the peer's from at most $STORAGE_ROWS of the records"
}
measured() { # TABLE NAME
  load "$1"
  [ "$ONLY" = hunts ] || compared "$1" "$2"
  sql -c "DROP TABLE bench.\"$1\""
}

# A fresh server with a fresh PostgreSQL, and a fresh process of DuckDB, each round; see cold.mjs.
cold() {
  for round in 1 2 3 4 5; do
    stop; serve "$DIR/data"
    node tests/bench/cold.mjs "$URL" "$DIR" >> "$DIR/cold"
    say "cold: $(tail -n 1 "$DIR/cold") ms"
  done
  figure hunt.remotepc.cold "$(cut -d ' ' -f 1 "$DIR/cold" | median)" "$(cut -d ' ' -f 2 "$DIR/cold" | median)" "DuckDB, a fresh process" ms "first answer of POST /v1/query after a restart of the server and its PostgreSQL; page cache dropped on both sides"
}

if [ "$ONLY" != hunts ]; then
  serve "$DIR/variants"; variants; stop
  serve "$DIR/hostile"; hostile; stop
fi
serve "$DIR/data"
measured $CERT certificate
measured $PROCESS process
measured $NETWORK network
sql -c "DROP SCHEMA bench"
if [ "$ONLY" != hunts ]; then
  rates=$($BIN/decode "$DIR/decode.ndjson")
  figure decode.process "${rates% *}" "${rates#* }" "jansson json_loadb" MB/s "strict decode into columns; jansson makes its tree only"
fi
failed=0
if [ "$ONLY" != ingest ]; then
  say "VACUUM, then DuckDB's tables"
  sql -c "VACUUM (ANALYZE)"
  node tests/bench/hunts.mjs "$URL" "$DIR" || failed=1
  cold
fi
rm -f "$DIR"/*.tsv "$DIR"/decode.ndjson "$DIR"/duckdb.file
stop
exit $failed
