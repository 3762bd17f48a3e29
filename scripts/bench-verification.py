#!/usr/bin/env python3
"""Measures verification beside plain SQL that leaves the same rows: packets, batches of visits, the draft and decree of a whole regency.

Called by `make bench` (scripts/bench.sh prepares the database, the demo regency and the service); writes its section of docs/BENCHMARKS.md.
"""
import datetime
import gzip
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import bench

START, END = "<!-- verification -->", "<!-- /verification -->"
REGENCY = "62.02"
VILLAGES = 16
BOUND = 6.0


def uuid7():
    """A UUIDv7 as a phone makes it."""
    number = (int(time.time() * 1000) << 80) | (7 << 76) | (int.from_bytes(os.urandom(2), "big") % 4096 << 64) | (2 << 62)
    return str(uuid.UUID(int=number | (int.from_bytes(os.urandom(8), "big") >> 2)))


def ask(token, method, path, body=None, headers=None):
    """Seconds, status and body of one request."""
    data = None if body is None else json.dumps(body).encode()
    wanted = {"authorization": f"Bearer {token}", "content-type": "application/json", "user-agent": "bench"} | (headers or {})
    request = urllib.request.Request(bench.BASE + "/api/v1" + path, data=data, method=method, headers=wanted)
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
    except urllib.error.HTTPError as refused:
        raise SystemExit(f"{method} {path}: {refused.code} {refused.read().decode()}")
    return time.monotonic() - begun, content


def told(token, method, path, body=None):
    return json.loads(ask(token, method, path, body)[1] or b"null")


def job_of(token, path):
    """Seconds of the job behind a record, when it has ended."""
    job = told(token, "GET", path)["job_id"]
    while True:
        row = bench.sql_lines(f"SELECT state, extract(epoch FROM finished_at - started_at) FROM jobs WHERE id = '{job}'")[0].split("|")
        if row[0] == "succeeded":
            return float(row[1])
        if row[0] in ("failed", "cancelled"):
            raise SystemExit(f"job {job}: {row[0]}")
        time.sleep(0.1)


def plain(folder, tables):
    """Seconds in which `\\copy` leaves these rows in equal tables, with indexes and references; by table a query of the rows."""
    for table, query in tables.items():
        subprocess.run(["psql", bench.URL, "-Xqc", f"\\copy ({query}) TO '{folder}/{table}' (FORMAT binary)"], check=True)
    return bench.copied(folder, list(tables), "keyed")


def visit(family):
    return {
        "id": uuid7(),
        "beneficiary_id": family["beneficiary_id"],
        "visited_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "presence": "found",
        "eligibility": "extreme_poor",
        "answers": {"poor_floor": True, "no_own_toilet": True, "food_worry": False, "poor_wall": True},
        "attributes": {"floor": "earth", "toilet": "none", "lighting": "pln_metered"},
        "latitude": -2.95,
        "longitude": 113.02,
        "accuracy_m": 9,
    }


def main():
    coordinator, administrator = bench.token(), bench.token("administrator")
    release = bench.sql(f"SELECT id FROM releases WHERE region_code = '{REGENCY}' AND state = 'imported' ORDER BY families DESC LIMIT 1")[0]
    agency = bench.sql(f"SELECT id FROM agencies WHERE region_code = '{REGENCY}' AND status = 'active' AND kind = 'regional_office' LIMIT 1")[0]
    day = lambda ahead: (datetime.date.today() + datetime.timedelta(days=ahead)).isoformat()
    subdistricts = [
        {"region_code": code, "starts_on": day(0), "finalise_by": day(20), "forward_by": day(30), "accept_by": day(40)}
        for code in bench.sql(f"SELECT code FROM regions WHERE parent_code = '{REGENCY}' ORDER BY code")
    ]
    campaign = {"region_code": REGENCY, "name": f"Bench {uuid7()}", "lead_agency_id": agency, "release_id": release, "subdistricts": subdistricts}
    campaign = told(coordinator, "POST", "/verification-campaigns", campaign)["id"]
    ask(coordinator, "POST", f"/verification-campaigns/{campaign}/open")
    assigning = job_of(coordinator, f"/verification-campaigns/{campaign}")
    families = int(bench.sql("SELECT count(*) FROM assigned_families")[0])
    largest = [
        row.split("|")
        for row in bench.sql_lines(
            f"SELECT village_result_id, region_code, count(*) FROM assigned_families GROUP BY 1, 2 ORDER BY 3 DESC LIMIT {VILLAGES}"
        )
    ]

    name, password = f"bench-{uuid.uuid4().hex[:8]}", "kata sandi untuk mengukur"
    account = {"user_name": name, "display_name": "Bench", "region_code": REGENCY, "password": password}
    account = told(administrator, "POST", "/users", account)["id"]
    for _, village, _ in largest:
        told(administrator, "POST", f"/users/{account}/assignments", {"role": "village_operator", "region_code": village})
    operator = bench.token(name, password)

    packets, batches = [], []
    for result, _, count in largest:
        path = f"/village-results/{result}/packet"
        ask(operator, "GET", path)
        seconds, content = ask(operator, "GET", path, headers={"accept-encoding": "gzip"})
        packet = json.loads(gzip.decompress(content))
        packets.append((int(count), len(gzip.decompress(content)), len(content), seconds))
        batches.append((result, [visit(family) for family in packet["families"]]))
    visits, sending, again = 0, 0.0, 0.0
    for result, made in batches:
        body = {"village_result_id": result, "sent_at": datetime.datetime.now(datetime.timezone.utc).isoformat(), "visits": made}
        seconds, content = ask(operator, "POST", "/visits", body)
        assert json.loads(content)["recorded"] == len(made), content[:400]
        visits, sending = visits + len(made), sending + seconds
        seconds, content = ask(operator, "POST", "/visits", body)
        assert json.loads(content)["known"] == len(made), content[:400]
        again += seconds
    with tempfile.TemporaryDirectory() as folder:
        rows = {"visits": "SELECT * FROM visits", "changes": "SELECT * FROM changes WHERE resource = 'visits'"}
        visits_plain = plain(folder, rows)

    # The rest of the regency as if every village had done its part: set up by SQL, not measured.
    bench.sql(
        f"""INSERT INTO visits (id, village_result_id, beneficiary_id, campaign_id, region_code, state, visited_at, clock_skew_seconds, recorded_by,
                   presence, eligibility, digest)
            SELECT gen_random_uuid(), a.village_result_id, a.beneficiary_id, a.campaign_id, a.region_code, 'standing', now(), 0, '{account}',
                   'found', 'extreme_poor', '\\x00'
              FROM assigned_families a WHERE NOT EXISTS (SELECT FROM visits v WHERE v.beneficiary_id = a.beneficiary_id)"""
    )
    minutes = bench.sql(
        f"""INSERT INTO attachments (id, region_code, purpose, media_type, bytes, sha256, uploaded_by, object)
            VALUES (gen_random_uuid(), '{REGENCY}', 'minutes', 'application/pdf', 1, '\\x00', '{account}', gen_random_uuid()) RETURNING id"""
    )[0]
    bench.sql(
        f"""UPDATE village_results SET state = 'accepted', meeting_kind = 'musdes', meeting_number = '1', meeting_on = current_date,
                   minutes_id = '{minutes}', finalised_at = now(), forwarded_at = now(), accepted_at = now()"""
    )
    subprocess.run(["psql", bench.URL, "-Xqc", "VACUUM ANALYZE visits, village_results, assigned_families"], check=True)
    leader = bench.token("leadership")
    listed = told(coordinator, "POST", "/target-lists", {"region_code": REGENCY, "title": "Bench"})["id"]
    drafting = job_of(coordinator, f"/target-lists/{listed}")
    ask(coordinator, "POST", f"/target-lists/{listed}/submit")
    decree = {"sk_number": "188.45-1", "sk_date": day(0), "signatory_name": "Bupati Contoh", "signatory_title": "Bupati"}
    decreeing, content = ask(leader, "POST", f"/target-lists/{listed}/decree", decree)
    on_list = json.loads(content)["families"]
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            "target_list_entries": "SELECT * FROM target_list_entries",
            "changes": "SELECT * FROM changes WHERE action IN ('target_list_added', 'target_list_removed')",
        }
        decree_plain = plain(folder, rows)
    explained = statistics.median(
        ask(coordinator, "GET", f"/target-lists/{listed}/entries/{family['beneficiary_id']}/explanation")[0]
        for _, made in batches
        for family in made[:2]
    )

    middle = lambda column: statistics.median(column)
    verdict = lambda ratio: f"**{ratio:.2f}** {'yes' if ratio <= BOUND else '**no**'}"
    largest_packet = max(packets)
    text = f"""{START}
## Verification beside plain SQL

Written by `make bench` ({time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; one run). The demo regency's {families} families in one campaign; the {VILLAGES} largest villages are visited through HTTP. Plain SQL is `\\copy` of the very rows that were left behind (with their lines of the change feed) into equal tables with indexes and references.

| what | Entas s | plain SQL s | times as long (bound: {BOUND:.0f}) |
|---|---|---|---|
| {visits} visits in {VILLAGES} batches: {visits / sending:.0f} visits/s | {sending:.2f} | {visits_plain:.2f} | {verdict(sending / visits_plain)} |
| draft and decree of {on_list} families ({drafting:.2f} s job, {decreeing:.2f} s decree) | {drafting + decreeing:.2f} | {decree_plain:.2f} | {verdict((drafting + decreeing) / decree_plain)} |

The same batches sent again change nothing: {again:.2f} s, {visits / again:.0f} visits/s. Giving {families} families to their villages: {assigning:.2f} s (job). A village's packet, median of {VILLAGES}: {middle([row[0] for row in packets]):.0f} families, {middle([row[2] for row in packets]) / 1024:.1f} KiB compressed ({middle([row[1] for row in packets]) / 1024:.0f} KiB plain), {middle([row[3] for row in packets]) * 1000:.0f} ms; the largest {largest_packet[0]} families, {largest_packet[2] / 1024:.1f} KiB, {largest_packet[3] * 1000:.0f} ms. Explaining why a family is on the list: {explained * 1000:.0f} ms. Memory of the service at most {bench.memory('VmHWM'):.0f} MiB.
{END}"""
    print(text)
    with open("docs/BENCHMARKS.md") as known:
        whole = known.read()
    before, _, rest = whole.partition(START)
    rest = rest.partition(END)[2] if rest else ""
    with open("docs/BENCHMARKS.md", "w") as target:
        target.write(before.rstrip("\n") + "\n\n" + text + (rest or "\n"))


main()
