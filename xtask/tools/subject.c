/* What the benchmark of `berth-init` runs below each init: next to nothing, so that what is measured is the init.
 *
 *     subject end                 end at once
 *     subject rest                say that it runs, then wait
 *     subject role                be ready, as a role's program says it, then wait
 *     subject term                wait for TERM, say when it came and when it ends
 *     subject orphans COUNT       make orphans that end at once, say so, then wait
 *
 * Times are nanoseconds of the clock that does not jump (CLOCK_MONOTONIC, clock_gettime(2)).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ORPHANS_A_PARENT = 10 };

static volatile long long caught;

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void catch(int number)
{
	(void)number;
	caught = now();
}

static void say(const char *word)
{
	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		_exit(1);
}

/* TERM is blocked but while this waits for it, or one that comes early would be missed. */
static int term(void)
{
	struct sigaction action = { .sa_handler = catch };
	sigset_t blocked, waiting;
	char line[64];

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigdelset(&waiting, SIGTERM);
	sigaction(SIGTERM, &action, NULL);
	say("running\n");
	while (!caught)
		sigsuspend(&waiting);
	snprintf(line, sizeof line, "%lld %lld\n", caught, now());
	say(line);
	_exit(0);
}

/* A parent of a few ends before them or at the same time: either way the init has to take their statuses. */
static void orphans(long count)
{
	for (; count > 0; count -= ORPHANS_A_PARENT) {
		pid_t parent = fork();
		if (parent < 0)
			exit(1);
		if (parent == 0) {
			for (int child = 0; child < ORPHANS_A_PARENT; child++)
				if (fork() == 0)
					_exit(0);
			_exit(0);
		}
		waitpid(parent, NULL, 0);
	}
}

int main(int count, char **words)
{
	const char *mode = count > 1 ? words[1] : "";

	if (!strcmp(mode, "end"))
		_exit(0);
	if (!strcmp(mode, "term"))
		return term();
	if (!strcmp(mode, "orphans") && count > 2)
		orphans(atol(words[2]));
	if (!strcmp(mode, "role")) {
		/* As Node's process.send('ready') writes it: a line of JSON on the channel. */
		const char *channel = getenv("NODE_CHANNEL_FD");
		if (channel == NULL || write(atoi(channel), "\"ready\"\n", 8) != 8)
			return 1;
	}
	say("running\n");
	pause();
	return 0;
}
