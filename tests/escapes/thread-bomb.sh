# A build starts threads without end: they count as processes do.
# inside: limit processes
# outside: never (inside it ends itself after 300 threads, should nothing else)
cat > threads.c <<'C'
#include <pthread.h>
#include <unistd.h>
static void *wait_long(void *nothing) { sleep(20); return nothing; }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 300; i++) pthread_create(&thread, 0, wait_long, 0);
    sleep(20);
}
C
gcc -pthread -o threads threads.c && ./threads
