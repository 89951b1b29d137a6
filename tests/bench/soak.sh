#!/bin/sh
# make soak: a steady load for MINUTES (30) minutes while partitions come and go: one JSON line an INTERVAL on stdout, a
# verdict at the end; exit 1 when something stalled. RATE rows/s (3000); a day of event time takes DAY_SECONDS (60);
# days that are KEEP_DAYS (7) old go.
set -eu
MINUTES=${MINUTES:-30} RATE=${RATE:-3000} DAY_SECONDS=${DAY_SECONDS:-60} KEEP_DAYS=${KEEP_DAYS:-7}
. tests/bench/server.sh
make --no-print-directory -s $BIN/fill >&2
for table in DeviceFileCertificateInfo DeviceProcessEvents DeviceNetworkEvents; do
  fill_all $table 10000 1 "$DIR"
  rm -f "$DIR/$table.0.tsv" "$DIR/$table.0.wide"
done
RETENTION=1h
serve "$DIR/data"
MINUTES=$MINUTES RATE=$RATE DAY_SECONDS=$DAY_SECONDS KEEP_DAYS=$KEEP_DAYS INTERVAL=${INTERVAL:-$((MINUTES < 10 ? 10 : 30))} \
  node tests/bench/soak.mjs "$URL" "$DIR" $SERVER
