#!/bin/sh
# drop_caches.sh FOLDER: its files are read from the disk next time: the whole page cache where that is allowed, else
# theirs (posix_fadvise, through dd).
sync
if [ -w /proc/sys/vm/drop_caches ]; then echo 3 > /proc/sys/vm/drop_caches && exit 0; fi
find "$1" -type f -readable -exec dd if={} iflag=nocache count=0 status=none \;
