# A source tarball of a few kilobytes that is 150 MB once it is unpacked.
# inside: limit file size, disk space
# outside: never (it would fill the host's disk)
mkdir bomb && for i in 1 2 3 4 5 6 7 8; do truncate -s 19000000 bomb/$i; done
tar -czf bomb_1.tar.gz --hard-dereference bomb && rm -r bomb
printf 'Format: 1.0\nSource: bomb\nVersion: 1\nMaintainer: Nobody <nobody@example.org>\n' > bomb_1.dsc
sum=$(md5sum < bomb_1.tar.gz | cut -d' ' -f1); size=$(stat -c %s bomb_1.tar.gz)
printf 'Files:\n %s %s bomb_1.tar.gz\n' "$sum" "$size" >> bomb_1.dsc
dpkg-source --no-check -x bomb_1.dsc made && sleep 20
