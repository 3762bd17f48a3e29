#!/usr/bin/env python3
"""Measures matching runs of the service beside `entas link` on the same files, in turns, and writes a section of docs/BENCHMARKS.md.

Called by `make bench-runs` (scripts/bench-runs.sh prepares database, service and registers). The ratios count. CPU is that of the service's
process and of every process of the database; wall time of a run is that of its job.
"""
import json
import os
import resource
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

BASE, PID, EXE = os.environ["BENCH_BASE"], int(os.environ["BENCH_PID"]), os.environ["BENCH_EXE"]
REGISTERS, FOLDER, URL = os.environ["BENCH_REGISTERS"], os.environ["BENCH_FOLDER"], os.environ["DATABASE_URL"]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BOUND = 3.0
START, END = "<!-- runs -->", "<!-- /runs -->"
TICK = os.sysconf("SC_CLK_TCK")
TOKEN = {}


def sql(text):
    done = subprocess.run(["psql", URL, "-XAtqc", "SET client_min_messages = error", "-c", text], check=True, capture_output=True, text=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def token():
    if time.time() > TOKEN.get("until", 0):
        form = urllib.parse.urlencode({"grant_type": "password", "username": "measure", "password": os.environ["ENTAS_PASSWORD"]}).encode()
        with urllib.request.urlopen(BASE + "/oauth/token", form) as answer:
            TOKEN.update(value=json.load(answer)["access_token"], until=time.time() + 120)
    return TOKEN["value"]


def post(path, body):
    head = {"authorization": f"Bearer {token()}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(BASE + "/api/v1" + path, json.dumps(body).encode(), head)) as answer:
        return json.load(answer)


def finished(job):
    """Waits for a job; looks in the database, so that waiting costs the service nothing."""
    while True:
        state, code = sql(f"SELECT state, error_code FROM jobs WHERE id = '{job}'")[0]
        if state == "succeeded":
            return float(sql(f"SELECT extract(epoch FROM finished_at - started_at) FROM jobs WHERE id = '{job}'")[0][0])
        if state in ("failed", "cancelled"):
            raise SystemExit(f"job {job} {state}: {code}")
        time.sleep(2)


def load(name):
    """The release of a register, brought in once."""
    known = sql(f"SELECT r.id FROM releases r JOIN datasets d ON d.id = r.dataset_id WHERE d.code = '{name}' AND r.people > 0")
    if known:
        return known[0][0]
    body = {"region_code": "62.02", "code": name, "name": name, "owner": "measuring", "unit": "family"}
    dataset = post("/datasets", body)["id"]
    upload = ["curl", "-sS", f"{BASE}/api/v1/datasets/{dataset}/releases", "-H", f"Authorization: Bearer {token()}"]
    upload += ["-F", "mode=keep", "-F", "profile=dukcapil", "-F", f"file=@{REGISTERS}/{name}.csv"]
    answer = json.loads(subprocess.run(upload, check=True, capture_output=True, text=True).stdout)
    print(f"{name} kept in {finished(answer['job_id']):.1f} s", flush=True)
    sql("VACUUM ANALYZE")
    return answer["release_id"]


def spent(pid):
    """CPU seconds of a process with the children that it has buried; its parent."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    return sum(int(field) for field in fields[11:15]) / TICK, int(fields[1])


def database(postmaster):
    """CPU seconds of all processes of the database."""
    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return spent(postmaster)[0] + sum(cpu for cpu, parent in map(spent, pids) if parent == postmaster)


def memory(field):
    with open(f"/proc/{PID}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


def bare():
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    files = [f"{REGISTERS}/p3ke.csv", f"{REGISTERS}/registry.csv"]
    subprocess.run([EXE, "link", *files, "--out", f"{FOLDER}/pairs.csv"], check=True, capture_output=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def through_service(left, right, postmaster):
    service, base = spent(PID)[0], database(postmaster)
    with open(f"/proc/{PID}/clear_refs", "w") as refs:
        refs.write("5")
    job = post("/matching-runs", {"left_release_id": left, "against": "release", "right_release_id": right})["job_id"]
    wall = finished(job)
    return wall, spent(PID)[0] - service, database(postmaster) - base, memory("VmHWM"), memory("VmRSS")


def main():
    right, left = load("registry"), load("p3ke")
    # A backend of the service lives long enough to be asked for its parent.
    backends = sql("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL AND datname = current_database()")
    postmaster = spent(int(backends[0][0]))[1]
    load_before, ours, theirs = os.getloadavg()[0], [], []
    for turn in range(ROUNDS):
        theirs.append(bare())
        ours.append(through_service(left, right, postmaster))
        service = "{:.2f} s wall, {:.2f} + {:.2f} s CPU, {:.0f} MiB at most, {:.0f} after".format(*ours[-1])
        print(f"{turn + 1}: link {theirs[-1][0]:.2f} s wall, {theirs[-1][1]:.2f} s CPU; run {service}", flush=True)
    middle = lambda rows: [statistics.median(column) for column in zip(*rows)]
    (link_wall, link_cpu), (wall, service, base, most, _) = middle(theirs), middle(ours)
    people = sql(f"SELECT left_people, right_people FROM matching_runs WHERE left_release_id = '{left}' AND done_at IS NOT NULL LIMIT 1")[0]
    pairs, results = (sql(f"SELECT count(*) / count(DISTINCT run_id) FROM {table}")[0][0] for table in ("match_pairs", "match_results"))
    verdict = lambda ratio: "yes" if ratio <= BOUND else "**no**"
    cpu = service + base
    text = f"""{START}
## A matching run through the service beside the bare engine

Written by `make bench-runs` ({time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after; medians of {ROUNDS} rounds, in turns). `entas link` reads the two development registers from CSV and writes the pairs; the run has the same registers as kept releases ({people[0]} × {people[1]} people), reads them sealed out of PostgreSQL, opens and weighs them, and writes {pairs} pairs with their reasons and {results} results. Both take every core; the database is durable and on the same machine. The wall time of a run is that of its job.

| what | wall s | CPU s | of it database |
|---|---|---|---|
| `entas link` | {link_wall:.2f} | {link_cpu:.2f} | |
| matching run | {wall:.2f} | {cpu:.2f} | {base:.2f} |
| **times as much** (bound: {BOUND:.0f}) | **{wall / link_wall:.2f}** {verdict(wall / link_wall)} | **{cpu / link_cpu:.2f}** {verdict(cpu / link_cpu)} | |

The service was at most {most:.0f} MiB large; after each of the runs in turn {', '.join(f'{row[4]:.0f}' for row in ours)} MiB.
{END}"""
    print(text)
    with open("docs/BENCHMARKS.md") as file:
        whole = file.read()
    before, _, rest = whole.partition(START)
    rest = rest.partition(END)[2] if rest else ""
    with open("docs/BENCHMARKS.md", "w") as file:
        file.write(before.rstrip("\n") + "\n\n" + text + (rest or "\n"))


main()
