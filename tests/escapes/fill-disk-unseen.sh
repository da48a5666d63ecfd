# A build fills the disk where nobody looks: in a directory that is closed, below a path that is long.
# inside: limit disk space
# outside: never (it would fill the host's)
perl -e 'for (1..40) { $name = "d" x 200; mkdir $name; chdir $name }
for $part (1..6) { open(F, ">", "part-$part"); print F "x" x 15000000; close F } sleep 20'
