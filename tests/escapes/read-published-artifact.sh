# A build tries to read the published artifact.
# inside: refused
# outside: works
cat '@PUBLISHED@'
