#!/usr/bin/env python3
"""Measures the service beside pgbench and \\copy in one run on one machine and writes docs/BENCHMARKS.md.

Called by `make bench` (scripts/bench.sh prepares the database, the demo regency and the service). Ratios count;
absolute numbers depend on the machine.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

BASE = os.environ["BENCH_BASE"]
URL = os.environ["DATABASE_URL"]
PID = os.environ["BENCH_PID"]
PGBENCH = os.environ["BENCH_PGBENCH"]
SECONDS = int(os.environ.get("BENCH_SECONDS", "10"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CONNECTIONS = 16


def sql(text):
    return [word for line in sql_lines(text) for word in line.split()]


def sql_lines(text):
    out = subprocess.run(["psql", URL, "-XAtc", text], check=True, capture_output=True, text=True)
    return out.stdout.splitlines()


def token(name="coordinator", password="entas-demo"):
    form = urllib.parse.urlencode({"grant_type": "password", "username": name, "password": password, "client_id": "bench"}).encode()
    with urllib.request.urlopen(BASE + "/oauth/token", form) as answer:
        return json.load(answer)["access_token"]


def memory(field):
    with open(f"/proc/{PID}/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    raise SystemExit(f"no {field} for process {PID}")


def ours(path):
    """Requests a second, median and 99th percentile in ms; any answer but 200 ends the run."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"Authorization: Bearer {token()}", BASE + path]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"{path}: errors under load\n{out}")

    def ms(label):
        number, unit = re.search(rf"{label}%\s+([\d.]+)(us|ms|s)\b", out).groups()
        return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), ms("50"), ms("99")


def theirs(script, variables):
    command = [PGBENCH, "-n", "-M", "prepared", f"-c{CONNECTIONS}", "-j2", f"-T{SECONDS}", "-f", script]
    for name, value in variables.items():
        command += ["-D", f"{name}={value}"]
    out = subprocess.run(command + [URL], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"tps = ([\d.]+)", out).group(1))


def reads():
    ids = sql("SELECT id FROM beneficiaries WHERE region_code LIKE '62.02%' ORDER BY md5(id::text) LIMIT 10")
    villages = sql(
        "SELECT region_code FROM beneficiaries WHERE region_code LIKE '62.02%' GROUP BY 1 HAVING count(*) >= 60 ORDER BY md5(region_code) LIMIT 10"
    )
    rows = []
    for name, script, path, picks, key, limit in [
        ("`GET /beneficiaries/{id}`", "benches/one.sql", "/api/v1/beneficiaries/{}", ids, "id", 1),
        ("`GET /beneficiaries?region=…&limit=50`", "benches/page.sql", "/api/v1/beneficiaries?region={}&limit=50", villages, "region", 51),
    ]:
        # Whatever the service binds is a variable here too: PostgreSQL plans a literal otherwise.
        rest = {"root": "62.02", "limit": limit}
        ours(path.format(picks[0]))
        theirs(script, {key: picks[0]} | rest)
        rounds = []
        for turn in range(ROUNDS):
            pick = picks[turn % len(picks)]
            # Their turns alternate, so that a noisy minute hits both.
            pair = (theirs(script, {key: pick} | rest), ours(path.format(pick))) if turn % 2 else None
            if pair is None:
                us = ours(path.format(pick))
                pair = (theirs(script, {key: pick} | rest), us)
            rounds.append(pair)
            print(f"{name}: pgbench {pair[0]:.0f}/s, ours {pair[1][0]:.0f}/s = {pair[1][0] / pair[0]:.2f}", file=sys.stderr)
        ratio = statistics.median(us[0] / them for them, us in rounds)
        rows.append(
            (
                name,
                statistics.median(them for them, _ in rounds),
                statistics.median(us[0] for _, us in rounds),
                ratio,
                statistics.median(us[1] for _, us in rounds),
                statistics.median(us[2] for _, us in rounds),
            )
        )
    return rows


TABLES = ["beneficiaries", "members", "source_families", "source_people", "welfare_ranks", "changes"]


def copied(folder, tables, kind):
    """Seconds of \\copy of these tables' rows, the median of the rounds; `kind` says into what."""
    psql = ["psql", URL, "-Xqc"]
    taken = []
    for _ in range(ROUNDS):
        subprocess.run(psql + ["DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench"], check=True, stderr=subprocess.DEVNULL)
        for table in tables:
            like = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS" if kind == "bare" else "INCLUDING ALL"
            subprocess.run(psql + [f"CREATE TABLE bench.{table} (LIKE public.{table} {like})"], check=True)
        if kind == "keyed":
            for table in tables:
                keys = sql_lines(
                    "SELECT format('ALTER TABLE bench.%I ADD %s', relname, replace(pg_get_constraintdef(k.oid), 'REFERENCES ', 'REFERENCES ' ||"
                    " CASE WHEN confrelid::regclass::text = ANY('{" + ",".join(tables) + "}') THEN 'bench.' ELSE 'public.' END))"
                    f" FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid WHERE contype = 'f' AND conrelid = 'public.{table}'::regclass"
                )
                for key in keys:
                    subprocess.run(psql + [key], check=True)
        total = 0.0
        for table in tables:
            begun = time.monotonic()
            subprocess.run(psql + [f"\\copy bench.{table} FROM '{folder}/{table}' (FORMAT binary)"], check=True)
            total += time.monotonic() - begun
        taken.append(total)
    subprocess.run(psql + ["DROP SCHEMA bench CASCADE"], check=True, stderr=subprocess.DEVNULL)
    return statistics.median(taken)


def imports():
    """The rows of the demo regencies: our import job beside \\copy of the rows it leaves behind."""
    job = sql(
        "SELECT extract(epoch FROM sum(finished_at - started_at)) FROM jobs WHERE state = 'succeeded' AND kind = 'release_import'"
    )
    people, families = int(sql("SELECT count(*) FROM members")[0]), int(sql("SELECT count(*) FROM beneficiaries")[0])
    with tempfile.TemporaryDirectory() as folder:
        for table in TABLES:
            subprocess.run(["psql", URL, "-Xqc", f"\\copy {table} TO '{folder}/{table}' (FORMAT binary)"], check=True)
        times = [
            ("`\\copy` of families and members into tables without indexes and references", copied(folder, TABLES[:2], "bare")),
            ("`\\copy` of families and members into equal tables (indexes, references)", copied(folder, TABLES[:2], "keyed")),
            ("`\\copy` of all rows that the import writes into equal tables", copied(folder, TABLES, "keyed")),
        ]
    return people, families, float(job[0]), times


def main():
    rest = memory("VmRSS")
    rows = reads()
    load = memory("VmHWM")
    people, families, seconds, times = imports()
    out = [
        "# Benchmarks",
        "",
        f"Written by `make bench` ({time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores): service, database and load on one machine, {CONNECTIONS} connections,"
        f" medians of {ROUNDS} rounds of {SECONDS} s, turns alternating. The ratios count; absolute numbers don't last.",
        "",
        "## Reads, token verified, beside pgbench (`-M prepared`) doing the same SQL over the same socket",
        "",
        "| read | pgbench /s | Entas /s | ratio | floor | aim | median ms | p99 ms | p99 / median (< 8) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, them, us, ratio, median, p99), (floor, aim) in zip(rows, [(0.33, 0.45), (0.33, 0.40)]):
        out.append(f"| {name} | {them:.0f} | {us:.0f} | **{ratio:.2f}** | {floor} | {aim} | {median:.2f} | {p99:.2f} | {p99 / median:.1f} |")
    out += [
        "",
        f"Resident memory of the service: {rest:.0f} MiB at rest, {load:.0f} MiB at most under this load (bound: 80).",
        "",
        "## Import beside `\\copy`",
        "",
        f"The demo regencies, {families} families and {people} people. The import reads the workbook twice, validates, seals and indexes every number and writes families,"
        " members, the sources' keys, ranks, remarks and the change feed, batch by batch in transactions; `\\copy` loads finished rows, in binary.",
        "",
        "| what | seconds | families and people a second | the import takes × times as long |",
        "|---|---|---|---|",
        f"| Entas import (jobs) | {seconds:.2f} | {(families + people) / seconds:.0f} | |",
    ]
    out += [f"| {what} | {taken:.2f} | {(families + people) / taken:.0f} | {seconds / taken:.1f} |" for what, taken in times] + [""]
    # What people wrote about the figures stays, and so does the section of `make bench-linkage`; whoever measures anew reads it anew.
    remarks = "\n## What to make of the figures"
    with open("docs/BENCHMARKS.md") as known:
        said = known.read().partition(remarks)[1:]
    with open("docs/BENCHMARKS.md", "w") as target:
        target.write("\n".join(out) + "".join(said))
    print("\n".join(out))


if __name__ == "__main__":
    main()
