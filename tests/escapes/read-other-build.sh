# A build tries to read the files of another one.
# inside: refused
# outside: works
cat '@OTHER@/secret' || ls '@OTHER@'
