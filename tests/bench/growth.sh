#!/bin/sh
# Part of make bench: how figures change with rows, schedules, devices with findings and hunts, in a database of their own.
# Each point's records come from another seed of the estate and hold nothing of RemotePC but the first one's.
set -eu
. tests/bench/server.sh
HUNTS="100 1000 5000" SCHEDULES="10 100 1000" SCHEDULE_SECONDS=31 FOUND="500 5000 50000" # a slot each 30 s
case $SIZE in
tiny) POINTS="10000 20000 50000" HUNTS="100 200 300" SCHEDULES="10 20" FOUND="100 1000" ;;
small) POINTS="100000 300000 1000000" ;;
medium) POINTS="1000000 2000000 5000000" ;;
full) POINTS="1000000 5000000 20000000" ;;
esac
serve "$DIR/growing"
failed=0
POINTS=$POINTS HUNTS=$HUNTS SCHEDULES=$SCHEDULES SCHEDULE_SECONDS=$SCHEDULE_SECONDS FOUND=$FOUND \
  node tests/bench/growth.mjs "$URL" "$DIR" $SERVER "$DATA/run" || failed=1
rm -f "$DIR"/duckdb.growth*
stop
exit $failed
