#!/bin/sh
# Part of make bench: a hunt's results against nginx, which sends the same bytes as a static file; the list of devices;
# polls beside ingest. Everything in a database of its own: 50,000 devices, 200 with AnyDesk, 5 with RemotePC.
set -eu
. tests/bench/server.sh
ulimit -n 8192
CERT=DeviceFileCertificateInfo
MIXED_ROUNDS=6 MIXED_ROWS=$((ROWS < 500000 ? ROWS / 2 : 250000)) # a round
POLLED=/v1/hunts/remotepc-file-signature/results LISTED='/v1/devices?tool=AnyDesk&limit=100' POLL_SECONDS=$((ROWS < 500000 ? 1 : 2)) LIMIT_MS=20

serving_data() {
  awk 'BEGIN { for (i = 0; i < 50000; i++) {
    signer = i % 250 == 7 ? "philandro Software GmbH" : i % 10000 == 3 ? "IDrive, Inc." : "Maker " i % 500
    printf "{\"category\":\"AdvancedHunting-DeviceFileCertificateInfo\",\"properties\":{\"DeviceId\":\"device%05d\",\"DeviceName\":\"host%05d.example\",\"ReportId\":%d,\"SHA1\":\"%040x\",\"IsSigned\":true,\"Signer\":\"%s\",\"Timestamp\":\"2026-07-18T%02d:%02d:00Z\"}}\n", i, i, i, i, signer, i % 24, i % 60 } }' > "$DIR/serving.ndjson"
  $BIN/send "$URL/v1/events" "$DIR/serving.ndjson" $SENDERS >&2
  for tool in AnyDesk RemotePC; do
    curl -sf -H 'Prefer: wait=60' "$URL/v1/runs" -d "{\"tool\":\"$tool\",\"as_of\":\"2026-07-20T00:00:00Z\"}" > /dev/null
  done
  sql -c "VACUUM (ANALYZE)"
  found=$(curl -sf "$URL/v1/devices?tool=AnyDesk&limit=1000" | grep -o '"device_id"' | wc -l)
  [ "$found" = 200 ] || { say "$found devices with AnyDesk instead of 200: no figure"; exit 1; }
}
peer_start() { # nginx on the first free port from 18100
  mkdir -p "$DIR/www"
  curl -sf "$URL$POLLED" > "$DIR/www/results.json"
  port=18100
  while :; do
    cat > "$DIR/nginx.conf" <<END
worker_processes auto; worker_rlimit_nofile 8192; daemon on; pid $DIR/nginx.pid; error_log $DIR/nginx.log;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; types { application/json json; }
  client_body_temp_path $DIR/www/a; proxy_temp_path $DIR/www/b; fastcgi_temp_path $DIR/www/c;
  uwsgi_temp_path $DIR/www/d; scgi_temp_path $DIR/www/e;
  server { listen 127.0.0.1:$port backlog=4096; root $DIR/www; }
}
END
    if nginx -c "$DIR/nginx.conf" 2>> "$DIR/nginx.out"; then break; fi
    port=$((port + 1)); [ $port -lt 18200 ] || { cat "$DIR/nginx.out" >&2; exit 1; }
  done
  PEER=http://127.0.0.1:$port/results.json
  curl -sf "$PEER" | cmp - "$DIR/www/results.json"
}
peer_stop() { kill "$(cat "$DIR/nginx.pid")"; }
etag() { curl -sfI "$1" | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p'; }

# Answers that failed or were cut are no figure.
wrk_read() { # FILE NAME: requests/s of wrk's report to the file
  ! grep -E 'Non-2xx|Socket errors' "$DIR/wrk" >&2 || { say "$2: no figure"; exit 1; }
  sed -n 's/^Requests.sec: *//p' "$DIR/wrk" >> "$1"
}
polls() { # FILE CONNECTIONS URL [HEADER]: requests/s to the file
  wrk -t2 -c"$2" -d${POLL_SECONDS}s --timeout 10s ${4:+-H} ${4:+"$4"} "$3" > "$DIR/wrk"
  wrk_read "$1" "$3 at $2 connections"
}
race() { # NAME CONNECTIONS [with]: with: clients that have the answer and get 304
  round=0 mine='' theirs=''
  if [ "${3:-}" ]; then mine="If-None-Match: $(etag "$URL$POLLED")" theirs="If-None-Match: $(etag "$PEER")"; fi
  while [ $round -lt $ROUNDS ]; do
    if [ $((round % 2)) = 0 ]; then polls "$DIR/$1.ours" "$2" "$URL$POLLED" "$mine"; fi
    polls "$DIR/$1.peer" "$2" "$PEER" "$theirs"
    if [ $((round % 2)) = 1 ]; then polls "$DIR/$1.ours" "$2" "$URL$POLLED" "$mine"; fi
    round=$((round + 1))
  done
  say "$1: ours $(paste -sd ' ' "$DIR/$1.ours"), nginx $(paste -sd ' ' "$DIR/$1.peer")"
  figure "$1" "$(median < "$DIR/$1.ours")" "$(median < "$DIR/$1.peer")" "nginx, the same bytes as a static file" requests/s "$2 keep-alive connections, $(wc -c < "$DIR/www/results.json") bytes"
}
devices() {
  wrk -t2 -c4 -d10s --timeout 10s --latency "$URL$LISTED" > "$DIR/wrk"
  wrk_read "$DIR/devices" serve.devices
  most=$(awk '/^ *99%/ { ms = $2 + 0; print($2 ~ /us$/ ? ms / 1000 : $2 ~ /ms$/ ? ms : ms * 1000) }' "$DIR/wrk")
  figure serve.devices "$most" $LIMIT_MS "the limit" ms "99th percentile of a page of 100 of 200 devices among 50,000; 4 connections, $(cat "$DIR/devices") requests/s"
}
# The same records' kind each time, new ones; in turns alone and beside each other.
mixed_post() { # FILE: rows/s to the file
  $BIN/send "$URL/v1/events" "$DIR/$CERT.$round.ndjson" $SENDERS > "$DIR/sent"
  awk '{ printf "%.0f\n", $2 / $1 }' "$DIR/sent" >> "$1"
}
mixed() {
  fill_all $CERT $((MIXED_ROWS * MIXED_ROUNDS)) $MIXED_ROUNDS "$DIR"
  round=0
  while [ $round -lt $MIXED_ROUNDS ]; do
    if [ $((round % 2)) = 0 ]; then
      polls "$DIR/polls.alone" 16 "$URL$POLLED"
      mixed_post "$DIR/ingest.alone"
    else
      wrk -t2 -c16 -d600s --timeout 10s "$URL$POLLED" > "$DIR/wrk" & HELPER=$!
      mixed_post "$DIR/ingest.mixed"
      kill -INT $HELPER; wait $HELPER; HELPER=
      wrk_read "$DIR/polls.mixed" "polls beside ingest"
    fi
    rm -f "$DIR/$CERT.$round".*
    round=$((round + 1))
  done
  figure mixed.poll "$(median < "$DIR/polls.mixed")" "$(median < "$DIR/polls.alone")" "polls alone" requests/s "16 connections, while 4 senders post certificates as fast as they can"
  figure mixed.ingest "$(median < "$DIR/ingest.mixed")" "$(median < "$DIR/ingest.alone")" "ingest alone" rows/s "4 senders, while 16 connections poll as fast as they can"
}

serve "$DIR/serving"
serving_data
peer_start
race serve.results.200 16
race serve.results.304 16 with
race serve.results.c64 64
race serve.results.c512 512
race serve.results.c1000 1000
peer_stop
devices
mixed
stop
