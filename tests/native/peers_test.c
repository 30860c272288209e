/* Who we are connected to, and what addresses names have: also from several threads at once. */
#include "check.h"
#include "peers.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

static cog_address address_of(const char *text)
{
    cog_address address;

    CHECK(cog_address_read(text, &address));
    return address;
}

/* The test's own resolver: "4.N" and "6.N" have an address each, "both.N" two, "late" is late. */
int getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo *four = calloc(1, sizeof *four), *six = calloc(1, sizeof *six);
    struct sockaddr_in *its = calloc(1, sizeof *its);
    struct sockaddr_in6 *its6 = calloc(1, sizeof *its6);

    (void) service, (void) hints;
    CHECK(four && six && its && its6);
    its->sin_family = AF_INET;
    its->sin_addr.s_addr = htonl(0x7f000001);
    its6->sin6_family = AF_INET6;
    its6->sin6_addr = in6addr_loopback;
    four->ai_addr = (struct sockaddr *) its;
    six->ai_addr = (struct sockaddr *) its6;
    *found = NULL;
    if (!strcmp(node, "late"))
    {
        usleep(300 * 1000);
    }
    if (*node == '4' || *node == 'b' || *node == 'l')
    {
        *found = four;
    }
    if (*node == '6' || *node == 'b')
    {
        six->ai_next = *found;
        *found = six;
    }
    if (*found != four && six->ai_next != four)
    {
        free(four);
        free(its);
    }
    if (*found != six)
    {
        free(six);
        free(its6);
    }
    return *found ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    struct addrinfo *next;

    for (; list; list = next)
    {
        next = list->ai_next;
        free(list->ai_addr);
        free(list);
    }
}

static void peers(void)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
    socklen_t length = sizeof here;
    cog_address local = address_of("127.0.0.1"), other = address_of("127.0.0.2");
    int listener = socket(AF_INET, SOCK_STREAM, 0), connection = socket(AF_INET, SOCK_STREAM, 0);
    unsigned port;

    CHECK(!bind(listener, (struct sockaddr *) &here, sizeof here) && !listen(listener, 1));
    CHECK(!getsockname(listener, (struct sockaddr *) &here, &length));
    port = ntohs(here.sin_port);
    CHECK(!cog_is_peer(&local, port));      /* one that listens is no peer */
    CHECK(!connect(connection, (struct sockaddr *) &here, sizeof here));
    CHECK(cog_is_peer(&local, port));
    CHECK(!cog_is_peer(&local, port ^ 1));
    CHECK(!cog_is_peer(&other, port));
    close(connection);
    CHECK(!cog_is_peer(&local, port));
    close(listener);
}

static void names(void)
{
    cog_address four = address_of("127.0.0.1"), six = address_of("::1");

    CHECK(cog_name_families("4.a", 10000) == 1);
    CHECK(cog_name_families("6.a", 10000) == 2);
    CHECK(cog_name_families("both.a", 10000) == 3);
    CHECK(cog_name_families("none.a", 10000) == 0);
    CHECK(cog_name_has("4.a", &four, 0) && !cog_name_has("4.a", &six, 0));
    CHECK(cog_name_has("both.a", &four, 0) && cog_name_has("both.a", &six, 0));
    CHECK(!cog_name_has("late", &four, 0));
    CHECK(!cog_name_has("late", &four, 10));
    CHECK(cog_name_has("late", &four, 10000));
}

static void *ask_many(void *arg)
{
    uint32_t state = *(uint32_t *) arg;
    cog_address four = address_of("127.0.0.1");
    char name[32];
    int i;

    for (i = 0; i < 1500; i++)
    {
        /* more than are remembered */
        snprintf(name, sizeof name, "4.%u", chance(&state, 600));
        CHECK(cog_name_has(name, &four, 10000));
        CHECK(cog_name_families(name, 10000) == 1);
    }
    return NULL;
}

static void together(void)
{
    static uint32_t seeds[] = { 1, 22, 333 };
    pthread_t threads[3];
    int i;

    for (i = 0; i < 3; i++)
    {
        CHECK(!pthread_create(&threads[i], NULL, ask_many, &seeds[i]));
    }
    for (i = 0; i < 3; i++)
    {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    peers();
    names();
    together();
    puts("peers and names: passed");
    return 0;
}
