#include <stdio.h>

int main(void) {
    puts("Hello from a build that anybody can repeat.");
    return 0;
}
