# A build leaves processes that left its session, ignore signals and were orphaned twice.
# inside: nothing left
# outside: never (it would stay)
for name in one two; do
    setsid sh -c 'trap "" TERM HUP INT; (trap "" TERM HUP; setsid sleep @SECONDS@) & sleep @SECONDS@' >/dev/null 2>&1 </dev/null &
done
sleep 0.3; exit 0
