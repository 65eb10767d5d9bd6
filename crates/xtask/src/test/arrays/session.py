"""Statements through the program `sheaf`, many in one process."""

import collections
import os
import subprocess

# What stands before each answer.
MARK = "@@ "
# Statements of one process.
BATCH = 120
# Seconds that a batch may take.
TIME_MAX = 120
# After so many failures in a group the rest of it is left out.
FAILURES_MAX = 10


class Statement:
    """A statement, and its answer: lines of tab-separated values, the first of which are names."""

    def __init__(self, group, sql):
        self.group, self.sql = group, sql
        self.rows, self.error = None, None


def run(sheaf, directory, statements):
    """Fills in the answers. A script stops at its first error; the next begins behind it."""
    failures = collections.Counter()
    while statements:
        batch, statements = statements[:BATCH], statements[BATCH:]
        while batch := wanted(batch, failures):
            done = run_batch(sheaf, directory, batch)
            if done < len(batch):
                failures[batch[done].group] += 1
            batch = batch[done + 1:]


def wanted(batch, failures):
    """The statements of groups that have not failed too often."""
    for statement in batch:
        if failures[statement.group] >= FAILURES_MAX:
            statement.error = f"not run after {FAILURES_MAX} failures of its kind"
    return [statement for statement in batch if not statement.error]


def run_batch(sheaf, directory, batch):
    """Runs statements up to the first error; how many have gone well."""
    script = directory / "script.sql"
    lines = [f"SELECT '{MARK}{number}' AS mark;\n{s.sql};" for number, s in enumerate(batch)]
    script.write_text("\n".join(lines) + f"\nSELECT '{MARK}{len(batch)}' AS mark;\n")
    environment = dict(os.environ, SHEAF_THREADS="2")
    try:
        ended = subprocess.run([sheaf, "--format=tsv", "-f", script], env=environment, capture_output=True,
                               text=True, timeout=TIME_MAX, stdin=subprocess.DEVNULL)
        output, errors, code = ended.stdout, ended.stderr, ended.returncode
    except subprocess.TimeoutExpired as expired:
        output, errors, code = (expired.stdout or b"").decode(), f"no answer within {TIME_MAX} s", None
    last = -1
    answer = []
    for line in output.splitlines():
        if line.startswith(MARK):
            if last >= 0:
                # The header of the mark was read as a last line.
                batch[last].rows = answer[:-1]
            last, answer = int(line[len(MARK):]), []
        else:
            answer.append(line)
    if last == len(batch):
        return last
    last = max(last, 0)
    text = " ".join(line.strip() for line in errors.splitlines()[:4]) or f"the program ended with {code}"
    batch[last].error = text if code == 1 else f"exit code {code}: {text}"
    return last
