# A build tries to read the builder's cache and the signer's directory.
# inside: refused
# outside: works
ls '@CACHE@' && ls '@SIGNER@'
