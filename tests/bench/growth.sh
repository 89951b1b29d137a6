# Growth, sourced by run.sh: how figures change with rows, hunts, schedules and devices with findings, in a database of
# their own. Each point's records come from another seed of the estate and hold nothing of RemotePC but the first one's.
case $SIZE in
tiny) POINTS="10000 20000 50000" HUNTS="200 300" SCHEDULES="10" FOUND="100 1000" ;;
small) POINTS="200000 500000 1000000" HUNTS="200 1000 5000" SCHEDULES="10 100 1000" FOUND="500 5000 50000" ;;
medium) POINTS="1000000 2000000 5000000" HUNTS="200 1000 5000" SCHEDULES="10 100 1000" FOUND="500 5000 50000" ;;
full) POINTS="1000000 5000000 20000000" HUNTS="200 1000 5000" SCHEDULES="10 100 1000" FOUND="500 5000 50000" ;;
esac
mkdir "$DIR/growing"
serve "$DIR/growth"
POINTS=$POINTS HUNTS=$HUNTS SCHEDULES=$SCHEDULES FOUND=$FOUND node tests/bench/growth.mjs "$URL" "$DIR/growing" $SERVER "$DATA/run" || failed=1
kill $SERVER; wait $SERVER; SERVER=
