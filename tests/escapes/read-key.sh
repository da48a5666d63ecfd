# A build tries to read a key.
# inside: refused
# outside: works
cat '@KEY@'
