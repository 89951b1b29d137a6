#!/bin/sh
# Writes C with the bytes of the given files, in the given order: struct embedded_file embedded_files[], see base/embed.h.
set -eu
printf '#include "base/embed.h"\n'
n=0
for file in "$@"; do
  n=$((n + 1))
  printf 'static const unsigned char file_%d[] = {' "$n"
  od -An -v -tu1 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
  printf '0};\n'
done
printf 'const struct embedded_file embedded_files[] = {\n'
n=0
for file in "$@"; do
  n=$((n + 1))
  printf '    {"%s", file_%d, sizeof file_%d - 1},\n' "$file" "$n" "$n"
done
printf '    {0}};\n'
