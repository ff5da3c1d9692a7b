/* trovectl_main.c - the program trovectl. */
#include "dataplane/trovectl.h"

int main(int argc, char **argv)
{
    return trovectl_run(argc, argv, stdout, stderr);
}
